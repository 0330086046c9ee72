from __future__ import annotations

import io
import re
import shutil
import subprocess
import zlib

import pikepdf
import pytest
from attested_run import made_key, page, signed, write_run
from reviews.desk_run import FINDINGS as WEIGHED

from audit import attestation
from audit.attestation import paper
from audit.attestation.checking import State
from audit.attestation.files import UnreadableError
from audit.attestation.paper import BrokenSignatureError, check_pdf
from audit.errors import RunError, SignatureError
from audit.findings import to_json
from audit.runs import SIGNED_REPORT
from reports.attachment import manifest_of


@pytest.fixture(scope="module")
def paper_signed(key) -> bytes:
    return attestation.sign_report(page(), key=key)


@pytest.fixture
def place(tmp_path):
    """Writes bytes to a file."""

    def written(content: bytes, name: str = "report.pdf"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return written


def states(file, *believed, **asked) -> tuple[int, dict[str, State]]:
    found = attestation.verify_report(file, keys=believed, **asked)
    return found.exit_code, {check.what: check.state for check in found.checks}


# --- the signature ---------------------------------------------------------------------------


def test_a_signed_report_begins_with_the_report_and_names_its_signer(paper_signed, key):
    found = check_pdf(paper_signed)
    assert paper_signed.startswith(page())
    assert (found.signer, found.certificate_sha256, found.earlier) == ("The board", key.public.fingerprint, 0)
    assert found.claimed_time is not None


def test_a_report_that_is_not_signed_is_told_apart_from_one_whose_signature_broke(paper_signed):
    assert check_pdf(page()) is None
    assert check_pdf(paper_signed[: len(page())]) is None  # the report, whose signature was cut off
    with pytest.raises(BrokenSignatureError, match="remains of a signature"):
        check_pdf(page() + b"\n% /ByteRange [0 1 2 3]")


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler's pdfsig is not installed")
def test_another_implementation_finds_the_signature_valid(paper_signed, place):
    said = subprocess.run(
        ["pdfsig", "-nocert", str(place(paper_signed))], check=False, capture_output=True, text=True
    ).stdout
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert "Signer Certificate Common Name: The board" in said


def offsets(content: bytes) -> list[int]:
    """Some of each part: the report, the update, the value's first and last digits and its padding, the end."""
    _, length, second, rest = map(int, re.search(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)", content).groups())
    own = [0, 7, len(page()) // 2, len(page()) - 3, len(page()) + 5]
    value = [length, length + 1, length + 2, length + 9, (length + second) // 2, second - 400, second - 2, second - 1]
    return [*own, *value, length - 1, second, second + rest // 2, len(content) - 2, *range(50, len(content), 211)]


def test_a_flipped_byte_anywhere_in_a_signed_report_is_found(paper_signed, key):
    """Unreadable, changed, or, in the certificate that lies in the value, no longer the signer's."""
    believed = []
    for at in offsets(paper_signed):
        changed = bytearray(paper_signed)
        changed[at] ^= 1
        try:
            found = check_pdf(bytes(changed))
        except BrokenSignatureError:
            continue
        if found is None or found.certificate_sha256 == key.public.fingerprint:
            believed.append(at)
    assert believed == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content + b"\n", "1 bytes were added after"),
        (lambda content: content + b"% a comment\n%%EOF\n", None),
        (lambda content: content[:-1], None),
        (lambda content: content[: len(content) // 2], None),
        (lambda content: content.replace(b"[ 0 0 595", b"[ 0 0 695"), "changed after it was signed"),
        (lambda content: b"%PDF-1.4\n" + content, None),
        (lambda content: b"", "cannot be read"),
        (lambda content: b"no PDF at all", "cannot be read"),
    ],
)
def test_what_was_added_cut_or_changed_is_found(paper_signed, spoil, said):
    with pytest.raises(BrokenSignatureError, match=said):
        check_pdf(spoil(paper_signed))


def test_an_update_that_changes_the_page_after_signing_is_found(paper_signed):
    """The form of the attack that shows other pages above an intact signature."""
    from pyhanko.pdf_utils.generic import NameObject, NumberObject
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(paper_signed))
    first = writer.root["/Pages"]["/Kids"][0]
    first[NameObject("/Rotate")] = NumberObject(180)
    writer.update_container(first)
    changed = io.BytesIO()
    writer.write(changed)
    assert changed.getvalue().startswith(paper_signed)
    with pytest.raises(BrokenSignatureError, match="bytes were added after it was signed"):
        check_pdf(changed.getvalue())


def test_a_value_in_the_gap_with_more_behind_it_is_refused(paper_signed):
    """Padding is zeros: what else stood there would be covered by nothing."""
    end = re.search(rb"/Contents <([0-9A-F]+)>", paper_signed).end(1)
    with pytest.raises(BrokenSignatureError, match="something else stands behind its value"):
        check_pdf(paper_signed[: end - 4] + b"BEEF" + paper_signed[end:])


def test_each_single_byte_of_the_value_of_a_signature_counts(paper_signed, key):
    """Also those that CMS leaves unsigned: versions, names of algorithms, lengths."""
    start, end = re.search(rb"/Contents <([0-9A-F]+)>", paper_signed).span(1)
    length = len(bytes.fromhex(paper_signed[start:end].decode()).rstrip(b"\0"))
    believed = []
    for at in range(length):
        value = bytearray(bytes.fromhex(paper_signed[start:end].decode()))
        value[at] ^= 1
        try:
            found = check_pdf(paper_signed[:start] + value.hex().upper().encode() + paper_signed[end:])
        except BrokenSignatureError:
            continue
        if found is None or found.certificate_sha256 == key.public.fingerprint:
            believed.append(at)
    assert believed == []


def test_a_second_signature_counts_as_the_last_ones(paper_signed, stranger, key):
    found = check_pdf(attestation.sign_report(paper_signed, key=stranger))
    assert (found.certificate_sha256, found.earlier) == (stranger.public.fingerprint, 1)


def test_no_pdf_is_not_signed(key):
    with pytest.raises(SignatureError, match="cannot be signed"):
        attestation.sign_report(b"no PDF", key=key)


# --- alone -----------------------------------------------------------------------------------


def test_a_signed_report_alone_holds_by_a_named_key_only(paper_signed, key, stranger, place):
    file = place(paper_signed)
    assert states(file, key.public)[0] == 0
    assert states(file)[0] == 2
    assert states(file, stranger.public)[0] == 2


def test_nothing_vouches_for_a_report_that_is_neither_signed_nor_of_a_run_at_hand(place, key):
    code, found = states(place(page()))
    assert code == 69
    assert found["pages of the report"] is State.NOT_COMPARED
    assert states(place(page()), key.public)[0] == 69


def test_a_changed_report_is_not_looked_at_further(paper_signed, place, key):
    found = attestation.verify_report(place(paper_signed + b" "), keys=[key.public])
    assert (found.exit_code, len(found.checks)) == (1, 1)
    assert found.sentence.endswith("do not use this copy; ask for it again")


def test_a_file_that_is_not_there_cannot_be_checked(tmp_path):
    with pytest.raises(RunError, match="is not there"):
        attestation.verify_report(tmp_path / "no.pdf")


# --- with its run ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory, key):
    """A signed run whose report has a manifest."""
    from attested_run import evidence

    manifest = dict(manifest_of(evidence(), WEIGHED))
    path = tmp_path_factory.mktemp("told") / "run"
    return signed(write_run(path, report=page(manifest=manifest), findings=to_json(WEIGHED).encode()), key), manifest


def test_a_report_of_a_run_is_told_to_be_its(told, key, place):
    run, _ = told
    report = (run.path / "report.pdf").read_bytes()
    for content in (report, (run.path / SIGNED_REPORT).read_bytes(), attestation.sign_report(report, key=key)):
        code, found = states(place(content), key.public, run=run.path)
        assert found["pages of the report"] is State.OK
        assert found["run of the report"] is State.OK
        assert code == (0 if content != report else 2)  # report.pdf itself is not signed
    assert states(place(report), run=run.path)[1]["pages of the report"] is State.OK


def test_a_manifest_names_its_run_and_nothing_that_is_no_id(told, place):
    from audit.attestation.verify import run_named_in

    run, manifest = told
    assert run_named_in(run.path / "report.pdf") == manifest["run_id"]
    for hostile in ("../../etc", "x" * 12, 7, None):
        assert run_named_in(place(page(manifest={"run_id": hostile}))) == ""
    assert run_named_in(place(page())) == ""


@pytest.mark.parametrize(
    ("altered", "said"),
    [
        ({"run_id": "0" * 12}, "the report is of '000000000000'"),
        ({"findings_sha256": "0" * 64}, "other findings"),
        ({"evidence_sha256": {}}, "other evidence"),
        ({"evidence_sha256": None}, "does not say which evidence"),
    ],
)
def test_a_report_of_another_run_is_found(told, key, place, altered, said):
    run, manifest = told
    file = place(attestation.sign_report(page(manifest=manifest | altered), key=key))
    found = attestation.verify_report(file, keys=[key.public], run=run.path)
    assert found.exit_code == 1
    assert said in found.sentence


def test_pages_of_a_signed_report_that_no_file_of_the_run_has_rest_on_the_signature(told, key, stranger, place):
    run, manifest = told
    other = page("Other words.", manifest=manifest)
    code, found = states(place(attestation.sign_report(other, key=key)), key.public, run=run.path)
    assert (code, found["pages of the report"]) == (0, State.NOT_CHECKED)
    assert states(place(attestation.sign_report(other, key=stranger)), key.public, run=run.path)[0] == 2
    code, found = states(place(other), run=run.path)
    assert (code, found["pages of the report"]) == (69, State.NOT_COMPARED)


def test_a_copy_is_the_runs_own_only_if_it_was_signed_with_it(told, key, tmp_path):
    from attested_run import copied, signed

    run, manifest = told
    folder = copied(run, tmp_path / "run")
    copy = folder.path / "report.fr.pdf"
    copy.write_bytes(page("Un rapport.", manifest=manifest))
    code, found = states(copy, key.public, run=folder.path)
    assert (code, found["pages of the report"]) == (69, State.NOT_COMPARED)
    signed(folder, key)
    assert states(copy, key.public, run=folder.path)[1]["pages of the report"] is State.OK


def test_a_report_lies_in_its_run_unless_it_names_another(told, tmp_path):
    from attested_run import copied

    from audit.attestation.verify import folder_of

    run, manifest = told
    folder = copied(run, tmp_path / "run")
    assert folder_of(folder.path / SIGNED_REPORT) == folder.path
    (folder.path / "other.pdf").write_bytes(page(manifest=manifest | {"run_id": "0" * 12}))
    assert folder_of(folder.path / "other.pdf") is None
    (tmp_path / "alone.pdf").write_bytes(page())
    assert folder_of(tmp_path / "alone.pdf") is None


def test_the_named_certificate_stands_before_the_signers_time(paper_signed, key, place):
    fact = attestation.verify_report(place(paper_signed), keys=[key.public]).checks[0].fact
    assert f"certificate sha256:{key.public.fingerprint}, which you named, 20" in fact
    assert fact.endswith(" UTC by the signer's clock")


def test_what_differs_in_the_run_is_found_through_its_report(told, key, place, tmp_path):
    from attested_run import copied

    run, _ = told
    spoilt = copied(run, tmp_path / "run")
    with (spoilt.path / "items.parquet").open("ab") as file:
        file.write(b" ")
    found = attestation.verify_report(run.path / SIGNED_REPORT, keys=[key.public], run=spoilt.path)
    assert (found.exit_code, found.first.what) == (1, "items.parquet")


def test_a_manifest_that_would_fill_the_memory_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(paper, "MOST_ATTACHED", 1000)
    with pytest.raises(UnreadableError, match="larger than"):
        paper.manifest_in(page(manifest={"run_id": "x" * 5000}))


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"a": 1, "a": 2}', zlib.compress(b"{}")])
def test_a_manifest_that_is_no_json_is_a_difference(data, place):
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(page())) as pdf:
        pdf.attachments[paper.MANIFEST] = pikepdf.AttachedFileSpec(pdf, data, filename=paper.MANIFEST)
        pdf.save(file)
    assert states(place(file.getvalue()))[0] == 1


# --- judgements ------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path):
    """A desk with a log, and its head."""
    from audit.reviews import accounts, events
    from audit.reviews.database import open_database

    url = f"sqlite:///{tmp_path / 'desk.db'}"
    db = open_database(url)
    accounts.set_up_link(db)
    with db.write() as session:
        events.append(session, at=db.now(), actor=events.SYSTEM, kind="test", subject="x", facts={})
    with db.read() as session:
        head = events.head(session)
    yield url, db, head
    db.close()


def judged(key, head_number: int, head_hash: str) -> bytes:
    return attestation.sign_report(page(manifest={"judgements": {"event": head_number, "head": head_hash}}), key=key)


def test_a_report_with_judgements_is_checked_against_the_desk_if_one_is_given(desk, key, place, tmp_path):
    from audit.reviews.backup import backup

    url, db, head = desk
    file = place(judged(key, head.number, head.hash))
    assert states(file, key.public)[1]["judgements"] is State.NOT_CHECKED
    code, found = states(file, key.public, desk=url)
    assert (code, found["judgements"]) == (0, State.OK)
    backup(db, tmp_path / "desk.zip")
    assert states(file, key.public, desk=str(tmp_path / "desk.zip"))[1]["judgements"] is State.OK


def test_a_head_that_the_log_never_had_is_found(desk, key, place):
    url, _, head = desk
    for number, hash_ in ((head.number, "0" * 64), (head.number + 5, head.hash)):
        code, found = states(place(judged(key, number, hash_)), key.public, desk=url)
        assert (code, found["judgements"]) == (1, State.DIFFERS)


def test_a_desk_that_was_given_in_vain_is_said(desk, key, paper_signed, place):
    assert states(place(paper_signed), key.public, desk=desk[0])[1]["judgements"] is State.NOT_CHECKED


def test_a_key_made_later_in_the_same_name_is_another_key(tmp_path, key, paper_signed, place):
    again = made_key(tmp_path / "keys")
    assert again.public.signer == key.public.signer
    assert states(place(paper_signed), again.public)[0] == 2
