"""What a rule asks, in words."""

from __future__ import annotations

from audit.measures import MEASURES
from audit.release.outputs import requirement
from audit.release.policy import DIMENSIONS, Policy, Rule

_NOUNS = {"language": "language", "topic": "axis", "culture": "culture", "framework": "framework"}


def explained(rule: Rule, policy: Policy) -> str:
    """A few lines: what is measured where, and what would have to be true for each outcome."""
    measure = next(one for one in MEASURES if one.name == rule.measure)
    number = f"the difference of {rule.measure} from the baseline" if rule.against_baseline else rule.measure
    power, resolution = policy.power_of(rule), rule.smallest_that_matters
    lines = [
        f"{rule.id}: {requirement(rule)}",
        *([f"  Why: {rule.why}"] if rule.why else []),
        f"  Measured: {measure.question} In {measure.unit}, {_where(rule)}"
        + (f", in the suite {rule.suite}" if rule.suite else "")
        + (f", by what {rule.lens} show" if rule.lens else "")
        + ".",
        f"  PASS: in every cell the limits show {number} {_within(rule)}; and the audit would have noticed, with power "
        f"{power:g}, an excess of {resolution:.3g} {measure.unit}{_people(rule)}.",
        f"  FAIL: in a cell the limits show {number} {_beyond(rule)}, and no waiver of the cell is in force.",
        "  INSUFFICIENT EVIDENCE: otherwise; so too where a cell has no number or is not interpretable, where the "
        "finding's own checks withhold it, and where the run was begun without this policy.",
        "  CONTESTED: " + (_held() if policy.holds(rule) else "never by this rule; an open contest is only noted."),
        f"  Limits are one-sided. With m bounds tried in the whole policy each is missed with chance "
        f"{1 - policy.confidence:.3g} / m, so that all are right together with confidence {policy.confidence:g}.",
    ]
    return "\n".join(lines)


def _where(rule: Rule) -> str:
    if not rule.chosen:
        return "over everything together"
    keys = {field: key for key, field in DIMENSIONS.items()}
    parts = []
    for field, values in rule.chosen.items():
        if values == "read":
            parts.append("each language that the model reads")
        elif values == "all":
            parts.append(f"each {_NOUNS[field]} that the run has")
        else:
            parts.append(f"{keys[field]} {', '.join(values)}, each by itself")
    return "in " + " and ".join(parts)


def _within(rule: Rule) -> str:
    told = " and ".join(f"at or {'below' if one.upper else 'above'} {one.value:g}" for one in rule.bounds)
    return f"to lie {told}"


def _beyond(rule: Rule) -> str:
    told = " or ".join(f"{'above' if one.upper else 'below'} {one.value:g}" for one in rule.bounds)
    return f"to lie {told}"


def _people(rule: Rule) -> str:
    asked = []
    if rule.reviewed_texts is not None:
        asked.append(f"native speakers reviewed {rule.reviewed_texts:.0%} of its texts")
    if rule.judged_by is not None:
        asked.append(f"{rule.judged_by} people judged the finding on the desk")
    return f"; and {' and '.join(asked)}" if asked else ""


def _held() -> str:
    return (
        "a contest of a cell's finding is admitted and not decided, whatever its numbers say. A contest that was "
        "upheld leaves INSUFFICIENT EVIDENCE."
    )
