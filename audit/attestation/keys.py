"""Keys: made here, kept encrypted, and the public file that others verify with.

A key is a folder with two pairs, since no one kind serves both uses: Ed25519 signs attestations, and P-256, which PDF
readers know, signs reports, under a certificate that the key signs itself. Nobody vouches for that certificate but
whoever hands over the public file; it says the signer's name as the signer gave it, and has no end, as nobody could
withdraw it either. A key that is no longer to be used is replaced by telling readers which public file counts.

    <keys>/<name>/  attestation.key.pem report.key.pem    PKCS8, encrypted with the passphrase
                    public.pem                            public key and certificate, in the clear
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs
from asn1crypto import algos, keys, pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.x509.oid import NameOID

from audit.attestation import files
from audit.attestation.files import UnreadableError
from audit.errors import SignatureError, UsageError

SHORTEST = 12  # characters of a passphrase
ROUNDS = 600_000  # of PBKDF2-HMAC-SHA256 (OWASP Password Storage Cheat Sheet, 2023)
NAMES = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ATTESTATION, REPORT, PUBLIC = "attestation.key.pem", "report.key.pem", "public.pem"
MOST_PEM = 2**16
LONGEST_NAME = 64  # of a common name (RFC 5280, appendix A)
NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # "no well-defined expiration date" (RFC 5280, 4.1.2.5)


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """What others verify with."""

    attestation: ed25519.Ed25519PublicKey
    certificate: x509.Certificate  # of the key that signs reports

    @property
    def id(self) -> str:
        """Hex SHA-256 of the attestation key's SubjectPublicKeyInfo."""
        return key_id(self.attestation)

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the certificate."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def signer(self) -> str:
        """Who signs, as the certificate says it."""
        return signer_of(self.certificate)

    def as_pem(self) -> bytes:
        """The public file: both as PEM, with a line of explanation."""
        head = f"plural-audit public key of {self.signer}\nkey id sha256:{self.id}\n"
        return (
            f"{head}certificate sha256:{self.fingerprint}\n".encode()
            + self.attestation.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            + self.certificate.public_bytes(serialization.Encoding.PEM)
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class SigningKey:
    """An opened key; it never leaves memory and does not show what it holds."""

    public: PublicKey
    attestation: ed25519.Ed25519PrivateKey
    report: ec.EllipticCurvePrivateKey


def keys_folder() -> Path:
    """Where keys lie: $PLURAL_AUDIT_KEYS, or a folder in the user's configuration."""
    return Path(os.environ.get("PLURAL_AUDIT_KEYS") or platformdirs.user_config_path("plural-audit") / "keys")


def key_id(key: ed25519.Ed25519PublicKey) -> str:
    """Hex SHA-256 of the SubjectPublicKeyInfo."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def signer_of(certificate: x509.Certificate) -> str:
    """The common name of a certificate's subject; "" where it has none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def record_of(public: PublicKey) -> dict[str, str]:
    """What tells a key: who signs, id, raw public key and certificate's fingerprint, in hex."""
    return {
        "signer": public.signer,
        "key_id": public.id,
        "public_key": public.attestation.public_bytes_raw().hex(),
        "certificate_sha256": public.fingerprint,
    }


# --- making ----------------------------------------------------------------------------------


def make(name: str, *, passphrase: str, signer: str = "", folder: Path | None = None) -> PublicKey:
    """Make a key: its folder is there whole or not at all, and a key that is there is never replaced.

    Args:
        name: of the key on this machine.
        passphrase: opens it; not kept.
        signer: who signs, as readers of a signed report see it; "" takes `name`.
        folder: that holds the keys; None is `keys_folder()`.

    Raises:
        UsageError: no name for a key, a passphrase that is too short, or a place inside a run folder.
        SignatureError: a key of that name is there, or the folder cannot be written.
    """
    place = _place(name, folder)
    require_strong(passphrase)
    if (run := _run_around(place)) is not None:
        raise UsageError(f"{place}: lies in the run folder {run}, which is given to others; keep keys elsewhere")
    if place.exists():
        raise SignatureError(f"{place}: there is a key of that name; name another one, old reports need the old key")
    if len(signer or name) > LONGEST_NAME:
        raise UsageError(f"--signer: {len(signer)} characters, a certificate takes {LONGEST_NAME}; shorten it")
    attestation, report = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    public = PublicKey(attestation=attestation.public_key(), certificate=_certificate(report, signer or name))
    contents = {
        ATTESTATION: _encrypted(attestation, passphrase),
        REPORT: _encrypted(report, passphrase),
        PUBLIC: public.as_pem(),
    }
    try:
        _write(place, contents)
    except OSError as error:
        raise SignatureError(f"{place}: cannot be written ({error.strerror or error}); name another --keys") from error
    return public


def require_strong(passphrase: str) -> None:
    """Refuse a passphrase that could be guessed by trying.

    Raises:
        UsageError: it is empty or has fewer than SHORTEST characters.
    """
    if len(passphrase.strip()) < SHORTEST:
        raise UsageError(
            f"passphrase: {len(passphrase.strip())} characters, {SHORTEST} are the least; take several words"
        )


def _place(name: str, folder: Path | None) -> Path:
    if not NAMES.fullmatch(name):
        raise UsageError(f"{name[:64]!r}: no name for a key; use small letters, digits, '-', '_' and '.'")
    return (folder or keys_folder()).expanduser() / name


def _run_around(place: Path) -> Path | None:
    around = [place.absolute(), *place.absolute().parents, *place.resolve().parents]
    return next((one for one in around if (one / "evidence.json").exists() or (one / "run.json").exists()), None)


def _write(place: Path, contents: dict[str, bytes]) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))  # mkdtemp: 0700
    try:
        for name, content in contents.items():
            handle = os.open(beside / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        beside.rename(place)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _certificate(key: ec.EllipticCurvePrivateKey, signer: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC).replace(microsecond=0))
        .not_valid_after(NO_END)
        .add_extension(usage, critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _encrypted(key: Any, passphrase: str) -> bytes:
    """PKCS8 under PBES2 (RFC 8018): PBKDF2-HMAC-SHA256 and AES-256-CBC.

    By hand, since the library's own encryption of PKCS8 takes 2048 rounds and no other number.
    """
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    salt, start = os.urandom(16), os.urandom(16)
    secret = PBKDF2HMAC(hashes.SHA256(), length=32, salt=salt, iterations=ROUNDS).derive(passphrase.encode())
    padder, encryptor = padding.PKCS7(AES.block_size).padder(), Cipher(AES(secret), CBC(start)).encryptor()
    derivation = {
        "algorithm": "pbkdf2",
        "parameters": {
            "salt": algos.Pbkdf2Salt(name="specified", value=salt),
            "iteration_count": ROUNDS,
            "key_length": 32,
            "prf": {"algorithm": "sha256"},
        },
    }
    algorithm = {
        "algorithm": "pbes2",
        "parameters": {
            "key_derivation_func": derivation,
            "encryption_scheme": {"algorithm": "aes256_cbc", "parameters": start},
        },
    }
    encrypted = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    info = keys.EncryptedPrivateKeyInfo({"encryption_algorithm": algorithm, "encrypted_data": encrypted})
    armoured: bytes = pem.armor("ENCRYPTED PRIVATE KEY", info.dump())
    return armoured


# --- reading ---------------------------------------------------------------------------------


def names(folder: Path | None = None) -> tuple[str, ...]:
    """Names of the keys that are there."""
    place = (folder or keys_folder()).expanduser()
    return tuple(sorted(file.parent.name for file in place.glob(f"*/{PUBLIC}") if NAMES.fullmatch(file.parent.name)))


def public_of(name: str, *, folder: Path | None = None) -> PublicKey:
    """The public half of a key of this machine.

    Raises:
        UsageError: no name for a key.
        SignatureError: no such key, or its public file is damaged.
    """
    place = _place(name, folder)
    if not (place / PUBLIC).is_file():
        there = ", ".join(names(folder)) or "none"
        raise SignatureError(f"{place}: no key there (there: {there}); make one: plural-audit keys new {name}")
    return read_public(place / PUBLIC)


def read_public(file: Path) -> PublicKey:
    """A public file, as `PublicKey.as_pem` wrote it.

    Raises:
        SignatureError: it is none.
    """
    try:
        found = files.content(file, most=MOST_PEM)
        blocks = {kind: content for kind, _, content in pem.unarmor(found, multiple=True)}
        key = serialization.load_der_public_key(blocks["PUBLIC KEY"])
        certificate = x509.load_der_x509_certificate(blocks["CERTIFICATE"])
    except UnreadableError as error:
        raise SignatureError(f"{file}: {error}; give the file that `plural-audit keys export` wrote") from None
    except (KeyError, ValueError, TypeError):
        raise SignatureError(
            f"{file}: holds not both a public key and a certificate; give the file of `plural-audit keys export`"
        ) from None
    if not isinstance(key, ed25519.Ed25519PublicKey) or not isinstance(
        certificate.public_key(), ec.EllipticCurvePublicKey
    ):
        raise SignatureError(f"{file}: not an Ed25519 key and a P-256 certificate; give the file of `keys export`")
    return PublicKey(attestation=key, certificate=certificate)


def open_key(name: str, *, passphrase: str, folder: Path | None = None) -> SigningKey:
    """Open a key of this machine.

    Raises:
        UsageError: no name for a key.
        SignatureError: no such key, the passphrase does not open it, or its files do not belong together.
    """
    public = public_of(name, folder=folder)
    place = _place(name, folder)
    attestation, report = (_private(place / file, passphrase) for file in (ATTESTATION, REPORT))
    fits = (
        isinstance(attestation, ed25519.Ed25519PrivateKey)
        and isinstance(report, ec.EllipticCurvePrivateKey)
        and attestation.public_key() == public.attestation
        and report.public_key() == public.certificate.public_key()
    )
    if not fits:
        raise SignatureError(f"{place}: its files do not belong together; restore the folder, or make another key")
    return SigningKey(public=public, attestation=attestation, report=report)


def _private(file: Path, passphrase: str) -> Any:
    try:
        return serialization.load_pem_private_key(files.content(file, most=MOST_PEM), passphrase.encode() or None)
    except UnreadableError as error:
        raise SignatureError(f"{file}: {error}; restore the folder, or make another key") from None
    except (ValueError, TypeError):
        raise SignatureError(f"{file}: the passphrase does not open it; try again, nobody can recover it") from None
