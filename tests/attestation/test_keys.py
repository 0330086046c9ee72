from __future__ import annotations

import hashlib
import stat

import pytest
from asn1crypto import keys as asn1_keys
from asn1crypto import pem
from attested_run import PASSPHRASE, made_key, write_run
from cryptography.hazmat.primitives import serialization

from audit.attestation import keys
from audit.errors import SignatureError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "deeper"
    made_key(folder)
    return folder


def test_private_parts_are_encrypted_and_readable_by_their_owner_alone(folder):
    assert stat.S_IMODE((folder / "board").stat().st_mode) == 0o700
    for name in ("attestation.key.pem", "report.key.pem", "public.pem"):
        file = folder / "board" / name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for name in ("attestation.key.pem", "report.key.pem"):
        text = (folder / "board" / name).read_bytes()
        assert text.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        info = asn1_keys.EncryptedPrivateKeyInfo.load(pem.unarmor(text)[2])
        assert info["encryption_algorithm"].kdf_iterations == 600_000
        assert info["encryption_algorithm"].encryption_cipher == "aes"
        key = serialization.load_pem_private_key(text, PASSPHRASE.encode())  # another implementation of PBES2
        assert key.public_key() is not None


def test_a_key_opens_with_its_passphrase_only(folder):
    assert keys.open_key("board", passphrase=PASSPHRASE, folder=folder).public.signer == "The board"
    for wrong in (PASSPHRASE + " ", "", "another sentence"):
        with pytest.raises(SignatureError, match="the passphrase does not open it"):
            keys.open_key("board", passphrase=wrong, folder=folder)


def test_an_opened_key_does_not_show_what_it_holds(folder):
    assert "Private" not in repr(keys.open_key("board", passphrase=PASSPHRASE, folder=folder))


@pytest.mark.parametrize("passphrase", ["", "  ", "eleven char", "   short     "])
def test_a_passphrase_that_could_be_guessed_makes_no_key(tmp_path, passphrase):
    with pytest.raises(UsageError, match="12 are the least"):
        keys.make("weak", passphrase=passphrase, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_there_is_never_replaced(folder):
    before = (folder / "board" / "public.pem").read_bytes()
    with pytest.raises(SignatureError, match="there is a key of that name"):
        keys.make("board", passphrase=PASSPHRASE, folder=folder)
    assert (folder / "board" / "public.pem").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../board", "a/b", ".hidden", "Board", "a b", "x" * 65])
def test_a_name_is_never_a_path(tmp_path, name):
    with pytest.raises(UsageError, match="no name for a key"):
        keys.make(name, passphrase=PASSPHRASE, folder=tmp_path)


def test_no_key_is_made_inside_a_run_folder_however_it_is_named(tmp_path):
    run = write_run(tmp_path / "run")
    link = tmp_path / "elsewhere"
    link.symlink_to(run.path)
    for folder in (run.path, run.path / "a" / "b", link):
        with pytest.raises(UsageError, match=r"lies in the run folder .* which is given to others"):
            keys.make("board", passphrase=PASSPHRASE, folder=folder)
    assert not list(run.path.rglob("*.pem"))


def test_a_folder_that_cannot_be_written_is_one_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SignatureError, match="cannot be written"):
        keys.make("board", passphrase=PASSPHRASE, folder=tmp_path / "file")


def test_the_key_id_is_the_digest_of_the_public_key_info(folder):
    """An Ed25519 SubjectPublicKeyInfo is twelve fixed bytes (RFC 8410) and the 32 of the key."""
    public = keys.public_of("board", folder=folder)
    spki = bytes.fromhex("302a300506032b6570032100") + public.attestation.public_bytes_raw()
    assert public.id == hashlib.sha256(spki).hexdigest()
    der = public.certificate.public_bytes(serialization.Encoding.DER)
    assert public.fingerprint == hashlib.sha256(der).hexdigest()


def test_the_public_file_gives_back_the_same_key_and_nothing_private(folder, tmp_path):
    public = keys.public_of("board", folder=folder)
    (tmp_path / "board.pem").write_bytes(public.as_pem())
    back = keys.read_public(tmp_path / "board.pem")
    assert (back.id, back.fingerprint, back.signer) == (public.id, public.fingerprint, "The board")
    assert b"PRIVATE" not in public.as_pem()


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PUBLIC KEY-----\n", b"\0" * 100, b"x" * 2**17])
def test_a_file_that_is_no_public_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "x.pem").write_bytes(content)
    with pytest.raises(SignatureError, match=r"x\.pem: .*keys export"):
        keys.read_public(tmp_path / "x.pem")


def test_a_public_key_of_another_kind_is_refused(folder, tmp_path):
    """A file with the certificate's key in place of the attestation's."""
    public = keys.public_of("board", folder=folder)
    other = public.certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "x.pem").write_bytes(other + public.certificate.public_bytes(serialization.Encoding.PEM))
    with pytest.raises(SignatureError, match="not an Ed25519 key"):
        keys.read_public(tmp_path / "x.pem")


def test_files_of_two_keys_do_not_make_one(tmp_path):
    made_key(tmp_path, "one")
    made_key(tmp_path, "two")
    (tmp_path / "two" / "report.key.pem").replace(tmp_path / "one" / "report.key.pem")
    with pytest.raises(SignatureError, match="do not belong together"):
        keys.open_key("one", passphrase=PASSPHRASE, folder=tmp_path)


def test_a_key_that_is_not_there_is_named_with_those_that_are(folder):
    with pytest.raises(SignatureError, match=r"no key there \(there: board\)"):
        keys.public_of("bord", folder=folder)


def test_the_name_of_a_signer_fits_a_certificate(tmp_path):
    with pytest.raises(UsageError, match="a certificate takes 64"):
        keys.make("long", passphrase=PASSPHRASE, signer="x" * 65, folder=tmp_path)
