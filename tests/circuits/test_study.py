"""The study of a suite, with a looker that answers from numbers that are known, so that every choice can be checked.

The looker's nodes add up: a set of nodes does what its nodes do one by one, all of them do the item's own effect.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.circuits.looking import Look, Portion, Screened
from audit.circuits.selection import SIZES, folds_of
from audit.circuits.study import ITEMS_PER_PORTION, N_DRAWN, N_RANDOM, Study, plan, study
from audit.errors import UnsupportedModelError
from audit.progress import Silent
from audit.records import (
    CIRCUIT_COLUMNS,
    EDGE_COLUMNS,
    EXCLUSION_COLUMNS,
    MLP,
    NODE_COLUMNS,
    PATCH_COLUMNS,
    POOLED,
    READING_COLUMNS,
    WHOLE,
    Item,
    Kind,
    Suite,
    SuiteRecord,
)

SHAPE = (7, 6)  # 35 heads and 7 MLPs: more than a ranking holds, more than are patched
LANGUAGES = ("en", "ha", "zh")
READABLE = ("en", "zh")
BIAS = 10.0  # of the estimates, so that a score tells whether it was patched

Effects = Callable[[Item], np.ndarray]

# --- a suite and a looker of known numbers -------------------------------------------------------


def item(language: str, template: str, number: int = 0, *, topic: str = "", quarantine: str = "") -> Item:
    """An item; one without a topic is a control."""
    return Item(
        id=f"{template}.{number}",
        language=language,
        template=template,
        topic=topic,
        control=not topic,
        asks=(),
        origin="native",
        author="machine",
        reviewed=0,
        quarantine=quarantine,
    )


def items_of(languages: Sequence[str] = LANGUAGES) -> list[Item]:
    """Per language 6 templates of 2 items in either topic, and 4 control templates of 1 item."""
    real = [(f"{topic}-{n}", topic, k) for topic in ("age", "gender") for n in range(6) for k in range(2)]
    controls = [(f"door-{n}", "", 0) for n in range(4)]
    return [item(one, template, k, topic=topic) for one in languages for template, topic, k in (*real, *controls)]


def suite_of(items: Sequence[Item]) -> Suite:
    texts = dict.fromkeys(
        ("version", "question", "construct", "harm", "groups", "intended_use", "not_shown", "licence", "authors"), "x"
    )
    record = SuiteRecord(name="made", kind=Kind.STEREOTYPE, redistributable=True, **texts)
    return Suite(record=record, languages=tuple(sorted({one.language for one in items})), items=tuple(items))


def noise(*name: Any) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256(repr(name).encode()).digest()))


def effects_by_chance(one: Item) -> np.ndarray:
    """A few nodes carry the effect in every item of a language, the rest scatters; every third item is turned."""
    return chance(one.language, one.id)


@functools.cache
def chance(language: str, name: str) -> np.ndarray:
    common = 0.5 * noise("of all").standard_normal(SHAPE).clip(min=0) ** 3
    own = 0.3 * noise("of", language).standard_normal(SHAPE).clip(min=0) ** 3
    scatter = 0.05 * noise(language, name).standard_normal(SHAPE)
    return (-1 if noise("sign", name).random() < 1 / 3 else 1) * (common + own + scatter)


def margins_of(suite: Suite, effects: Effects) -> dict[tuple[str, str], tuple[float, float]]:
    return {(one.language, one.id): (float(effects(one).sum()), 0.0) for one in suite.items}


@dataclass
class Known:
    """Answers as the model would, from known effects; remembers what it was asked."""

    effects_: Effects = effects_by_chance
    refused: Collection[tuple[str, str]] = ()
    no_edges: str = ""
    asked: list[tuple[Portion, tuple[Look, ...]]] = field(default_factory=list)
    edges_of: list[tuple[tuple[Portion, ...], list[tuple[int, int]]]] = field(default_factory=list)
    means_over: list[tuple[Portion, tuple[Portion, ...]]] = field(default_factory=list)

    def _known(self, portion: Portion) -> list[Item]:
        return [one for one in portion.items if (one.language, one.id) not in self.refused]

    def holds(self, calls) -> bool:
        """As if nothing was."""
        return False

    def record(self, portions, *, done) -> None:
        """Nothing needs to be."""
        for portion in portions:
            done(len(portion.items))

    def share(self, jobs, *, done) -> None:
        """Everything is known already; done once all the same, as by a process that keeps it."""
        for job in jobs:
            done(job.size)

    def screened(self, portion: Portion) -> Screened:
        kept = self._known(portion)
        effects = np.array([self.effects_(one) + np.sign(self.effects_(one).sum()) * BIAS for one in kept])
        lost = tuple((one.id, "cannot") for one in portion.items if one not in kept)
        return Screened(items=tuple(one.id for one in kept), effects=effects.reshape(-1, *SHAPE), refused=lost)

    def aligned(self, portion: Portion) -> Screened:
        seen = self.screened(portion)
        return replace(seen, effects=np.full_like(seen.effects, np.nan))

    def effects(self, portion: Portion, looks: Sequence[Look], *, language: Sequence[Portion] = ()) -> np.ndarray:
        self.asked.append((portion, tuple(looks)))
        if any(look.ablation == "mean" for look in looks):
            self.means_over.append((portion, tuple(language)))
        kept = self._known(portion)
        return np.array([[value_of(look, self.effects_(one)) for one in kept] for look in looks])

    def edges(self, portions: Sequence[Portion], nodes: Sequence[tuple[int, int]], *, most: int) -> pd.DataFrame:
        if self.no_edges and portions[0].language == self.no_edges:
            raise UnsupportedModelError("no such edges")
        self.edges_of.append((tuple(portions), list(nodes)))
        first = nodes[0]
        rows = [("", "", -1, 0, *first, "q", 0.1, 0.1, sum(len(portion.items) for portion in portions))]
        return pd.DataFrame(rows, columns=list(EDGE_COLUMNS)).astype(dict(EDGE_COLUMNS))

    def readings(self, portions: Sequence[Portion]) -> pd.DataFrame:
        n = sum(len(self._known(portion)) for portion in portions)
        rows = [("", "", "logit lens", 0, -1, 0.5, n)] if n else []
        return pd.DataFrame(rows, columns=list(READING_COLUMNS)).astype(dict(READING_COLUMNS))


def value_of(look: Look, effects: np.ndarray) -> float:
    """Necessity and sufficiency are told apart by a hundredth, mean ablation is half."""
    total = float(effects[look.nodes].sum())
    return total / 2 if look.ablation == "mean" else total + (0.01 if look.part == "sufficiency" else 0.0)


class Telling(Silent):
    """Remembers what was said and how far it went."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.stages: list[list[Any]] = []

    def stage(self, name: str, total: int | None = None, *, unit: str = "") -> None:
        self.stages.append([name, total, 0])

    def advance(self, units: int) -> None:
        self.stages[-1][2] += units

    def say(self, message: str) -> None:
        self.said.append(message)


def studied(
    items: Sequence[Item],
    effects: Effects = effects_by_chance,
    *,
    looker: Known | None = None,
    depth: Any = "screened",
    readable: Collection[str] = READABLE,
    reporter: Any = None,
) -> Study:
    suite = suite_of(items)
    looker = looker or Known(effects)
    return study(
        suite,
        margins_of(suite, looker.effects_),
        looker=looker,  # type: ignore[arg-type]
        depth=depth,
        readable=readable,
        reporter=reporter or Silent(),
    )


@pytest.fixture(scope="module")
def whole() -> tuple[Study, Known]:
    """The study of the whole suite."""
    looker = Known()
    return studied(items_of(), looker=looker), looker


def same(first: pd.DataFrame, second: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True), check_exact=True)


def folds(items: Sequence[Item]) -> dict[str, int]:
    return folds_of({one.template: one.topic for one in items})


def circuit_of(found: Study, circuit: str, fold: int) -> pd.DataFrame:
    rows = found.circuits
    return rows[(rows["circuit"] == circuit) & (rows["fold"] == fold)].sort_values("rank")


def kept_nodes(found: Study, circuit: str, fold: int, size: int | None = None) -> np.ndarray:
    rows = circuit_of(found, circuit, fold)
    rows = rows[rows["kept"]] if size is None else rows.head(size)
    nodes = np.zeros(SHAPE, dtype=bool)
    for layer, head in zip(rows["layer"], rows["head"], strict=True):
        nodes[layer, SHAPE[1] - 1 if head == MLP else head] = True
    return nodes


# --- portions ------------------------------------------------------------------------------------


def test_portions_hold_every_usable_item_once_of_one_language_fold_and_kind():
    items = items_of()
    items += [item("en", "age-0", number, topic="age") for number in range(2, 50)]  # more than a portion holds
    suite = suite_of(items)
    portions = plan(suite, margins_of(suite, effects_by_chance))
    assert Counter((one.language, one.id) for p in portions for one in p.items) == Counter(
        (one.language, one.id) for one in items
    )
    for portion in portions:
        assert 0 < len(portion.items) <= ITEMS_PER_PORTION
        assert {(one.language, one.control) for one in portion.items} == {(portion.language, portion.control)}
        assert {folds(items)[one.template] for one in portion.items} == {portion.fold}
        totals = [float(effects_by_chance(one).sum()) for one in portion.items]
        assert list(portion.margins) == [(total, 0.0) for total in totals]


def test_a_template_has_one_fold_in_all_languages_and_the_folds_balance_topics():
    portions = plan(suite_of(items_of()), margins_of(suite_of(items_of()), effects_by_chance))
    of = {(one.template, p.fold): one.topic for p in portions for one in p.items}
    assert len(of) == 6 + 6 + 4  # templates; none with two folds
    assert Counter((topic, fold) for (_, fold), topic in of.items()) == {
        (topic, fold): n for topic, n in (("age", 3), ("gender", 3), ("", 2)) for fold in (0, 1)
    }


def test_the_order_of_the_items_decides_nothing():
    items = items_of()
    margins = margins_of(suite_of(items), effects_by_chance)
    straight = plan(suite_of(items), margins)
    random.Random(0).shuffle(items)
    shuffled = plan(suite_of(items), margins)
    content = [
        [(one.language, one.fold, one.control, one.items, one.margins) for one in many] for many in (straight, shuffled)
    ]
    assert content[0] == content[1]


def test_items_that_were_not_scored_or_are_held_back_are_in_no_portion():
    held = item("en", "age-0", 7, topic="age", quarantine="asks the same as another")
    suite = suite_of([*items_of(), held])
    margins = margins_of(suite, effects_by_chance)
    del margins["zh", "gender-3.1"]
    found = {(one.language, one.id) for portion in plan(suite, margins) for one in portion.items}
    assert found == {(one.language, one.id) for one in items_of()} - {("zh", "gender-3.1")}


# --- what may choose -----------------------------------------------------------------------------


@pytest.mark.parametrize("fold", [0, 1])
def test_what_the_items_of_a_fold_do_has_no_say_in_the_circuits_judged_on_them(whole, fold):
    """Effects, signs and refusals of the fold's items all change; its rankings, sizes and scores stay to the bit."""
    found, _ = whole
    fold_of = folds(items_of())

    def changed(one: Item) -> np.ndarray:
        other = -2 * noise("other", one.language, one.id).standard_normal(SHAPE)
        return other if fold_of[one.template] == fold else effects_by_chance(one)

    refused = [(language, f"{topic}-{n}.1") for language in LANGUAGES for topic in ("age", "gender") for n in range(6)]
    refused = [(language, name) for language, name in refused if fold_of[name.split(".")[0]] == fold][::2]
    other = studied(items_of(), looker=Known(changed, refused=refused))
    for circuit in (*LANGUAGES, POOLED):
        same(circuit_of(found, circuit, fold), circuit_of(other, circuit, fold))
        assert not circuit_of(found, circuit, 1 - fold).equals(circuit_of(other, circuit, 1 - fold))


def test_nodes_patched_for_the_sake_of_another_choice_count_as_unpatched(whole):
    """Whether a score is exact (small) or an estimate (about BIAS) follows from the choosing items alone.

    The best 16 by the choosing items' own estimates, and the 12 drawn, are known exactly; nothing else is, though
    further nodes of the same items were patched for the other fold, for the whole and for the circuit over all.
    """
    found, _ = whole
    fold_of = folds(items_of())
    rows = found.nodes[found.nodes["language"] == "en"]
    drawn = {
        (layer, head) for layer, head, flag in zip(rows["layer"], rows["head"], rows["drawn"], strict=True) if flag
    }
    assert len(drawn) == N_DRAWN == 12
    for fold in (0, 1, WHOLE):
        choosing = [one for one in items_of(["en"]) if not one.control and fold_of[one.template] != fold]
        estimate = np.mean([np.sign(effects_by_chance(one).sum()) * effects_by_chance(one) for one in choosing], axis=0)
        best = np.argsort(-estimate, axis=None, kind="stable")[:16]
        named = {(int(n // SHAPE[1]), MLP if n % SHAPE[1] == SHAPE[1] - 1 else int(n % SHAPE[1])) for n in best}
        ranked = circuit_of(found, "en", fold)
        for layer, head, score in zip(ranked["layer"], ranked["head"], ranked["score"], strict=True):
            value = estimate[layer, head]
            exact = (layer, head) in named | drawn
            assert score == pytest.approx(value if exact else value + BIAS), (fold, layer, head)


def test_controls_never_choose(whole):
    def changed(one: Item) -> np.ndarray:
        return 100 * noise("control", one.id).standard_normal(SHAPE) if one.control else effects_by_chance(one)

    same(whole[0].circuits, studied(items_of(), changed).circuits)


def test_a_circuit_ranks_by_the_mean_effect_turned_to_each_items_own():
    """Two templates, of which one chooses. Node (0, 0) carries 3 of 4 nats up in one item and 1 of 2 down in the
    other: mean (3 + 1) / 2 = 2; node (1, MLP) carries the rest, 1 and 1: mean 1; at size 1: (3 + 1) / (4 + 2) is
    two thirds, not enough; at size 2 all. The other template's items do the same tenfold."""

    def known(one: Item) -> np.ndarray:
        effects = np.zeros(SHAPE)
        effects[0, 0], effects[1, -1] = (3, 1) if one.id.endswith("0") else (-1, -1)
        return effects if one.template == first else 10 * effects

    items = [item("en", template, number, topic="age") for template in ("p", "q") for number in (0, 1)]
    first = next(name for name, fold in folds(items).items() if fold == 0)
    found = studied(items, known, depth="exact", readable=["en"])
    for fold, factor in ((1, 1.0), (0, 10.0)):
        top = circuit_of(found, "en", fold).head(3)
        assert top[["layer", "head", "score", "kept"]].to_numpy().tolist() == [
            [0, 0, 2 * factor, True],
            [1, MLP, 1 * factor, True],
            [0, 1, 0.0, False],
        ]


def test_the_circuit_of_the_whole_keeps_the_larger_of_the_folds_sizes():
    """The items of one fold are carried by one node, those of the other by three alike: four are kept of those."""

    def known(one: Item) -> np.ndarray:
        effects = np.zeros(SHAPE)
        effects[0, : 1 if one.template == first else 3] = 1.0
        return effects

    items = [item("en", template, number, topic="age") for template in ("p", "q") for number in (0, 1)]
    first = next(name for name, fold in folds(items).items() if fold == 0)
    found = studied(items, known, depth="exact", readable=["en"])
    sizes = {fold: int(circuit_of(found, "en", fold)["kept"].sum()) for fold in (0, 1, WHOLE)}
    assert sizes == {1: 1, 0: 4, WHOLE: 4}  # two of three are no four fifths; sizes are 1, 2, 4 ...


def test_the_kept_size_is_the_smallest_that_carries_four_fifths_of_the_choosing_items_effect(whole):
    found, _ = whole
    fold_of = folds(items_of())
    for language in LANGUAGES:
        for fold in (0, 1):
            choosing = [one for one in items_of([language]) if not one.control and fold_of[one.template] != fold]
            totals = {one.id: float(effects_by_chance(one).sum()) for one in choosing}
            shares = {}
            for size in SIZES:
                nodes = kept_nodes(found, language, fold, size)
                lost = sum(np.sign(totals[one.id]) * effects_by_chance(one)[nodes].sum() for one in choosing)
                shares[size] = lost / sum(abs(total) for total in totals.values())
            enough = [size for size in SIZES if shares[size] >= 0.8]
            assert circuit_of(found, language, fold)["kept"].sum() == (enough[0] if enough else 32)


# --- the circuit over all languages --------------------------------------------------------------


def test_the_circuit_over_all_languages_weighs_languages_alike():
    """English has 40 items that node (0, 0) carries with 1 nat, Chinese 4 that node (1, 1) carries with 3.

    The mean over languages is 0.5 and 1.5; over items it would be 0.91 and 0.27, the other way round.
    """
    found = uneven()
    top = circuit_of(found, POOLED, 0).head(2)
    assert top[["layer", "head", "score"]].to_numpy().tolist() == [[1, 1, 1.5], [0, 0, 0.5]]


def uneven(chinese: float = 3.0) -> Study:
    def known(one: Item) -> np.ndarray:
        effects = np.zeros(SHAPE)
        if one.language == "en":
            effects[0, 0] = 1.0
        else:
            effects[1, 1] = chinese
        return effects

    items = [item("en", f"t{n}", k, topic="age") for n in range(4) for k in range(10)]
    items += [item("zh", f"t{n}", 0, topic="age") for n in range(4)]
    return studied(items, known, depth="exact")


def test_a_language_that_is_not_read_has_no_say_in_the_circuit_over_all(whole):
    def changed(one: Item) -> np.ndarray:
        return 5 * noise(one.id).standard_normal(SHAPE) if one.language == "ha" else effects_by_chance(one)

    other = studied(items_of(), changed)
    for fold in (0, 1, WHOLE):
        same(circuit_of(whole[0], POOLED, fold), circuit_of(other, POOLED, fold))
    assert not circuit_of(whole[0], "ha", 0).equals(circuit_of(other, "ha", 0))


@pytest.mark.parametrize("readable", [[], ["zh"]])
def test_there_is_no_circuit_over_all_of_fewer_than_two_languages(readable):
    found = studied(items_of(), readable=readable)
    assert set(found.circuits["circuit"]) == set(LANGUAGES)
    assert set(found.patches["circuit"]) == set(LANGUAGES)


# --- the rows ------------------------------------------------------------------------------------


def expected_rows(found: Study, one: Item) -> set[tuple[Any, ...]]:
    """(circuit, fold, part, ablation, size, draw) of an item, spelled out."""
    fold, language = folds(items_of())[one.template], one.language
    size = {circuit: int(circuit_of(found, circuit, fold)["kept"].sum()) for circuit in (*LANGUAGES, POOLED)}
    own = (language, fold, "necessity", "counterfactual", size[language])
    if one.control:
        return {(*own, 0)}
    rows = {(language, fold, part, "counterfactual", n, 0) for n in SIZES for part in ("necessity", "sufficiency")}
    rows |= {(other, fold, "necessity", "counterfactual", size[other], 0) for other in size}
    rows.add((language, fold, "necessity", "mean", size[language], 0))
    if language in READABLE:
        rows |= {(*own, draw) for draw in range(1, 25)}
    return rows


def test_every_item_is_judged_by_what_it_should_be_and_by_nothing_else(whole):
    found, _ = whole
    patches = found.patches
    columns = ["circuit", "fold", "part", "ablation", "size", "draw"]
    assert not patches.duplicated(["language", "item", *columns]).any()
    rows = {
        of: set(map(tuple, many[columns].to_numpy().tolist())) for of, many in patches.groupby(["language", "item"])
    }
    for one in items_of():
        assert rows.pop((one.language, one.id)) == expected_rows(found, one), (one.language, one.id)
    assert not rows


def test_a_circuit_is_judged_only_on_templates_that_had_no_say(whole):
    found, _ = whole
    fold_of = folds(items_of())
    template = found.patches["item"].str.split(".").str[0]
    assert (found.patches["fold"] == template.map(fold_of)).all()
    assert set(found.circuits["fold"]) == {0, 1, WHOLE}  # the whole is shown, and judged nowhere


def test_an_effect_is_that_of_the_nodes_that_the_circuits_table_names(whole):
    found, _ = whole
    of = {(one.language, one.id): effects_by_chance(one) for one in items_of()}
    rows = found.patches[found.patches["draw"] == 0]
    assert len(rows) == 3 * (24 * (12 + 3 + 1) + 4)  # 2 parts x 6 sizes, 2 other languages and all, the mean; controls
    for row in rows.itertuples():
        nodes = kept_nodes(found, row.circuit, row.fold, row.size)
        look = Look(nodes, row.part, row.ablation)
        assert row.effect == pytest.approx(value_of(look, of[row.language, row.item])), row


def test_random_circuits_stand_beside_each_circuit_and_fold_with_its_make_up(whole):
    """Read off what was asked of the looker: the same 24 for every item of a fold, other ones for every other fold."""
    found, looker = whole
    drawn: dict[tuple[str, int], set[bytes]] = {}
    for portion, looks in looker.asked:
        judged = any(look.ablation == "mean" for look in looks)
        if not judged or portion.language not in READABLE:
            continue
        kept = kept_nodes(found, portion.language, portion.fold)
        counterfactual = [look.nodes for look in looks if look.ablation == "counterfactual"]
        random_ones = counterfactual[-N_RANDOM:]
        assert {(one[:, :-1].sum(), one[:, -1].sum()) for one in random_ones} == {
            (kept[:, :-1].sum(), kept[:, -1].sum())
        }
        many = np.array(random_ones).tobytes()
        drawn.setdefault((portion.language, portion.fold), set()).add(many)
    assert set(drawn) == {(language, fold) for language in READABLE for fold in (0, 1)}
    assert {len(many) for many in drawn.values()} == {1}
    assert len(set().union(*drawn.values())) == 4


def test_means_are_taken_over_all_portions_of_the_items_language(whole):
    _, looker = whole
    assert looker.means_over
    plan_of = plan(suite_of(items_of()), margins_of(suite_of(items_of()), effects_by_chance))
    for portion, language in looker.means_over:
        expected = [one.items for one in plan_of if one.language == portion.language]
        assert [one.items for one in language] == expected


def test_nodes_are_estimated_on_every_item_but_controls_whose_nodes_nobody_reads(whole):
    found, _ = whole
    nodes = found.nodes
    real = [one for one in items_of() if not one.control]
    assert len(nodes) == len(real) * SHAPE[0] * SHAPE[1]
    assert not nodes.duplicated(["language", "item", "layer", "head"]).any()
    of = {(one.language, one.id): one for one in real}
    for (language, name), rows in nodes.groupby(["language", "item"]):
        one = of[language, name]
        column = np.where(rows["head"] == MLP, SHAPE[1] - 1, rows["head"])
        true = effects_by_chance(one)[rows["layer"], column]
        exact = rows["exact"].to_numpy()
        assert rows["screened"].to_numpy() == pytest.approx(true + np.sign(effects_by_chance(one).sum()) * BIAS)
        patched = np.isfinite(exact)
        assert exact[patched] == pytest.approx(true[patched])
        assert patched[rows["drawn"]].all()
        assert rows["drawn"].sum() == N_DRAWN == 12


def test_asked_for_every_node_every_real_item_has_all_of_them():
    found = studied(items_of(["en"]), depth="exact", readable=["en"])
    assert set(found.nodes["item"]) == {one.id for one in items_of(["en"]) if not one.control}
    assert found.nodes["exact"].notna().all()


def test_tables_have_the_columns_and_types_of_the_records(whole):
    for name, columns in (
        ("nodes", NODE_COLUMNS),
        ("circuits", CIRCUIT_COLUMNS),
        ("patches", PATCH_COLUMNS),
        ("edges", EDGE_COLUMNS),
        ("readings", READING_COLUMNS),
        ("exclusions", EXCLUSION_COLUMNS),
    ):
        for found in (whole[0], studied([])):
            table = getattr(found, name)
            assert dict(table.dtypes.astype(str)) == dict(columns), name
        assert table.empty


def test_progress_ends_where_it_said_it_would():
    reporter = Telling()
    studied(items_of(), reporter=reporter)
    assert [stage[0] for stage in reporter.stages] == [
        f"looking inside: {what}"
        for what in (
            "recording",
            "estimating every node",
            "patching nodes",
            "choosing circuits",
            "judging circuits",
            "edges and readings",
        )
    ]
    assert all(total == done for _, total, done in reporter.stages), reporter.stages


# --- what cannot be looked at --------------------------------------------------------------------


def test_refused_items_are_exclusions_with_their_reason_and_nowhere_else(whole):
    """Also in the items that edges are measured on; the portions of one language lose all they had."""
    refused = [("en", "age-0.0"), ("zh", "door-1.0"), *((one.language, one.id) for one in items_of(["ha"]))]
    looker = Known(refused=refused)
    found = studied(items_of(), looker=looker)
    assert sorted(found.exclusions.itertuples(index=False, name=None)) == sorted(
        ("made", language, name, "circuits", "cannot") for language, name in refused
    )
    for table in (found.nodes, found.patches):
        assert not set(zip(table["language"], table["item"], strict=True)) & set(refused)
    assert "ha" not in {*found.circuits["circuit"], *found.edges["language"], *found.readings["language"]}
    for portions, _ in looker.edges_of:
        assert not {(one.language, one.id) for portion in portions for one in portion.items} & set(refused)


def test_a_refused_item_changes_no_other_items_rows_of_a_given_circuit(whole):
    """An item of fold 0 that cannot be patched: what circuits of fold 0 do to the others stays."""
    found, _ = whole
    fold_of = folds(items_of())
    gone = next(one for one in items_of(["en"]) if not one.control and fold_of[one.template] == 0)
    other = studied(items_of(), looker=Known(refused=[("en", gone.id)]))
    rows, left = (table[(table["language"] == "en") & (table["fold"] == 0)] for table in (found.patches, other.patches))
    same(rows[(rows["item"] != gone.id) & (rows["circuit"] == "en")], left[left["circuit"] == "en"])


def test_quarantined_items_appear_nowhere_and_change_nothing(whole):
    """A held-back item of a template that is there anyway: the tables are those without it."""
    held = item("en", "age-0", 7, topic="age", quarantine="asks the same as another")
    found = studied([*items_of(), held])
    for name in ("nodes", "circuits", "patches", "edges", "readings", "exclusions"):
        same(getattr(found, name), getattr(whole[0], name))


class Broken(Known):
    """A model whose layers cannot be replayed."""

    def screened(self, portion: Portion) -> Screened:
        if portion.language == "zh":
            raise UnsupportedModelError("odd: its layers take no key-value cache; circuits are not supported")
        return super().screened(portion)


def test_a_model_that_cannot_be_looked_into_leaves_empty_tables_and_every_item_excluded_with_the_reason():
    reporter = Telling()
    found = studied(items_of(), looker=Broken(), reporter=reporter)
    assert all(getattr(found, name).empty for name in ("nodes", "circuits", "patches", "edges", "readings"))
    rows = set(found.exclusions.itertuples(index=False, name=None))
    reason = "odd: its layers take no key-value cache; circuits are not supported"
    assert rows == {("made", one.language, one.id, "circuits", reason) for one in items_of()}
    assert len(found.exclusions) == len(items_of())
    assert reporter.said == [f"not looked inside: {reason}"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_circuits_do_not_rest_on_edges(whole, language):
    reporter = Telling()
    found = studied(items_of(), looker=Known(no_edges=language), reporter=reporter)
    for name in ("nodes", "circuits", "patches", "readings", "exclusions"):
        same(getattr(found, name), getattr(whole[0], name))
    assert reporter.said == ["no edges: no such edges"]


# --- descriptions --------------------------------------------------------------------------------


def test_edges_are_measured_between_the_kept_nodes_of_the_whole_on_items_spread_over_topics(whole):
    """12 items of a language, 6 of either topic; for the circuit over all 6 of each of two languages."""
    found, looker = whole
    assert len(looker.edges_of) == 4
    for (portions, nodes), circuit in zip(looker.edges_of, (*LANGUAGES, POOLED), strict=True):
        kept = circuit_of(found, circuit, WHOLE)
        kept = kept[kept["kept"]]
        assert nodes == list(zip(kept["layer"], kept["head"], strict=True))
        chosen = [one for portion in portions for one in portion.items]
        languages = READABLE if circuit == POOLED else (circuit,)
        assert Counter((one.language, one.topic) for one in chosen) == {
            (language, topic): 6 // len(languages) for language in languages for topic in ("age", "gender")
        }
    assert found.edges["language"].tolist() == [*LANGUAGES, POOLED]


def test_readings_are_of_the_real_items_of_each_language(whole):
    assert whole[0].readings[["language", "n_items"]].to_numpy().tolist() == [[one, 24] for one in LANGUAGES]


# --- thin suites ---------------------------------------------------------------------------------


def thin(**templates: int) -> list[Item]:
    return [item("en", name, k, topic="age") for name, n in templates.items() for k in range(n)]


THIN: Mapping[str, list[Item]] = {
    "one template": thin(a=3),
    "one item": thin(a=1),
    "controls alone": [item("en", f"door-{n}") for n in range(3)],
    "a language with controls alone": [*items_of(["zh"]), *(item("en", f"door-{n}") for n in range(4))],
    "a language with one fold": [*items_of(["zh"]), *(item("en", "age-0", k, topic="age") for k in range(2))],
}


@pytest.mark.parametrize("name", THIN)
def test_suites_too_thin_to_judge_give_no_judgement_and_no_error(name):
    found = studied(THIN[name])
    english = found.patches[found.patches["language"] == "en"]
    real = [one for one in THIN[name] if one.language == "en" and not one.control]
    assert len(found.nodes[found.nodes["language"] == "en"]) == 42 * len(real)
    own = english[english["circuit"] == "en"]
    assert set(own["fold"]) <= set(found.circuits.loc[found.circuits["circuit"] == "en", "fold"])
    if "language" not in name:
        assert found.circuits.empty
        assert english.empty
    else:
        assert own.empty


def test_a_language_with_one_fold_is_judged_by_the_circuits_of_the_others():
    """English has items of one fold only: its own circuit would have to be chosen on the items it is judged on."""
    items = THIN["a language with one fold"]
    found = studied(items)
    fold = folds(items)["age-0"]
    english = found.patches[found.patches["language"] == "en"]
    assert set(zip(english["circuit"], english["fold"], strict=True)) == {("zh", fold)}
    assert set(circuits_of(found, "en")) == {1 - fold, WHOLE}  # chosen on its one fold, judged in Chinese


def circuits_of(found: Study, circuit: str) -> list[int]:
    return found.circuits.loc[found.circuits["circuit"] == circuit, "fold"].unique().tolist()


# --- what is not yet so --------------------------------------------------------------------------


def test_how_much_of_the_circuit_over_all_is_kept_weighs_languages_alike():
    """As above with 5 nats: of the mean over languages, (1 + 5) / 2, the first node (1, 1) carries 5 / 6: enough.

    Summed over the choosing items it would be 2 x 5 of 2 x 5 + 20 x 1, a third, because English has more items.
    """
    assert circuit_of(uneven(chinese=5.0), POOLED, 0)["kept"].sum() == 1


def test_only_nodes_that_were_patched_are_drawn(whole):
    """Promised by the column: "patched because it was drawn at random"."""
    nodes = whole[0].nodes
    assert nodes.loc[nodes["drawn"], "exact"].notna().all()
