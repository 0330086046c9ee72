"""Cover and summary: who may read what into this run, in two minutes and on one page each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from audit.findings import anywhere, reason_of
from audit.records import Estimate, Finding, Verdict
from audit.wording import N_, _, name_of, ngettext, spoken
from reports.blocks import Block, Bullets, Counts, Facts, Heading, Text
from reports.case import Case, in_turn, verdict_counts
from reports.contests import unmarked
from reports.words import listed, named, started, together, told_by_suite

TITLE = N_("Summary")
# English words of the sentences that the summary prints: with them it stays below 350 words, two minutes of reading.
WORDS_OF_RESULTS, WORDS_OF_LEADS, WORDS_OF_ABSENCE = 110, 40, 50
MOST_REASONS = 2


# --- cover -----------------------------------------------------------------------------------


def front(case: Case, *, signed_by: str = "") -> tuple[Block, ...]:
    """The cover: what was audited, findings by verdict, and what this copy says of its signature."""
    manifest = case.evidence.manifest
    asked = [named(suite.name, case.spelled_out(told_by_suite(suite.question))) for suite in manifest.suites]
    return (
        Facts(
            rows=(
                (_("Model"), manifest.model.name),
                (_("Run"), manifest.run_id),
                (_("Languages"), listed(name_of(code) for code in manifest.languages)),
                # i18n: instead of a list of questions
                (_("Questions asked"), "\n".join(asked) or _("none")),
                (_("Signature"), _signature(signed_by)),
            )
        ),
        Counts(counts=verdict_counts(case.substance)),
        Text(text=_counted_text(case), style="small"),
    )


def _signature(signed_by: str) -> str:
    """What can be said before anybody signs: a file is signed when it is complete."""
    if signed_by:
        return _(
            "To be signed by {name}. Whether this copy is signed, and unchanged since: plural-audit verify.",
            name=signed_by,
        )
    return _("This copy names no signer. Whether it is signed, and unchanged since: plural-audit verify.")


def _counted_text(case: Case) -> str:
    n = len(case.checks)
    return together(
        _("Findings by verdict: {n} in all.", n=len(case.substance)),
        ngettext(
            "The one check of the instrument is told apart from them and not counted here.",
            "The {n} checks of the instrument are told apart from them and not counted here.",
            n,
        )
        if n
        else "",
    )


# --- summary ---------------------------------------------------------------------------------


def summary(case: Case) -> tuple[Block, ...]:
    """What stands out, what was not found, what cannot be interpreted, and what to know before use."""
    return (
        Heading(text=_(TITLE), level=1, new_page=True),
        Text(text=_opening(case), style="lead"),
        Heading(text=_("What stands out"), level=2),
        *_standing_out(case),
        Heading(text=_("What was looked for and not found"), level=2),
        *_not_found(case),
        Heading(text=_("What cannot be interpreted, and why"), level=2),
        *_unread(case),
        Heading(text=_("Before you use these numbers"), level=2),
        Text(text=_warning(case)),
    )


def _opening(case: Case) -> str:
    manifest = case.evidence.manifest
    planned = [f for f in case.substance if f.confirmatory]
    counts = Counter(f.verdict for f in planned)
    return together(
        _(
            "{model} was asked {suites} sets of questions in {languages} languages.",
            model=manifest.model.name,
            suites=len(manifest.suites),
            languages=len(case.languages),
        ),
        _(
            "Of the {n} findings that were fixed before the run, {evidence} have evidence of an effect, {none} found "
            "none although an effect that matters would have been found in four of five such audits, {insufficient} "
            "lack evidence either way, and {barred} cannot be interpreted.",
            n=len(planned),
            evidence=counts[Verdict.EVIDENCE],
            none=counts[Verdict.NO_EVIDENCE],
            insufficient=counts[Verdict.INSUFFICIENT],
            barred=counts[Verdict.NOT_INTERPRETABLE],
        ),
        _("The other {n} are exploratory: leads to follow, not results.", n=len(case.substance) - len(planned)),
    )


def _standing_out(case: Case) -> tuple[Block, ...]:
    """Results; leads only under their own name, so that nobody quotes one for the other."""
    found = [f for f in case.substance if f.verdict is Verdict.EVIDENCE]
    results, leads = [f for f in found if f.confirmatory], [f for f in found if not f.confirmatory]
    blocks: list[Block] = [
        *(
            _listed(results, words=WORDS_OF_RESULTS)
            or [Text(text=_("No finding that was fixed before the run has evidence."))]
        )
    ]
    rest = len(results) - _shown(blocks)
    if rest:
        text = ngettext("One more has evidence, on its own page.", "{n} more have evidence, on their own pages.", rest)
        blocks.append(Text(text=text, style="small"))
    if leads and not results:
        blocks += [
            Heading(text=_("Leads to follow (exploratory, not results)"), level=3),
            *_listed(leads, words=WORDS_OF_LEADS),
        ]
    elif leads:
        text = ngettext(
            "One exploratory finding has evidence: a lead to follow, in the appendix.",
            "{n} exploratory findings have evidence: leads to follow, in the appendix.",
            len(leads),
        )
        blocks.append(Text(text=text, style="small"))
    return tuple(blocks)


def _not_found(case: Case) -> tuple[Block, ...]:
    absent = [f for f in case.substance if f.verdict is Verdict.NO_EVIDENCE]
    if not absent:
        return (Text(text=_("No question was answered clearly enough to say that an effect is absent.")),)
    blocks = _listed(absent, words=WORDS_OF_ABSENCE)
    rest = len(absent) - _shown(blocks)
    if not rest:
        return tuple(blocks)
    text = ngettext("One more finding has this verdict.", "{n} more findings have this verdict.", rest)
    return (*blocks, Text(text=text, style="small"))


def _listed(found: Sequence[Finding], *, words: int) -> list[Block]:
    """The sentences of the surest findings, one measure after the other, of at most so many words; one at least."""
    chosen: list[Finding] = []
    for finding in in_turn(found):
        words -= len(finding.sentence.split())
        if chosen and words < 0:
            break
        chosen.append(finding)
    if not chosen:
        return []
    return [Bullets(items=tuple(spoken(f.sentence) for f in chosen), marks=tuple(f.verdict for f in chosen))]


def _shown(blocks: Sequence[Block]) -> int:
    return sum(len(block.items) for block in blocks if isinstance(block, Bullets))


def _unread(case: Case) -> tuple[Block, ...]:
    """Languages that fail, languages that nobody tested, and why most of what else is barred is."""
    failed, untested = _failed(case), _untested(case)
    blocks: list[Block] = []
    if failed:
        text = together(
            _(
                "Languages that the model was found not to read well enough: {names}.",
                names=listed(map(name_of, failed)),
            ),
            _("Its answers there mean nothing, which is itself a result for the people who speak them."),
        )
        blocks.append(Text(text=text))
    if untested:
        text = _(
            "Languages in which reading was not tested, so that nobody knows whether the model reads them: {names}.",
            names=listed(map(name_of, untested)),
        )
        blocks.append(Text(text=text))
    reasons = Counter(map(_anywhere, _barred_otherwise(case, without={*failed, *untested})))
    if reasons:
        first = sorted(reasons, key=lambda reason: (-reasons[reason], reason))[:MOST_REASONS]
        # i18n: {reason} is a whole clause, "the two wordings disagree"; then the number of findings it holds for
        items = tuple(
            _(
                "{reason} ({n} of {all} such findings)",
                reason=started(_told(case, r)),
                n=reasons[r],
                all=reasons.total(),
            )
            for r in first
        )
        blocks += [Text(text=_("Why most other findings cannot be interpreted:")), Bullets(items=items)]
    return tuple(blocks) or (Text(text=_("Every finding could be interpreted in every language asked.")),)


def _anywhere(finding: Finding) -> str:
    """The reason without the name of the finding's language, so that it counts once for all languages."""
    return anywhere(barred_reason(finding))


def _told(case: Case, reason: str) -> str:
    return case.spelled_out(spoken(reason))


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


def _barred_otherwise(case: Case, *, without: set[str]) -> list[Finding]:
    """What is barred though the model reads its languages."""
    return [
        f
        for f in case.substance
        if f.verdict is Verdict.NOT_INTERPRETABLE
        and not without & {f.measurement.scope.language, f.measurement.scope.other_language}
    ]


def barred_reason(finding: Finding) -> str:
    """Why a finding cannot be interpreted; in older files, whose reasons are not kept apart, its whole sentence."""
    told = unmarked(finding)
    return reason_of(told) or told.sentence


def _warning(case: Case) -> str:
    unreviewed = int((case.evidence.items["reviewed"] == 0).sum())
    quantisation = case.evidence.manifest.model.quantisation
    return together(
        _(
            "No native speaker has reviewed {n} of the {total} items (counted once per language).",
            n=unreviewed,
            total=len(case.evidence.items),
        ),
        _(
            "The weights are not the published ones but {quantisation}; nothing here speaks for the original weights.",
            quantisation=quantisation,
        )
        if quantisation
        else "",
        _("The section on limits says what else the numbers do not show."),
    )
