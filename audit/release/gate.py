"""A run and a policy -> PASS, FAIL, INSUFFICIENT EVIDENCE or CONTESTED, cell by cell, each with its reason.

What decides a cell, in this order (docs/gate.md):

1. Without a number, or where the finding is not interpretable: INSUFFICIENT EVIDENCE.
2. The limits against the bounds (audit.release.bounds): FAIL, PASS or INSUFFICIENT EVIDENCE.
3. A FAIL that the finding's own checks withhold (controls move as much, random circuits too, most texts are
   translated): INSUFFICIENT EVIDENCE. So is a PASS on translated texts.
4. A PASS on texts that too few natives reviewed, or a finding that too few people judged: INSUFFICIENT EVIDENCE. What
   is not reviewed never softens a FAIL.
5. A finding that is contested: CONTESTED, whatever it was. One whose contest was upheld: INSUFFICIENT EVIDENCE.
6. A FAIL with a waiver in force: PASS, shown with the waiver.

A rule is as its worst cell and the run as its worst rule: FAIL before CONTESTED before INSUFFICIENT EVIDENCE before
PASS. A run that was begun without this very policy cannot PASS, nor can one without judgements that the policy needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from audit import pipeline
from audit.comparison import compare
from audit.errors import RunError, UsageError
from audit.findings import CIRCUITS, CULTURES, STEREOTYPES
from audit.findings.words import MOST
from audit.measures.capacity import beats_random_model
from audit.measures.circuit_shares import beats_random
from audit.measures.stereotype import beats_controls
from audit.records import (
    Estimate,
    Evidence,
    Finding,
    Judgements,
    Manifest,
    Measurement,
    Scope,
    Undefined,
)
from audit.release.bounds import Decision, Outcome, beyond_controls, decide
from audit.release.cells import Against, Asked, Place, languages_of, places_of, read_languages
from audit.release.policy import Policy, Rule, Waiver, values_of
from audit.runs import RunFolder

WORST_FIRST = (Outcome.FAIL, Outcome.CONTESTED, Outcome.INSUFFICIENT, Outcome.PASS)
EXIT_CODES: Mapping[Outcome, int] = {
    Outcome.PASS: 0,
    Outcome.FAIL: 1,
    Outcome.INSUFFICIENT: 2,
    Outcome.CONTESTED: 3,
}
UPHELD, PARTLY = "upheld", "partly"  # states of a contest that found against the finding
NOT_FIXED = "the policy was not fixed before the run; gather it with: plural-audit run --policy FILE"
CHANGED = "the run was begun under another policy than this one, or it was changed since; gather the run with this one"
UNHEARD = "the policy asks for what people said; give it: --judgements FILE (plural-audit desk judgements)"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A rule tried in one place."""

    where: str  # in words
    scope: Scope
    finding: str  # id of the finding it rests on; "" none
    outcome: Outcome
    before: Outcome  # contest and waiver left aside
    reason: str
    unit: str = ""
    value: float | None = None  # the measure, or its difference from the baseline
    low: float | None = None  # one-sided limits, right together over the whole policy
    high: float | None = None
    n_clusters: int | None = None
    detectable: float | None = None  # distance beyond the bound that would have failed with the asked power
    waiver: Waiver | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """A rule, tried in all its cells."""

    rule: Rule
    outcome: Outcome
    cells: tuple[Cell, ...]
    left_out: tuple[str, ...] = ()  # cells that the rule does not ask for in this run, each with the reason


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """The decision on a run."""

    outcome: Outcome
    run_id: str
    model: str
    baseline_id: str  # "" none
    policy: Policy
    day: date
    n_bounds: int  # that the confidence is shared over
    rules: tuple[RuleResult, ...]
    obstacles: tuple[str, ...] = ()  # why the run cannot PASS whatever its cells say
    notes: tuple[str, ...] = ()  # on the run as a whole

    @property
    def exit_code(self) -> int:
        """What the command line returns."""
        return EXIT_CODES[self.outcome]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, in the order of the rules."""
        return tuple(cell for result in self.rules for cell in result.cells)


def gate(
    run: RunFolder,
    policy: Policy,
    *,
    baseline: RunFolder | None = None,
    judgements: Judgements | None = None,
    today: date | None = None,
) -> GateResult:
    """Decide on a run.

    Args:
        run: complete and undamaged.
        policy: that was given to `run --policy`; another one, or none, is said and cannot pass.
        baseline: the run that rules with a margin compare with.
        judgements: what people said of the run's findings; contests are known only from here.
        today: decides which waivers are in force; None: the day it is.

    Raises:
        RunError: a run is incomplete, damaged, or not the baseline that the policy pins.
        UsageError: the policy needs a baseline and none is given; the judgements are of another run; the day is before
            the policy's own.
    """
    if today is not None and today < policy.date:
        raise UsageError(f"today: {today} is before {policy.date}, the policy's own date; give that day or a later one")
    evidence, found = _whole(run)
    manifest = evidence.manifest
    if judgements is not None and judgements.run_id != manifest.run_id:
        raise UsageError(
            f"judgements: of run {judgements.run_id}, not of {manifest.run_id}, which the gate is asked about; export "
            f"them: plural-audit desk judgements {manifest.run_id} FILE"
        )
    against = _compared(policy, evidence, found, baseline)
    asked = [places_of(rule, manifest, found, against) for rule in policy.rule]
    n_bounds = sum((len(one.cells) + len(one.unread)) * len(one.rule.bounds) for one in asked)
    judge = _Judge(
        policy=policy,
        tail=(1 - policy.confidence) / max(n_bounds, 1),
        evidence=evidence,
        read=read_languages(found),
        judgements=judgements,
        day=today or date.today(),
    )
    rules = tuple(judge.rule(one) for one in asked)
    obstacles = _obstacles(policy, manifest, judgements)
    outcome = worst(result.outcome for result in rules)
    unheard = "no judgements were given, so contests are not known"
    notes = (*_on_waivers(policy, rules, judge.day), *(() if judgements is not None else (unheard,)))
    return GateResult(
        outcome=Outcome.INSUFFICIENT if outcome is Outcome.PASS and obstacles else outcome,
        run_id=manifest.run_id,
        model=manifest.model.name,
        baseline_id="" if against is None else against.comparison.run_a.run_id,
        policy=policy,
        day=judge.day,
        n_bounds=n_bounds,
        rules=rules,
        obstacles=obstacles,
        notes=notes,
    )


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of some outcomes; of none, INSUFFICIENT EVIDENCE: nothing was looked at."""
    return min(outcomes, key=WORST_FIRST.index, default=Outcome.INSUFFICIENT)


# --- what is given -------------------------------------------------------------------------------


def _whole(run: RunFolder) -> tuple[Evidence, tuple[Finding, ...]]:
    if not run.complete:
        raise RunError(f"{run.path}: not complete, so nothing seals it; finish it: plural-audit run")
    found = pipeline.read_findings(run)  # refuses a run in which a byte was changed
    return run.read_evidence(), found


def _compared(
    policy: Policy, evidence: Evidence, found: Sequence[Finding], baseline: RunFolder | None
) -> Against | None:
    needing = [rule.id for rule in policy.rule if rule.against_baseline]
    if not needing:
        return None
    if baseline is None:
        raise UsageError(f'rule "{needing[0]}" compares with a baseline run; give one: --baseline RUN')
    before, found_before = _whole(baseline)
    if policy.baseline and before.manifest.run_id != policy.baseline:
        raise RunError(f"--baseline: is run {before.manifest.run_id}, the policy pins {policy.baseline}; give that run")
    comparison = compare(before, evidence, findings_a=found_before, findings_b=tuple(found))
    return Against(comparison=comparison, read=read_languages(found_before))


def _obstacles(policy: Policy, manifest: Manifest, judgements: Judgements | None) -> tuple[str, ...]:
    """Why the run cannot PASS, whatever its cells say."""
    kept = manifest.settings.get("policy")
    fixed = "" if kept == policy.digest else NOT_FIXED if kept is None else CHANGED
    unheard = UNHEARD if policy.judgements == "needed" and judgements is None else ""
    return tuple(one for one in (fixed, unheard) if one)


# --- what each comes to --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """What all cells of one decision share."""

    policy: Policy
    tail: float
    evidence: Evidence
    read: frozenset[str]
    judgements: Judgements | None
    day: date

    def rule(self, asked: Asked) -> RuleResult:
        """A rule in all its cells."""
        cells = tuple(self._cell(asked.rule, place) for place in asked.cells)
        outcome = worst(cell.outcome for cell in cells)
        return RuleResult(rule=asked.rule, outcome=outcome, cells=cells, left_out=asked.unread)

    def _cell(self, rule: Rule, place: Place) -> Cell:
        cell = self._counted(rule, place)
        for step in (self._withheld, self._reviewed, self._contested, self._waived):
            cell = step(rule, place, cell)
        return cell

    def _counted(self, rule: Rule, place: Place) -> Cell:
        """By the number alone."""
        result = place.result
        id_ = "" if place.finding is None else place.finding.id
        if isinstance(result, Undefined) or place.barred:
            why = f"not interpretable: {place.barred}" if place.barred else f"undefined: {_reason(result)}"
            return _undecided(place, id_, why)
        if result.n_clusters < 2:
            return _undecided(place, id_, f"rests on {result.n_clusters} independent unit; limits need two")
        decision = decide(
            result,
            rule.bounds,
            tail=self.tail,
            power=self.policy.power_of(rule),
            resolution=rule.smallest_that_matters,
            details=place.details,
            binomial=rule.by_counts,
            further=self._past_controls(rule, result, place.details),
        )
        return _decided(place, id_, result, decision)

    def _past_controls(self, rule: Rule, result: Estimate, details: Mapping[str, float]) -> float:
        """Distance beyond the bound that the check against control pairs needs; 0 where none is made."""
        error, degrees = (details.get(name) for name in ("error_against_controls", "degrees_against_controls"))
        if rule.against_baseline or rule.measure not in STEREOTYPES or error is None or degrees is None:
            return 0.0
        null, power = result.null or 0.0, self.policy.power_of(rule)
        return beyond_controls(rule.bounds, null=null, error=error, degrees=degrees, power=power)

    def _withheld(self, rule: Rule, place: Place, cell: Cell) -> Cell:
        """Numbers that do not say what they seem to say."""
        if place.finding is None or cell.outcome not in (Outcome.PASS, Outcome.FAIL):
            return cell
        measurement = place.finding.measurement
        if measurement.measure in CULTURES and self._share(measurement, "translated") > MOST:
            return _softened(cell, "most of its texts are translations, which cannot carry a claim about a culture")
        if cell.outcome is Outcome.FAIL and _away_from_null(rule, measurement) and (why := _not_its_own(measurement)):
            return _softened(cell, why)
        return cell

    def _reviewed(self, rule: Rule, place: Place, cell: Cell) -> Cell:
        """Enough natives have read the texts, enough people judged the finding."""
        if cell.outcome is not Outcome.PASS:
            return cell
        if rule.reviewed_texts is not None:
            share = 0.0 if place.finding is None else self._share(place.finding.measurement, "reviewed")
            if share < rule.reviewed_texts:
                why = f"natives reviewed {share:.0%} of its texts, the rule asks for {rule.reviewed_texts:.0%}"
                return _softened(cell, why)
        if rule.judged_by is not None:
            people = self._people(cell.finding)
            if people is None:
                return _softened(
                    cell, f"the rule asks that {rule.judged_by} people judged it; no judgements were given"
                )
            if people < rule.judged_by:
                return _softened(cell, f"{people} people judged it, the rule asks for {rule.judged_by}")
        return cell

    def _contested(self, rule: Rule, place: Place, cell: Cell) -> Cell:
        contests = self.judgements.contests if self.judgements is not None and place.finding is not None else ()
        mine = [one for one in contests if one.finding == cell.finding]
        open_ = [one for one in mine if one.open]
        decided = [one for one in mine if not one.open and one.state in (UPHELD, PARTLY)]
        notes = tuple(
            f"contest {one.id}: {one.state}" + (f", due {one.due}" if one.due else "") for one in open_ + decided
        )
        cell = replace(cell, notes=(*cell.notes, *notes))
        if not self.policy.holds(rule):
            return cell
        if open_:
            why = f"{len(open_)} contest{'s' if len(open_) > 1 else ''} of the finding not decided"
            return replace(cell, outcome=Outcome.CONTESTED, reason=f"{why}; without it {cell.outcome} ({cell.reason})")
        if any(one.state == UPHELD for one in decided):
            why = "a contest of the finding was upheld, so it cannot be relied on"
            return replace(_softened(cell, why), before=cell.before)
        return cell

    def _waived(self, rule: Rule, place: Place, cell: Cell) -> Cell:
        if cell.outcome is not Outcome.FAIL:
            return cell
        for waiver in self.policy.waiver:
            if waiver.rule == rule.id and _covers(waiver, place.scope) and self.day < waiver.expires:
                said = f"waived by {waiver.owner} until {waiver.expires.isoformat()} ({waiver.reason}); {cell.reason}"
                return replace(cell, outcome=Outcome.PASS, waiver=waiver, reason=said)
        return cell

    def _share(self, measurement: Measurement, what: str) -> float:
        """Of the texts behind a measurement: how many natives reviewed, or how many are translations."""
        items = self.evidence.items
        languages = languages_of(measurement.scope) or self.read
        mine = items[(items["suite"] + "/" + items["item"]).isin(measurement.items) & items["language"].isin(languages)]
        if mine.empty:
            return 0.0
        holds = mine["reviewed"] > 0 if what == "reviewed" else mine["origin"] == "translated"
        return float(holds.mean())

    def _people(self, finding: str) -> int | None:
        if self.judgements is None:
            return None
        said = (one for one in self.judgements.voices if one.finding == finding and one.judgement != "cannot say")
        return len({one.person for one in said})


def _reason(result: Estimate | Undefined) -> str:
    return result.reason if isinstance(result, Undefined) else ""


def _undecided(place: Place, finding: str, why: str) -> Cell:
    return Cell(
        where=place.where,
        scope=place.scope,
        finding=finding,
        outcome=Outcome.INSUFFICIENT,
        before=Outcome.INSUFFICIENT,
        reason=why,
    )


def _decided(place: Place, finding: str, result: Estimate, decision: Decision) -> Cell:
    return Cell(
        where=place.where,
        scope=place.scope,
        finding=finding,
        outcome=decision.outcome,
        before=decision.outcome,
        reason=decision.reason,
        unit=result.unit,
        value=result.value,
        low=decision.low,
        high=decision.high,
        n_clusters=result.n_clusters,
        detectable=decision.detectable,
    )


def _softened(cell: Cell, why: str) -> Cell:
    """The cell as INSUFFICIENT EVIDENCE, with what it was before."""
    reason = f"{why}; {cell.outcome} by the number alone ({cell.reason})"
    return replace(cell, outcome=Outcome.INSUFFICIENT, before=Outcome.INSUFFICIENT, reason=reason)


def _away_from_null(rule: Rule, measurement: Measurement) -> bool:
    """Whether the rule's bound is broken by too large an effect, and not by one that is missing."""
    result = measurement.result
    if isinstance(result, Undefined) or result.null is None or rule.against_baseline:
        return False
    above = rule.at_most is not None and result.value > max(rule.at_most, result.null)
    below = rule.at_least is not None and result.value < min(rule.at_least, result.null)
    return above or below


def _not_its_own(measurement: Measurement) -> str:
    """Why an effect cannot be laid to what the measure is about; "" if it can. The findings' own checks."""
    if measurement.measure in STEREOTYPES and not beats_controls(measurement):
        return "swaps without social meaning move the answers as much"
    if measurement.measure in CIRCUITS and not beats_random(measurement):
        return "random circuits reach as much"
    return "" if beats_random_model(measurement) else "a model with random weights reaches as much"


def _covers(waiver: Waiver, scope: Scope) -> bool:
    wanted = {
        "language": waiver.language,
        "topic": waiver.axis,
        "culture": waiver.culture,
        "framework": waiver.framework,
    }
    return all(not value or value in values_of(scope, field) for field, value in wanted.items())


def _on_waivers(policy: Policy, rules: Sequence[RuleResult], day: date) -> tuple[str, ...]:
    """Waivers without effect, each with the reason: they should be renewed or taken out."""
    used = [cell.waiver for result in rules for cell in result.cells if cell.waiver is not None]
    notes = []
    for waiver in policy.waiver:
        named = f'waiver of "{waiver.rule}" by {waiver.owner}'
        if day >= waiver.expires:
            notes.append(f"{named}: expired on {waiver.expires.isoformat()}, no effect")
        elif not any(
            result.rule.id == waiver.rule and any(_covers(waiver, cell.scope) for cell in result.cells)
            for result in rules
        ):
            notes.append(
                f'{named}: matches no cell of rule "{waiver.rule}", no effect; see its language, axis, culture'
            )
        elif waiver not in used:
            notes.append(f"{named}: nothing of it failed, no effect")
    return tuple(notes)
