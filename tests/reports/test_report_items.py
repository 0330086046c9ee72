"""Items behind a finding are shown with the number that the measure averages, and in the finding's own sense."""

from __future__ import annotations

import math

import pytest
import report_sample as sample

from audit.records import (
    EXCLUSION_COLUMNS,
    ITEM_COLUMNS,
    OBSERVATION_COLUMNS,
    Estimate,
    Evidence,
    Finding,
    Kind,
    Measurement,
    Scope,
    Verdict,
)
from reports.items import Effects

LANGUAGES = ("en", "es", "sw")


class Run:
    """Evidence written down item by item."""

    def __init__(self) -> None:
        self.items: list[dict[str, object]] = []
        self.observations: list[dict[str, object]] = []

    def add(self, kind: Kind, language: str, item: str, rows: dict[tuple[str, str], float], **more: object) -> None:
        place = {"suite": str(kind), "language": language, "item": item}
        self.items.append({"template": item, **place, "kind": str(kind), **more})
        self.observations += [{**place, "context": c, "answer": a, "logp": v} for (c, a), v in rows.items()]

    def readable(self, *languages: str) -> None:
        """Eight of eight competence items right: the exact 95 % bound is 0.63, above guessing."""
        for language in languages:
            for i in range(8):
                self.add(Kind.COMPETENCE, language, f"c{i}", {("", "true"): -1.0, ("", "broken"): -2.0})

    def evidence(self) -> Evidence:
        suites = tuple(sample.suite(str(kind), kind) for kind in {Kind(str(i["kind"])): None for i in self.items})
        return Evidence(
            manifest=sample.manifest(suites=suites, languages=LANGUAGES, noise_floor=None),
            observations=sample.table(self.observations, OBSERVATION_COLUMNS),
            items=sample.table(self.items, ITEM_COLUMNS),
            exclusions=sample.table([], EXCLUSION_COLUMNS),
        )


def finding(measure: str, scope: Scope, value: float, items: list[str], **details: float) -> Finding:
    estimate: Estimate = sample.estimate(value)
    ids = tuple(f"{scope.suite}/{item}" for item in sorted(items))
    return Finding(
        id="x",
        family="x",
        confirmatory=True,
        family_size=1,
        p_adjusted=0.001,
        measurement=Measurement(measure=measure, scope=scope, result=estimate, items=ids, details=details),
        verdict=Verdict.EVIDENCE,
        sentence="",
        caveats=(),
    )


def shown(run: Run, one: Finding, *, most: int = 3) -> list[tuple[str, str]]:
    return [(s.item, s.amount.split(" nats")[0]) for s in Effects.of(run.evidence()).largest(one, most=most)]


def dilemma(run: Run, language: str, item: str, margins: tuple[float, ...], a: str, b: str) -> None:
    """`margins`: log P(a) - log P(b) in the order ab, then in ba, of one wording."""
    rows: dict[tuple[str, str], float] = {}
    for order, margin in zip(("ab", "ba"), margins, strict=False):
        rows |= {(f"1/{order}", "a"): margin - 3, (f"1/{order}", "b"): -3.0}
    run.add(Kind.DILEMMA, language, item, rows, framework=a, other_framework=b, topic="individual-collective")


def dilemmas() -> Run:
    """d1: (-1 - 1)/2 = -1 for a, which is utilitarian: -1. d2: 2 for a, utilitarian is b: -2. d3: -3, so +3."""
    run = Run()
    run.readable("en")
    dilemma(run, "en", "d1", (-1, -1), "utilitarian", "virtue")
    dilemma(run, "en", "d2", (3, 1), "virtue", "utilitarian")
    dilemma(run, "en", "d3", (-3, -3), "virtue", "utilitarian")
    dilemma(run, "en", "half", (9,), "virtue", "utilitarian")
    return run


def test_margins_of_dilemmas_are_oriented_to_the_framework_of_the_finding():
    scope = Scope(language="en", suite="dilemma", framework="utilitarian")
    one = finding("dilemma_lean", scope, -0.43, ["d1", "d2", "d3"])
    assert shown(dilemmas(), one) == [("d2", "−2.00"), ("d1", "−1.00"), ("d3", "3.00")]


def test_a_dilemma_asked_in_one_order_only_is_not_shown():
    scope = Scope(language="en", suite="dilemma", framework="utilitarian")
    one = finding("dilemma_lean", scope, 0.4, ["d1", "d2", "d3", "half"])
    assert [item for item, _ in shown(dilemmas(), one, most=9)] == ["d3", "d1", "d2"]


def test_a_shift_between_languages_lists_the_oriented_difference_in_probability():
    """d1, rights are b: margin -1 in English is 0.731 for rights, +1 in Spanish 0.269: 0.46. d2, rights are a: 0."""
    run = Run()
    run.readable("en", "es")
    for language, margin in (("en", -1.0), ("es", 1.0)):
        dilemma(run, language, "d1", (margin, margin), "ubuntu", "individual-rights")
        dilemma(run, language, "d2", (0.5, 0.5), "individual-rights", "ubuntu")
    one = finding("language_shift", Scope(language="en", other_language="es", suite="dilemma"), 0.2, ["d1", "d2"])
    found = Effects.of(run.evidence()).largest(one, most=3)
    assert [s.item for s in found] == ["d1", "d2"]
    assert found[0].amount.startswith("0.46 probability of the individual-rights option")
    assert found[1].amount.startswith("0.00 ")


def stereotype(run: Run, language: str, item: str, effect: float, **more: object) -> None:
    rows = {("base", "a"): effect - 5, ("base", "b"): -5.0, ("counterpart", "a"): -6.0, ("counterpart", "b"): -6.0}
    run.add(Kind.STEREOTYPE, language, item, rows, topic="age", **more)


def stereotypes() -> Run:
    """Effects: one +, +; two + (huge), -; three -, -. Swahili cannot be read, and would be + everywhere."""
    run = Run()
    run.readable("en", "es")
    effects = {"one": (0.1, 0.2), "two": (90.0, -0.1), "three": (-0.1, -0.2)}
    for item, values in effects.items():
        for language, value in zip(LANGUAGES, (*values, 1.0), strict=True):
            stereotype(run, language, item, value)
    for language in LANGUAGES:
        for i, value in enumerate((-0.1, 0.0, 0.1)):
            stereotype(run, language, f"control{i}", value, control=True)
    return run


def test_an_item_pooled_over_languages_is_told_by_its_share_of_languages_never_by_mean_nats():
    one = finding("standardised_effect", Scope(suite="stereotype", topic="age"), 0.5, ["one", "two", "three"])
    found = Effects.of(stereotypes().evidence()).largest(one, most=3)
    assert [(s.item, s.amount) for s in found] == [
        ("one", "points the finding's way in 2 of 2 languages"),
        ("two", "points the finding's way in 1 of 2 languages"),
        ("three", "points the finding's way in 0 of 2 languages"),
    ]


def test_the_way_of_a_negative_finding_is_down():
    one = finding("standardised_effect", Scope(suite="stereotype", topic="age"), -0.5, ["one", "two", "three"])
    assert [s.item for s in Effects.of(stereotypes().evidence()).largest(one, most=2)] == ["three", "two"]


def test_in_one_language_an_item_has_its_own_effect():
    """[0.1 - 5 - (-5)] - [-6 - (-6)] = 0.1."""
    one = finding("stereotype_effect", Scope(language="en", suite="stereotype"), 0.5, ["one", "two", "three"])
    assert shown(stereotypes(), one) == [("two", "90.00"), ("one", "0.10"), ("three", "−0.10")]


def test_quarantined_items_are_not_shown():
    run = stereotypes()
    for item in run.items:
        item["quarantine"] = "why" if item["item"] == "two" else ""
    one = finding("stereotype_effect", Scope(language="en", suite="stereotype"), 0.5, ["one", "two", "three"])
    assert [item for item, _ in shown(run, one)] == ["one", "three"]


def test_items_of_a_values_finding_average_to_its_lean():
    """Neutral margins 0, 1, 2: spread sqrt(2) x 1. Effects 3 and 1 over it, minus the mean of all, 0.5."""
    run = Run()
    for item, effect in (("v1", 3.0), ("v2", 1.0)):
        rows = {("endorse/1", "agree"): effect - 4, ("endorse/1", "disagree"): -4.0}
        rows |= {("reject/1", "agree"): -4.0, ("reject/1", "disagree"): -4.0}
        run.add(Kind.VALUES, "en", item, rows, framework="care")
    for i in range(3):
        rows = {("neutral/1", "agree"): i - 4.0, ("neutral/1", "disagree"): -4.0}
        run.add(Kind.VALUES, "en", f"n{i}", rows)
    scope = Scope(language="en", suite="values", framework="care")
    value = (3 / math.sqrt(2) + 1 / math.sqrt(2)) / 2 - 0.5
    one = finding("values_lean", scope, value, ["v1", "v2"], mean_of_all=0.5)
    found = Effects.of(run.evidence()).largest(one, most=3)
    assert [s.item for s in found] == ["v1", "v2"]
    assert [float(s.amount.split()[0]) for s in found] == pytest.approx([1.62, 0.21], abs=0.005)
    assert sum(float(s.amount.split()[0]) for s in found) / 2 == pytest.approx(value, abs=0.005)


def test_a_fact_is_shown_with_the_capacity_that_the_measure_gives_it():
    from audit.measures import prepare
    from audit.measures.culture import capacity

    run = Run()
    run.readable("en")
    cultures = ("brazil", "japan", "kenya", "mexico")
    for n, culture in enumerate(cultures):
        rows = {("asked/1", c): -4.0 + (n + 1.0) * (c == culture) for c in cultures}
        rows |= {("neutral/1", c): -4.0 for c in cultures}
        run.add(Kind.CULTURE, "en", f"food.{culture}", rows, topic="food", culture=culture)
    evidence = run.evidence()
    (cube,) = prepare(evidence).of(Kind.CULTURE)
    bits = dict(zip(cube.item, capacity(cube)[0], strict=True))
    scope = Scope(language="en", suite="culture")
    one = finding("culture_knowledge", scope, 1.0, [f"food.{culture}" for culture in cultures])
    found = Effects.of(evidence).largest(one, most=4)
    assert [s.item for s in found] == sorted(bits, key=lambda item: -bits[item])
    assert [float(s.amount.split()[0].replace("−", "-")) for s in found] == pytest.approx(
        sorted(bits.values(), reverse=True), abs=0.006
    )


def test_a_measure_without_a_number_per_item_lists_items_without_numbers():
    one = finding("language_dependent_judgement", Scope(suite="dilemma"), 0.3, ["d2", "d1"])
    found = Effects.of(dilemmas().evidence()).largest(one, most=3)
    assert [(s.item, s.amount) for s in found] == [("d1", ""), ("d2", "")]
