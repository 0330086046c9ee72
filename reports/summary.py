"""Title page and summary: what stands out, what was not found, what cannot be interpreted and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from audit.records import Estimate, Finding, Undefined, Verdict
from audit.suites.languages import language_name
from reports.blocks import Block, Bullets, Column, Counts, Facts, Heading, Table, Text
from reports.case import FOUND, Case, surest_first, verdict_counts
from reports.words import humanised, listed

MOST_IN_SUMMARY = 6
BECAUSE, AFTER_BECAUSE = ": not interpretable, because ", "; finding nothing here would not be good news."


def front(case: Case) -> tuple[Block, ...]:
    """The title page: what was audited, and findings by verdict."""
    manifest = case.evidence.manifest
    asked = [f"{suite.name}: {case.spelled_out(suite.question)}" for suite in manifest.suites]
    return (
        Facts(
            rows=(
                ("Model", manifest.model.name),
                ("Run", manifest.run_id),
                ("Languages", listed(language_name(code) for code in manifest.languages)),
                ("Questions asked", "\n".join(asked) or "none"),
            )
        ),
        Counts(counts=verdict_counts(case.substance)),
        Text(text=_counted_text(case), style="small"),
    )


def _counted_text(case: Case) -> str:
    text = f"Findings by verdict: {len(case.substance)} in all."
    if case.checks:
        text += f" The {len(case.checks)} checks of the instrument are told apart from them and not counted here."
    return text


def summary(case: Case) -> tuple[Block, ...]:
    """What stands out, what was not found, what cannot be interpreted, and what to know before use."""
    return (
        Heading(text="Summary", level=1, new_page=True),
        Text(text=_opening(case), style="lead"),
        Heading(text="What stands out", level=2),
        *_standing_out(case),
        Heading(text="What was looked for and not found", level=2),
        *_not_found(case),
        Heading(text="What cannot be interpreted, and why", level=2),
        *_unread(case),
        Heading(text="Before you use these numbers", level=2),
        Text(text=_warning(case)),
    )


def _opening(case: Case) -> str:
    planned = [f for f in case.substance if f.confirmatory]
    counts = dict(verdict_counts(planned))
    return (
        f"{case.evidence.manifest.model.name} was asked {len(case.evidence.manifest.suites)} sets of questions in "
        f"{len(case.languages)} languages. Of the {len(planned)} findings that were fixed before the run, "
        f"{counts[Verdict.EVIDENCE]} have evidence of an effect, {counts[Verdict.NO_EVIDENCE]} found none although an "
        f"effect that matters {FOUND}, {counts[Verdict.INSUFFICIENT]} lack evidence either way, and "
        f"{counts[Verdict.NOT_INTERPRETABLE]} cannot be interpreted. The other {len(case.substance) - len(planned)} "
        "findings are exploratory: leads to follow, not results."
    )


def _standing_out(case: Case) -> tuple[Block, ...]:
    """Results first; leads apart and under their own name, so that nobody quotes one for the other."""
    found = [f for f in case.substance if f.verdict is Verdict.EVIDENCE]
    results, leads = [f for f in found if f.confirmatory], [f for f in found if not f.confirmatory]
    blocks: list[Block] = list(_listed(results)) or [
        Text(text="No finding that was fixed before the run has evidence.")
    ]
    if leads:
        blocks += [Heading(text="Leads to follow (exploratory, not results)", level=2), *_listed(leads)]
    return tuple(blocks)


def _listed(found: Sequence[Finding]) -> tuple[Block, ...]:
    if not found:
        return ()
    chosen = _one_of_each_measure_in_turn(found, most=MOST_IN_SUMMARY)
    bullets = Bullets(items=tuple(f.sentence for f in chosen), marks=tuple(f.verdict for f in chosen))
    further = len(found) - len(chosen)
    if not further:
        return (bullets,)
    return (bullets, Text(text=f"Further findings with evidence, told by measure below: {further}.", style="small"))


def _one_of_each_measure_in_turn(findings: Sequence[Finding], *, most: int) -> list[Finding]:
    """The surest of each measure, then the second of each, and so on; confirmatory before exploratory."""
    queues: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=surest_first):
        queues.setdefault(finding.measurement.measure, []).append(finding)
    rounds = [
        (turn, not f.confirmatory, place, f)
        for place, queue in enumerate(queues.values())
        for turn, f in enumerate(queue)
    ]
    return [f for *_, f in sorted(rounds, key=lambda entry: entry[:3])][:most]


def _not_found(case: Case) -> tuple[Block, ...]:
    absent = [f for f in case.substance if f.verdict is Verdict.NO_EVIDENCE]
    if not absent:
        return (Text(text="No question was answered clearly enough to say that an effect is absent."),)
    chosen = _one_of_each_measure_in_turn(absent, most=MOST_IN_SUMMARY - 2)
    tally = Counter(f.measurement.measure for f in absent)
    lines = tuple(f.sentence for f in chosen)
    counts = listed(f"{humanised(name)} ({n})" for name, n in sorted(tally.items()))
    return (
        Bullets(items=lines, marks=tuple(f.verdict for f in chosen)),
        Text(text=f"Findings with this verdict, by measure: {counts}.", style="small"),
    )


def _unread(case: Case) -> tuple[Block, ...]:
    """Languages that fail, languages that nobody tested, and what else is barred, with the findings' own reasons."""
    failed, untested = _failed(case), _untested(case)
    blocks: list[Block] = []
    if failed:
        blocks.append(
            Text(
                text="Languages that the model was found not to read well enough: "
                f"{listed(map(language_name, failed))}. Its answers there mean nothing, which is itself a result for "
                "the people who speak them."
            )
        )
    if untested:
        blocks.append(
            Text(
                text="Languages in which reading was not tested, so that nobody knows whether the model reads them: "
                f"{listed(map(language_name, untested))}."
            )
        )
    other = _barred_otherwise(case, without={*failed, *untested})
    if other:
        columns = (
            Column(title="Why other findings cannot be interpreted", width=5),
            Column(title="Findings", width=2.6),
            Column(title="Languages", width=2.4),
        )
        blocks.append(Table(columns=columns, rows=other))
    return tuple(blocks) or (Text(text="Every finding could be interpreted in every language asked."),)


def _failed(case: Case) -> tuple[str, ...]:
    """Languages whose competence was measured and does not pass."""
    return tuple(
        f.measurement.scope.language
        for f in case.checks
        if f.measurement.measure == "competence"
        and isinstance(f.measurement.result, Estimate)
        and f.verdict is not Verdict.EVIDENCE
    )


def _untested(case: Case) -> tuple[str, ...]:
    """Languages that something was asked in, with no number for competence."""
    tested = {
        f.measurement.scope.language
        for f in case.checks
        if f.measurement.measure == "competence" and isinstance(f.measurement.result, Estimate)
    }
    asked = {
        code for f in case.findings for code in (f.measurement.scope.language, f.measurement.scope.other_language)
    } - {""}
    return tuple(sorted(asked - tested))


def _barred_otherwise(case: Case, *, without: set[str]) -> tuple[tuple[str, str, str], ...]:
    """(reason, how many findings of each measure, languages) of what is barred though the model reads the languages."""
    measures: dict[str, Counter[str]] = {}
    languages: dict[str, list[str]] = {}
    for finding in case.substance:
        scope = finding.measurement.scope
        codes = [code for code in (scope.language, scope.other_language) if code]
        if finding.verdict is not Verdict.NOT_INTERPRETABLE or without & set(codes):
            continue
        reason = _reason(finding)
        names = [language_name(code) for code in codes]
        named = [name for name in names if f"in {name} " in reason] or names
        for name in named:
            reason = reason.replace(f"in {name} ", "")
        measures.setdefault(reason, Counter())[humanised(finding.measurement.measure)] += 1
        known = languages.setdefault(reason, [])
        known += [name for name in named or ["all readable ones, pooled"] if name not in known]
    order = sorted(measures, key=lambda reason: (-measures[reason].total(), reason))
    return tuple(
        (
            case.spelled_out(reason[:1].upper() + reason[1:]),
            listed(f"{name} ({n})" for name, n in measures[reason].items()),
            listed(languages[reason]),
        )
        for reason in order
    )


def _reason(finding: Finding) -> str:
    """The finding's own reason, from its sentence; or else why it has no number."""
    _, found, rest = finding.sentence.partition(BECAUSE)
    if found:
        return rest.removesuffix(AFTER_BECAUSE)
    result = finding.measurement.result
    return result.reason if isinstance(result, Undefined) else finding.sentence


def _warning(case: Case) -> str:
    unreviewed = int((case.evidence.items["reviewed"] == 0).sum())
    total = len(case.evidence.items)
    text = f"No native speaker has reviewed {unreviewed} of the {total} items (counted once per language)."
    if case.evidence.manifest.model.quantisation:
        text += (
            f" The weights are not the published ones but {case.evidence.manifest.model.quantisation}; nothing here "
            "speaks for the original weights."
        )
    return text + " The section on limits says what else the numbers do not show."
