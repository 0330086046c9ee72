"""What people said of a run, as a file: written by `plural-audit desk judgements`, read by the gate.

The file is `records.Judgements` as the report shows it (audit.reviews.summary): small groups are put together and
nobody is named, so it can be published. It knows the number and hash of the desk's last event, so whoever has the desk
can tell what of it the file holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.errors import RunError
from audit.records import ContestRecord, Judgements, Voice, as_dict
from audit.runs import write_json

FORMAT = "plural-audit judgements of a run 1"
MOST_BYTES = 50_000_000
_Id = Annotated[str, Field(min_length=1, max_length=100)]
_Words = Annotated[str, Field(max_length=10_000)]
_Short = Annotated[str, Field(max_length=200)]
_Said = Literal["agree", "partly", "disagree", "cannot say"]
_Severity = Annotated[int, Field(ge=0, le=4)] | None


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Voice(_Strict):
    finding: _Id
    person: _Id
    community: _Short
    judgement: _Said
    severity: _Severity
    prevalence: _Short
    region: _Short
    comment: _Words
    comment_language: _Short
    revised: bool
    blind: _Said
    blind_severity: _Severity


class _Contest(_Strict):
    id: _Id
    finding: _Id
    community: _Short
    state: _Short
    open: bool
    due: _Short
    steps: Annotated[tuple[tuple[_Short, _Short, _Words], ...], Field(strict=False)]


class _File(_Strict):
    format: Literal["plural-audit judgements of a run 1"]
    run_id: _Id
    as_of: int
    head: _Short
    communities: dict[str, _Short]
    voices: Annotated[tuple[_Voice, ...], Field(strict=False)]
    contests: Annotated[tuple[_Contest, ...], Field(strict=False)]
    withdrawn: Annotated[int, Field(ge=0)]


def write_judgements(path: Path, judgements: Judgements) -> None:
    """Write what people said to a file that `read_judgements` reads."""
    write_json(path, {"format": FORMAT, **as_dict(judgements)})


def read_judgements(path: Path) -> Judgements:
    """What people said, from a file.

    Raises:
        RunError: not there, too large, or not such a file.
    """
    way_out = "make it: plural-audit desk judgements RUN FILE"
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); {way_out}") from None
    if size > MOST_BYTES:
        raise RunError(f"{path}: {size} bytes, at most {MOST_BYTES} are read; {way_out}")
    try:
        content = _File.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise RunError(f"{path}: {place}: {first['msg']}; {way_out}") from None
    plain: dict[str, Any] = dict(content)
    del plain["format"]
    return Judgements(
        **{
            **plain,
            "voices": tuple(Voice(**dict(one)) for one in content.voices),
            "contests": tuple(ContestRecord(**dict(one)) for one in content.contests),
        }
    )
