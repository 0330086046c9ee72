"""What a policy can tell before anything is run: the smallest excess it would find, templates to add, time.

How precise an audit will be depends on how templates scatter, which only an audit shows. So the plan takes the scatter
of an earlier run, by default of one that comes with the package (gemma-3-270m on the built-in suites; `SPREADS`), and
says so. For a difference from a baseline it assumes that the templates of two models do not move together, which asks
for more than is needed where they do.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from audit import pipeline
from audit.errors import RunError
from audit.findings import STEREOTYPES
from audit.measures.statistics import detectable_distance
from audit.progress import Reporter, Silent
from audit.records import Estimate, Measurement, Scope, Suite
from audit.release.bounds import Bound, beyond_controls, degrees_of, error_of, share_reach
from audit.release.cells import absent_from, languages_of, read_languages
from audit.release.cells import in_words as place_in_words
from audit.release.policy import Policy, Rule, speaks_of
from audit.runs import RunFolder, whole_or_absent

# Packaged, of the short audit and of the whole one; made by: python -m audit.release.planning RUN FILE
SPREADS: Mapping[pipeline.Items, str] = {"core": "spreads.json", "all": "spreads-all.json"}
MOST_UNITS = 10_000  # more templates than anybody writes
DIGITS = 4  # kept of a spread
_FIGURES = ("error", "degrees", "noise_floor", "control_error", "control_degrees")
SAMPLE = 16  # items a suite that are timed: fewer fill no batch, and would look slow
_LOGGED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d) (.*)")
LONGEST_PAUSE = 600.0  # seconds between two lines of a log; a longer one is a night, not work


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How precise one measure was on one scope."""

    measure: str
    scope: Scope
    n_clusters: int  # independent units
    error: float  # standard error of the estimate with so many
    degrees: float
    noise_floor: float
    control_error: float = (
        0.0  # what control pairs add to the error of the difference from them; 0 without such a check
    )
    control_degrees: float = 0.0  # degrees of freedom of that difference


@dataclass(frozen=True, kw_only=True)
class Spreads:
    """How precise a whole run was, and how long it took."""

    run_id: str
    model: str
    read: tuple[str, ...]  # languages
    labels: Mapping[str, str]
    cells: tuple[Spread, ...]
    seconds: Mapping[str, float]  # stage -> work, by the run's log; empty where it has none


@dataclass(frozen=True, kw_only=True)
class CellPlan:
    """What one cell of a rule can tell."""

    where: str
    n_clusters: int
    detectable: float  # distance beyond the bound that would FAIL with the asked power
    needed: int | None  # independent units for `resolution`; None: no number that anybody writes is enough


@dataclass(frozen=True, kw_only=True)
class RulePlan:
    """What a rule can tell."""

    rule: str
    power: float
    resolution: float
    unit: str
    cells: tuple[CellPlan, ...]
    unknown: str  # why nothing can be said of cells that the rule names; "" where it can of all

    @property
    def enough(self) -> bool:
        """Whether every cell has the power asked for."""
        return not self.unknown and all(cell.detectable <= self.resolution for cell in self.cells)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a policy can tell."""

    policy: str
    digest: str
    assumed: str  # what the spreads are taken from, in words
    n_bounds: int
    rules: tuple[RulePlan, ...]

    @property
    def enough(self) -> bool:
        """Whether every rule has the power it asks for."""
        return all(rule.enough for rule in self.rules)


@dataclass(frozen=True, kw_only=True)
class ExpectedTime:
    """How long an audit will take here: an estimate."""

    model: str
    asked: pipeline.Items
    items: int
    items_per_second: float  # scored here, on a sample
    scoring: float  # seconds
    total: float  # seconds
    assumed: str  # what the share of scoring is taken from, in words


def plan(policy: Policy, known: Spreads) -> Plan:
    """What a policy can tell, if templates scatter as they did in another run.

    Args:
        policy: the rules.
        known: that run.
    """
    cells = {rule.id: _cells(rule, known) for rule in policy.rule}
    absent = {rule.id: absent_from(rule, [one.scope for one in cells[rule.id]]) for rule in policy.rule}
    n_bounds = sum((len(cells[rule.id]) + len(absent[rule.id])) * len(rule.bounds) for rule in policy.rule)
    tail = (1 - policy.confidence) / max(n_bounds, 1)
    return Plan(
        policy=policy.name,
        digest=policy.digest,
        assumed=f"the spreads of {known.model}, run {known.run_id}",
        n_bounds=n_bounds,
        rules=tuple(
            _rule(rule, cells[rule.id], absent=absent[rule.id], policy=policy, known=known, tail=tail)
            for rule in policy.rule
        ),
    )


def _cells(rule: Rule, known: Spreads) -> list[Spread]:
    """The cells of a rule that the run has, of the languages that its model reads where the rule asks for those."""
    mine = [one for one in known.cells if speaks_of(rule, one.measure, one.scope)]
    if rule.languages == "read":
        mine = [one for one in mine if languages_of(one.scope) <= set(known.read)]
    if not rule.against_baseline:
        return mine
    return [replace(one, error=one.error * 2**0.5, noise_floor=2 * one.noise_floor) for one in mine]


def _rule(
    rule: Rule, cells: Sequence[Spread], *, absent: Sequence[Scope], policy: Policy, known: Spreads, tail: float
) -> RulePlan:
    power, resolution = policy.power_of(rule), rule.smallest_that_matters
    bounds = () if rule.against_baseline else rule.bounds
    asked = _Asked(bounds=bounds, tail=tail, power=power, by_counts=rule.by_counts)
    unknown = ""
    if absent:
        nothing = absent == [Scope(suite=rule.suite, lens=rule.lens)]
        where = "there" if nothing else f"of {'; '.join(place_in_words(one, known.labels) for one in absent)}"
        unknown = f"run {known.run_id} has no number of {rule.measure} {where}; plan from another run: --from RUN"
    return RulePlan(
        rule=rule.id,
        power=power,
        resolution=resolution,
        unit=rule.unit,
        cells=tuple(
            CellPlan(
                where=place_in_words(one.scope, known.labels),
                n_clusters=one.n_clusters,
                detectable=_detectable(one, one.n_clusters, asked),
                needed=_needed(one, resolution, asked),
            )
            for one in cells
        ),
        unknown=unknown,
    )


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What decides how much a rule can tell, besides how templates scatter."""

    bounds: tuple[Bound, ...]  # that the controls' check looks at
    tail: float
    power: float
    by_counts: bool  # the measure is a share with exact limits, whatever the run's own spread


def _detectable(one: Spread, n: int, asked: _Asked) -> float:
    """With n independent units: the error shrinks as their root, degrees of freedom grow with them."""
    if asked.by_counts:
        return share_reach(n, asked.bounds, tail=asked.tail, power=asked.power)
    error, degrees = one.error * (one.n_clusters / n) ** 0.5, max(one.degrees * n / one.n_clusters, 1.0)
    reach = detectable_distance(error, degrees, alpha=2 * asked.tail, power=asked.power)
    if one.control_degrees:
        against = math.hypot(error, one.control_error)
        further = beyond_controls(asked.bounds, null=0.0, error=against, degrees=one.control_degrees, power=asked.power)
        reach = max(reach, further)
    return max(reach, one.noise_floor)


def _needed(one: Spread, resolution: float, asked: _Asked) -> int | None:
    """The fewest independent units that tell `resolution`, never fewer than two; the controls stay as they are.

    Of a share, whose reach goes down in steps, a number that is enough, near the fewest.
    """
    low, high = 1, 2
    while _detectable(one, high, asked) > resolution:
        low, high = high, 2 * high
        if high > MOST_UNITS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if _detectable(one, middle, asked) > resolution:
            low = middle
        else:
            high = middle
    return high


# --- spreads of a run ----------------------------------------------------------------------------


def spreads_of(run: RunFolder) -> Spreads:
    """How precise a run was, and how long it took by its log.

    Raises:
        RunError: the run is damaged, or has not been weighed.
    """
    found, manifest = pipeline.read_findings(run), run.read_evidence().manifest
    cells = []
    for one in found:
        result, details = one.measurement.result, one.measurement.details
        if isinstance(result, Estimate) and result.n_clusters > 1 and result.high > result.low:
            cells.append(
                Spread(
                    measure=one.measurement.measure,
                    scope=one.measurement.scope,
                    n_clusters=result.n_clusters,
                    error=error_of(result, details),
                    degrees=degrees_of(result, details),
                    noise_floor=details.get("noise_floor", 0.0),
                    **_of_controls(one.measurement),
                )
            )
    return Spreads(
        run_id=manifest.run_id,
        model=manifest.model.name,
        read=tuple(sorted(read_languages(found))),
        labels={id_: name for suite in manifest.suites for id_, name in suite.labels.items()},
        cells=tuple(cells),
        seconds=_seconds(run.path / "run.log"),
    )


def _of_controls(measurement: Measurement) -> dict[str, float]:
    """Error squared of the difference from the controls is that of the effect and that of the controls, summed."""
    details = measurement.details
    error, own = details.get("error_against_controls"), details.get("standard_error")
    if measurement.measure not in STEREOTYPES or error is None or own is None:
        return {}
    return {
        "control_error": max(error**2 - own**2, 0.0) ** 0.5,
        "control_degrees": details["degrees_against_controls"],
    }


def packaged_spreads(items: pipeline.Items = "core") -> Spreads:
    """The spreads that come with the package: of the short audit, or of one of all items."""
    content = json.loads((files("audit.release") / SPREADS[items]).read_text(encoding="utf-8"))
    return _from_content(content)


def write_spreads(path: Path, spreads: Spreads) -> None:
    """Keep spreads as JSON, a line a cell, figures rounded."""

    def rounded(value: float) -> float:
        return float(f"{value:.{DIGITS}g}")

    cells = [
        [one.measure, {k: v for k, v in vars(one.scope).items() if v}, one.n_clusters]
        + [rounded(getattr(one, name)) for name in _FIGURES]
        for one in spreads.cells
    ]
    content = {**vars(spreads), "seconds": {k: round(v) for k, v in spreads.seconds.items()}}
    del content["cells"]
    rows = ",\n".join(json.dumps(cell, ensure_ascii=False) for cell in cells)
    rest = json.dumps(content, ensure_ascii=False, sort_keys=True)
    with whole_or_absent(path) as temporary:
        temporary.write_text(f'{rest[:-1]}, "cells": [\n{rows}\n]}}\n', encoding="utf-8")


def _from_content(content: Mapping[str, Any]) -> Spreads:
    cells = tuple(
        Spread(measure=measure, scope=Scope(**scope), n_clusters=n, **dict(zip(_FIGURES, figures, strict=True)))
        for measure, scope, n, *figures in content["cells"]
    )
    return Spreads(**{**content, "read": tuple(content["read"]), "cells": cells})


def _seconds(log: Path) -> dict[str, float]:
    """Stage -> seconds of work. Time between two lines goes to the stage that the first one is of."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    moments = [
        (datetime.fromisoformat(found[1]), found[2].split(":")[0]) for line in lines if (found := _LOGGED.match(line))
    ]
    worked: dict[str, float] = {}
    for (begun, stage), (ended, _) in itertools.pairwise(moments):
        spent = (ended - begun).total_seconds()
        if spent <= LONGEST_PAUSE:
            worked[stage] = worked.get(stage, 0.0) + spent
    return worked


# --- time ----------------------------------------------------------------------------------------


def expected_time(
    model: str, known: Spreads, *, items: pipeline.Items = "core", reporter: Reporter | None = None
) -> ExpectedTime:
    """How long the built-in audit of a model will take here. Needs torch and a tenth of the short audit's scoring time.

    Scoring is timed on some items of each suite; everything else is taken to be as many times scoring as in the run
    that is known.

    Args:
        model: as for `plural-audit run`.
        known: that run.
        items: of the short audit, or all.
        reporter: where progress is told.

    Raises:
        RunError: that run has no log of a whole audit.
    """
    import torch

    from audit import models, observe
    from audit.sharing import processes_for

    scored = known.seconds.get("scoring", 0.0)
    if not scored:
        raise RunError(
            f"run {known.run_id}: its log tells of no scoring; plan from a run that was gathered: --from RUN"
        )
    reporter = reporter or Silent()
    reporter.stage("loading the model")
    audited = models.AuditedModel.load(model)
    suites = pipeline.load_suites(pipeline.Request(model=model, items=items))
    _score(observe, audited, _some(suites[0], 1))  # the first batch pays for what is set up once
    timed, spent, scoring = 0, 0.0, 0.0
    threads, processes = torch.get_num_threads(), processes_for(audited)
    reporter.stage("timing the scoring", total=len(suites), unit="suites")
    try:
        if processes > 1:
            torch.set_num_threads(1)  # as each of those that share a run
        for suite in suites:
            some = _some(suite, SAMPLE)
            begun = time.perf_counter()
            _score(observe, audited, some)
            took = (time.perf_counter() - begun) / processes
            timed, spent = timed + len(some.items), spent + took
            scoring += took / len(some.items) * len(suite.items)
            reporter.advance(1)
    finally:
        torch.set_num_threads(threads)
    return ExpectedTime(
        model=audited.record.name,
        asked=items,
        items=sum(len(suite.items) for suite in suites),
        items_per_second=timed / spent,
        scoring=scoring,
        total=scoring * sum(known.seconds.values()) / scored,
        assumed=f"the rest takes as many times scoring as in run {known.run_id}",
    )


def _some(suite: Suite, n: int) -> Suite:
    """About n items of a suite in one language, evenly spread over it."""
    language = "en" if "en" in suite.languages else suite.languages[0]
    items = [item for item in suite.items if item.language == language]
    return replace(suite, items=tuple(items[:: max(len(items) // n, 1)]))


def _score(observe: Any, audited: Any, suite: Any) -> None:
    for shard in observe.plan_shards((suite,), model=audited.record, versions={}):
        observe.score_shard(audited, shard)


# --- in words ------------------------------------------------------------------------------------


def in_words(made: Plan, expected: ExpectedTime | None) -> list[str]:
    """The plan, line by line: the worst cell of each rule, and what it needs."""
    lines = [
        f"Policy {made.digest[:12]}: {made.policy}",
        f"Assuming {made.assumed}; {made.n_bounds} bound{'s' if made.n_bounds != 1 else ''} share the confidence.",
    ]
    for one in made.rules:
        if one.unknown:
            lines.append(f"{one.rule}: unknown: {one.unknown}")
        if not one.cells:
            continue
        worst = max(one.cells, key=lambda cell: cell.detectable)
        short = any(cell.detectable > one.resolution for cell in one.cells)
        state = "NOT ENOUGH" if short else "enough where it was measured" if one.unknown else "enough"
        lines.append(
            f"{one.rule}: {state}: must find an excess of {one.resolution:.3g} {one.unit} with power {one.power:g}; in "
            f"{len(one.cells)} cell{'s' if len(one.cells) != 1 else ''}, worst {worst.where}: finds "
            f"{worst.detectable:.3g} with {worst.n_clusters} independent units"
        )
        if short:
            lines.append(f"  {_more(one)}")
    if expected is not None:
        called = {"core": "short built-in audit (core items)", "all": "whole built-in audit (all items)"}
        lines.append(
            f"Expected time here for the {called[expected.asked]} of {expected.model}: about "
            f"{_duration(expected.total)}, {_duration(expected.scoring)} of it scoring {expected.items} items "
            f"({expected.items_per_second:.1f} a second on a sample; {expected.assumed}). An estimate."
        )
    return lines


def _more(one: RulePlan) -> str:
    short = [cell for cell in one.cells if cell.detectable > one.resolution]
    if any(cell.needed is None for cell in short):
        return f"no number of templates that anybody writes is enough in {len(short)} of them: ask for less"
    most = max(short, key=lambda cell: (cell.needed or 0) - cell.n_clusters)
    assert most.needed is not None
    return (
        f"short in {len(short)} of them; most in {most.where}: {most.needed} independent units needed, "
        f"{most.needed - most.n_clusters} more"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    write_spreads(Path(sys.argv[2]), spreads_of(RunFolder(Path(sys.argv[1]))))
