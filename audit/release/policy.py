"""A release policy: rules agreed before the run, waivers granted after it, read from a TOML file (docs/policy.md)."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import tomllib
from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.errors import PolicyError, SuiteError
from audit.findings import FAMILIES, MARGINS, Family, filled
from audit.measures import MEASURES
from audit.records import Scope
from audit.release.bounds import Bound
from audit.runs import canonical, whole_or_absent
from audit.suites.languages import language

FORMAT = "plural-audit policy 1"
MOST_BYTES = 1_000_000
# key of a rule -> field of a scope
RANGES = {"competence": (0.0, 1.0), "AUROC": (0.0, 1.0), "correlation": (-1.0, 1.0)}  # of a measure, or of a unit
DIMENSIONS = {"languages": "language", "axes": "topic", "cultures": "culture", "frameworks": "framework"}
_PAIRED = {"other_language": "language", "other_framework": "framework"}

_Words = Annotated[str, Field(min_length=1, max_length=500)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=120)]
_Names = Annotated[tuple[_Name, ...], Field(min_length=1, strict=False)]  # TOML gives lists
_Figure = Annotated[float, Field(allow_inf_nan=False)]
_Distance = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Chance = Annotated[float, Field(gt=0, lt=1)]
_Contested = Literal["hold", "note"]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Rule(_Strict):
    """One requirement, tried in every cell that it names."""

    id: _Name
    why: Annotated[str, Field(max_length=1000)] = ""  # in the owner's words
    measure: str
    suite: str = ""  # "" any that has the measure
    lens: str = ""  # where the measure looks in several ways
    languages: Literal["read", "all"] | _Names | None = None  # None: over all languages together; so below
    axes: Literal["all"] | _Names | None = None
    cultures: Literal["all"] | _Names | None = None
    frameworks: Literal["all"] | _Names | None = None
    at_most: _Figure | None = None  # in the measure's unit
    at_least: _Figure | None = None
    margin: _Distance | None = None  # against a baseline run: no worse than it by more than this
    worse: Literal["higher", "lower", "either"] | None = None  # which difference from the baseline is a regression
    resolution: _Distance | None = None  # distance from the bound that the audit has to be able to tell
    power: _Chance | None = None  # with which it has to; None: the policy's
    reviewed_texts: Annotated[float, Field(gt=0, le=1)] | None = None  # share of the texts that natives reviewed
    judged_by: Annotated[int, Field(ge=1)] | None = None  # people who judged the finding on a desk
    contested: _Contested | None = None  # None: the policy's

    @property
    def against_baseline(self) -> bool:
        """Whether it compares with another run."""
        return self.margin is not None

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """What the measure, or its difference from the baseline, has to stay within."""
        if self.margin is not None:
            upper, lower = self.margin, -self.margin
            worse = self.worse
            return tuple(
                bound
                for bound, wanted in (
                    (Bound(value=upper, upper=True), worse in ("higher", "either")),
                    (Bound(value=lower, upper=False), worse in ("lower", "either")),
                )
                if wanted
            )
        given = ((self.at_most, True), (self.at_least, False))
        return tuple(Bound(value=value, upper=upper) for value, upper in given if value is not None)

    @property
    def unit(self) -> str:
        """The measure's."""
        return next(one.unit for one in MEASURES if one.name == self.measure)

    @property
    def smallest_that_matters(self) -> float:
        """Distance from a bound that must not go unnoticed, in the measure's unit."""
        return self.resolution or self.margin or MARGINS[self.measure]

    @property
    def by_counts(self) -> bool:
        """Whether its bounds are on a share of independent successes, whose limits are exact."""
        return self.measure == "competence" and not self.against_baseline

    @property
    def chosen(self) -> dict[str, str | tuple[str, ...]]:
        """Field of a scope -> which of its values; fields that the rule leaves together are not there."""
        named = {field: getattr(self, key) for key, field in DIMENSIONS.items()}
        return {field: values for field, values in named.items() if values is not None}

    @property
    def family(self) -> Family | None:
        """The family whose cells the rule speaks of; None where no measure has such cells."""
        return next((one for one in FAMILIES if _fits(one, self)), None)


class Waiver(_Strict):
    """A failed cell that its owner lets pass for a time, with a reason."""

    rule: _Name
    language: str = ""  # "" any; so below
    axis: str = ""
    culture: str = ""
    framework: str = ""
    owner: _Words
    reason: _Words
    expires: date  # the first day on which it has no effect


class Policy(_Strict):
    """What a model has to meet to be released."""

    format: Literal["plural-audit policy 1"]
    name: _Words
    owner: _Words
    date: date
    # All that is said to be within or beyond a bound is right together with this confidence.
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    power: _Chance = 0.8
    contested: _Contested = "hold"
    judgements: Literal["needed", "optional"] = "optional"  # what people said has to be given for a PASS
    baseline: str = ""  # id of the run that rules with a margin compare with; "" whichever is given
    rule: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=500, strict=False)]
    waiver: Annotated[tuple[Waiver, ...], Field(max_length=500, strict=False)] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the waivers, which are granted after a run; layout and comments do not count."""
        content = self.model_dump(mode="json", exclude={"waiver"}, exclude_defaults=True)
        return hashlib.sha256(canonical(content)).hexdigest()

    def power_of(self, rule: Rule) -> float:
        """The power that a rule asks for."""
        return self.power if rule.power is None else rule.power

    def holds(self, rule: Rule) -> bool:
        """Whether a contested finding holds up the decision on a rule."""
        return (rule.contested or self.contested) == "hold"

    def rule_named(self, id_: str) -> Rule:
        """A rule by its id.

        Raises:
            PolicyError: there is none.
        """
        for rule in self.rule:
            if rule.id == id_:
                return rule
        raise PolicyError(f"{id_!r}: no such rule; the policy has {', '.join(rule.id for rule in self.rule)}")


def load_policy(path: Path | str) -> Policy:
    """A policy from its file.

    Raises:
        PolicyError: it cannot be read, or does not hold together; each fault with its line.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror}); write one: plural-audit gate init") from None
    if size > MOST_BYTES:
        raise PolicyError(f"{path}: {size} bytes, at most {MOST_BYTES} are read; this is no policy")
    return parse_policy(data, name=path.name)


def parse_policy(data: bytes, *, name: str) -> Policy:
    """A policy from the bytes of a TOML file.

    Args:
        data: UTF-8.
        name: of the file, for messages.

    Raises:
        PolicyError: as `load_policy`.
    """
    try:
        text = data.decode("utf-8")
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError(f"{name}:{line}: is not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{name}: is not TOML: {error}; look for a quote, bracket or key amiss") from None
    try:
        policy = Policy.model_validate(raw)
    except ValidationError as error:
        faults = [_fault(one, text) for one in error.errors(include_url=False)]
    else:
        faults = _faults(policy, text)
    if faults:
        shown, more = faults[:10], len(faults) - 10
        told = "; ".join(f"{name}:{line}: {message}" if line else f"{name}: {message}" for line, message in shown)
        raise PolicyError(told + (f"; and {more} more" if more > 0 else ""))
    return policy


def write_start(path: Path) -> None:
    """A commented policy to begin with.

    Raises:
        PolicyError: something is there already.
    """
    if path.exists():
        raise PolicyError(f"{path}: is there already; choose another name or remove it")
    with whole_or_absent(path) as temporary:
        temporary.write_text(start(), encoding="utf-8")


def start() -> str:
    """Text of the policy that `gate init` writes."""
    return (files("audit.release") / "start.toml").read_text(encoding="utf-8")


def dimensions_of(family: Family) -> frozenset[str]:
    """The fields of a scope by which a family's cells differ, both of a pair as one, the lens left out."""
    return frozenset(_PAIRED.get(name, name) for name in family.per if name != "lens")


def speaks_of(rule: Rule, measure: str, scope: Scope) -> bool:
    """Whether a rule asks something of a measure on a scope."""
    family = rule.family
    if family is None or measure != rule.measure or filled(scope) != family.per:
        return False
    return (
        rule.suite in ("", scope.suite)
        and rule.lens in ("", scope.lens)
        and all(isinstance(given, str) or values_of(scope, field) <= set(given) for field, given in rule.chosen.items())
    )


def values_of(scope: Scope, field: str) -> set[str]:
    """The values of a field of a scope, both of a pair."""
    both = (getattr(scope, field), getattr(scope, f"other_{field}", ""))
    return {value for value in both if value}


# --- what does not hold together -----------------------------------------------------------------


def _fits(family: Family, rule: Rule) -> bool:
    named = (family.measure, dimensions_of(family)) == (rule.measure, frozenset(rule.chosen))
    return named and ("lens" in family.per) == bool(rule.lens) and family.lens in ("", rule.lens)


def _faults(policy: Policy, text: str) -> list[tuple[int | None, str]]:
    found: list[tuple[int | None, str]] = []
    ids = [rule.id for rule in policy.rule]
    for place, rule in enumerate(policy.rule):
        message = _rule_fault(rule)
        if not message and ids.index(rule.id) < place:
            message = "is the id of another rule; ids are unique"
        if message:
            found.append((_line(text, ("rule", place)), f'rule "{rule.id}": {message}'))
        if isinstance(rule.languages, tuple) and (message := _language_fault(rule.languages)):
            found.append((_line(text, ("rule", place, "languages")), f'rule "{rule.id}": {message}'))
    for place, waiver in enumerate(policy.waiver):
        if waiver.rule not in ids:
            message = f'waives the rule "{waiver.rule}", which is not there; there are {", ".join(ids)}'
            found.append((_line(text, ("waiver", place, "rule")), message))
        if waiver.language and (message := _language_fault((waiver.language,))):
            found.append((_line(text, ("waiver", place, "language")), message))
    return found


def _language_fault(codes: Sequence[str]) -> str:
    """The first code that names no language, in words; "" where all do."""
    for code in codes:
        try:
            language(code)
        except SuiteError as error:
            return str(error)
    return ""


def _rule_fault(rule: Rule) -> str:
    """What is wrong with a rule by itself; "" nothing."""
    known = [one.name for one in MEASURES]
    if rule.measure not in known:
        close = difflib.get_close_matches(rule.measure, known, n=1)
        hint = f"closest: {close[0]}" if close else f"there are {', '.join(known)}"
        return f'measure "{rule.measure}" is not known; {hint}'
    absolute = rule.at_most is not None or rule.at_least is not None
    if absolute == rule.against_baseline:
        return "needs either at_most, at_least or both, or margin with worse; give one kind of bound"
    if rule.against_baseline != (rule.worse is not None):
        return 'margin and worse go together; say worse = "higher", "lower" or "either"'
    if rule.at_most is not None and rule.at_least is not None and rule.at_least >= rule.at_most:
        return f"at_least {rule.at_least:g} is not below at_most {rule.at_most:g}; nothing could pass"
    low, high = RANGES.get(rule.measure, RANGES.get(rule.unit, (-math.inf, math.inf)))
    if absolute and not all(low < bound.value < high for bound in rule.bounds):
        return f"{rule.measure} lies between {low:g} and {high:g}; a bound that is not between them says nothing"
    return "" if rule.family is not None else _shapes(rule)


def _shapes(rule: Rule) -> str:
    """How a measure can be asked for, where a rule asks for it in another way."""
    mine = [one for one in FAMILIES if one.measure == rule.measure]
    if not mine:
        return f'measure "{rule.measure}" belongs to no family of findings; choose another'
    keys = {field: key for key, field in DIMENSIONS.items()}
    ways = []
    for family in mine:
        named = " and ".join(sorted(keys[field] for field in dimensions_of(family))) or "none of these keys"
        way = named + (f' with lens = "{family.lens}"' if "lens" in family.per else "")
        ways += [way] if way not in ways else []
    asked = (
        " and ".join(sorted(keys[field] for field in rule.chosen)) or "none of languages, axes, cultures, frameworks"
    )
    asked += f' and lens = "{rule.lens}"' if rule.lens else ""
    return f'measure "{rule.measure}" has no cells by {asked}; it has them by {"; or ".join(ways)}'


def _fault(error: Any, text: str) -> tuple[int | None, str]:
    """A fault that the schema found: its line, and one sentence."""
    place: tuple[str | int, ...] = tuple(error["loc"])
    named = ".".join(str(part + 1 if isinstance(part, int) else part) for part in place[:3])
    if error["type"] == "extra_forbidden":
        return _line(text, place), f"{named}: no such key; remove it or see docs/policy.md"
    if error["type"] == "missing":
        return _line(text, place[:-1]), f"{named}: is missing; add it"
    return _line(text, place), f"{named}: {error['msg'][0].lower()}{error['msg'][1:]}; mend it, see docs/policy.md"


def _line(text: str, place: Sequence[str | int]) -> int | None:
    """The line of a key of the policy, of the nth [[rule]] or [[waiver]], or of a key in it; None where not found."""
    lines = text.split("\n")
    begin, end = 0, len(lines)
    if len(place) > 1 and isinstance(place[1], int):
        heads = [i for i, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{place[0]}\s*\]\]", line)]
        if place[1] >= len(heads):
            return None
        begin = heads[place[1]]
        end = next((i for i in range(begin + 1, len(lines)) if re.match(r"\s*\[", lines[i])), len(lines))
        place = place[2:]
        if not place:
            return begin + 1
    if not place:
        return None
    wanted = re.compile(rf"""\s*["']?{re.escape(str(place[0]))}["']?\s*=""")
    return next((i + 1 for i in range(begin, end) if wanted.match(lines[i])), begin + 1 if begin else None)
