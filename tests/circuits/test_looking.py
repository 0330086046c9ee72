"""Looking into a tiny model: what is asked is what comes out, each look is made once, and nothing wrong is kept."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.circuits import looking, plain
from audit.circuits.edges import EDGE_COLUMNS
from audit.circuits.looking import Look, Looker, Portion
from audit.circuits.means import mean_ablated_effects, means_of
from audit.circuits.pairs import Pair, pair_of
from audit.circuits.patching import Batch, effects_of, sufficiency_of
from audit.circuits.replay import Replay
from audit.circuits.screening import screen
from audit.circuits.selection import random_circuits
from audit.circuits.study import Study, study
from audit.errors import ModelError, UnsupportedModelError
from audit.models import AuditedModel
from audit.progress import Silent
from audit.records import MLP, POOLED, Ask, Item, Kind, Suite, SuiteRecord
from audit.runs import ShardCache

VERSIONS = {"looking": "1"}
TABLES = ("nodes", "circuits", "patches", "edges", "readings", "exclusions")

# Short, for a token is about a byte.
FRAMES = ("At dawn {}", "The {} always", "Then {} was", "{} often", "Now {} is", "So the {}")
FILLERS = {"gender": ("mum", "dad"), "age": ("old one", "boy"), "": ("left", "right")}
ANSWERS = ((" an", " in the"), (" is",))


def item(language: str, template: str, frame: str, topic: str, **changes: Any) -> Item:
    base, counterpart = FILLERS[topic]
    answers = {"a": ANSWERS[0], "b": ANSWERS[1]}
    asks = tuple(
        Ask(context=context, prompt=frame.format(filler), answers=answers)
        for context, filler in (("base", base), ("counterpart", counterpart))
    )
    made: dict[str, Any] = {"origin": "native", "author": "machine", "reviewed": 0, "asks": asks}
    made |= {"id": template, "language": language, "template": template, "topic": topic, "control": not topic}
    return Item(**{**made, **changes})


def items_of(language: str, mark: str = "") -> list[Item]:
    """Four templates of either topic and two of controls; a language is told from another by a mark."""
    places = [("gender", n) for n in range(4)] + [("age", n) for n in range(4)] + [("", n) for n in range(2)]
    return [item(language, f"{topic or 'door'}-{n}", mark + FRAMES[n], topic) for topic, n in places]


def suite_of(items: Sequence[Item], name: str = "made") -> Suite:
    texts = dict.fromkeys(
        ("version", "question", "construct", "harm", "groups", "intended_use", "not_shown", "licence", "authors"), "x"
    )
    record = SuiteRecord(name=name, kind=Kind.STEREOTYPE, redistributable=True, **texts)
    return Suite(record=record, languages=tuple(sorted({one.language for one in items})), items=tuple(items))


def pair(audited: AuditedModel, one: Item) -> Pair:
    found = pair_of(audited, one)
    assert isinstance(found, Pair), found
    return found


def margins_of(audited: AuditedModel, items: Sequence[Item]) -> dict[tuple[str, str], tuple[float, float]]:
    """From plain forwards; 0 of items that cannot be patched."""
    out = {}
    for one in items:
        made = pair_of(audited, one)
        both = plain.plain_margins(audited, [made, made.turned()]).tolist() if isinstance(made, Pair) else (0.0, 0.0)
        out[one.language, one.id] = (both[0], both[1])
    return out


def portion_of(audited: AuditedModel, items: Sequence[Item], **changes: Any) -> Portion:
    margins = margins_of(audited, items)
    known = tuple(margins[one.language, one.id] for one in items)
    language = items[0].language
    whole: dict[str, Any] = {"language": language, "fold": 0, "control": False, "items": tuple(items), "margins": known}
    return Portion(**{**whole, **changes})


def looker_of(audited: AuditedModel, cache: Path, **changes: Any) -> Looker:
    given: dict[str, Any] = {"model": audited.record, "versions": VERSIONS, "cache": ShardCache(cache)}
    return Looker(changes.pop("load", lambda: audited), **{**given, **changes})


def forbidden() -> AuditedModel:
    raise AssertionError("the model was loaded")


def studied(suite: Suite, margins: Any, looker: Looker, **changes: Any) -> Study:
    given: dict[str, Any] = {"depth": "screened", "readable": ("en", "zh"), "reporter": Silent()}
    return study(suite, margins, looker=looker, **{**given, **changes})


def same(first: Study, second: Study) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The study of a small suite in three languages, of which Hausa is not read."""

    audited: AuditedModel
    suite: Suite
    margins: dict[tuple[str, str], tuple[float, float]]
    found: Study
    cache: Path
    looks: int


def keys(cache: Path) -> set[str]:
    """Of the looks that are kept."""
    return {file.stem for file in cache.rglob("*.json")}


@pytest.fixture(scope="module")
def whole(models: Callable[[str], AuditedModel], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    audited = models("llama")
    items = [*items_of("en"), *items_of("zh", "Zh "), *items_of("ha", "Ha: ")]
    suite, cache = suite_of(items), tmp_path_factory.mktemp("cache")
    margins = margins_of(audited, items)
    found = studied(suite, margins, looker_of(audited, cache))
    return Whole(audited=audited, suite=suite, margins=margins, found=found, cache=cache, looks=len(keys(cache)))


@pytest.fixture
def some(llama) -> list[Item]:
    return items_of("en")[:5]


def sets_of(audited: AuditedModel, n: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (audited.adapter.n_layers, audited.adapter.n_heads + 1)
    return [rng.random(shape) < share for share in np.linspace(0.2, 0.8, n)]


# --- what is asked is what comes out -------------------------------------------------------------


def test_every_judged_effect_is_that_of_the_item_patched_by_itself(whole):
    """Each row of patches against a fresh batch of its one item; the nodes are read off the table of circuits.

    Random circuits are not in a table: they are drawn again from the kept one, its language and its fold.
    """
    replay, found = Replay(whole.audited.adapter), whole.found
    of = {(one.language, one.id): one for one in whole.suite.items}
    batch_of = {key: Batch.of(replay, [pair(whole.audited, one)]) for key, one in of.items()}
    by_language = {
        language: [b for key, b in batch_of.items() if key[0] == language] for language in ("en", "ha", "zh")
    }
    means = {language: means_of(many) for language, many in by_language.items()}
    assert set(found.patches["draw"]) == set(range(25))
    for (language, name), rows in found.patches.groupby(["language", "item"]):
        batch = batch_of[language, name]
        for (part, ablation), some_rows in rows.groupby(["part", "ablation"]):
            sets = [nodes_of(found, row) for row in some_rows.itertuples()]
            if ablation == "mean":
                expected = mean_ablated_effects(batch, sets, means[language])
            else:
                expected = (effects_of if part == "necessity" else sufficiency_of)(batch, sets)
            np.testing.assert_allclose(some_rows["effect"], expected[:, 0].double(), atol=2e-4)


def nodes_of(found: Study, row: Any) -> np.ndarray:
    """The nodes of a row of patches."""
    rows = found.circuits[(found.circuits["circuit"] == row.circuit) & (found.circuits["fold"] == row.fold)]
    nodes = np.zeros((found.nodes["layer"].max() + 1, found.nodes["head"].max() + 2), dtype=bool)
    for one in rows.nsmallest(row.size, "rank").itertuples():
        nodes[one.layer, nodes.shape[1] - 1 if one.head == MLP else one.head] = True
    if row.draw == 0:
        return nodes
    number = int.from_bytes(hashlib.sha256(row.circuit.encode()).digest()[:4], "big")
    return random_circuits(nodes, n=24, seed=[number, row.fold])[row.draw - 1]


def test_the_effects_are_those_of_plain_forwards_with_hooks(whole):
    """The slow twin, on two items and a circuit of each kind."""
    rows = whole.found.patches
    rows = rows[(rows["part"] == "necessity") & (rows["ablation"] == "counterfactual") & rows["draw"].isin([0, 7])]
    of = {(one.language, one.id): one for one in whole.suite.items}
    for key in (("en", "gender-1"), ("zh", "age-2")):
        mine = rows[(rows["language"] == key[0]) & (rows["item"] == key[1])]
        assert {POOLED, "en", "ha", "zh"} == set(mine["circuit"])
        sets = [nodes_of(whole.found, row) for row in mine.itertuples()]
        slow = plain.plain_effects(whole.audited, [pair(whole.audited, of[key])], sets)[:, 0]
        np.testing.assert_allclose(mine["effect"], slow.double(), atol=3e-4)


def test_no_random_circuit_of_a_fold_is_that_of_another_fold_or_language(whole):
    """Drawn sets as wholes: 24 draws of each language that is read and each fold."""
    rows = whole.found.patches[whole.found.patches["draw"] > 0].drop_duplicates(["circuit", "fold", "draw"])
    many = {
        key: np.array([nodes_of(whole.found, row) for row in some_rows.itertuples()]).tobytes()
        for key, some_rows in rows.groupby(["circuit", "fold"])
    }
    assert set(many) == {(language, fold) for language in ("en", "zh") for fold in (0, 1)}
    assert len(set(many.values())) == 4


def test_every_nodes_effect_and_estimate_are_those_of_the_item_by_itself(whole):
    replay = Replay(whole.audited.adapter)
    shape = (whole.audited.adapter.n_layers, whole.audited.adapter.n_heads + 1)
    singles = [np.eye(1, shape[0] * shape[1], place, dtype=bool).reshape(shape) for place in range(shape[0] * shape[1])]
    of = {(one.language, one.id): one for one in whole.suite.items}
    assert whole.found.nodes["exact"].notna().sum() == 3 * 8 * 15  # 15 nodes: fewer than are patched in any case
    for key, rows in whole.found.nodes.groupby(["language", "item"]):
        batch = Batch.of(replay, [pair(whole.audited, of[key])])
        np.testing.assert_allclose(rows["screened"], screen(batch, steps=2).flatten().double(), atol=2e-4)
        if not of[key].control:
            place = rows["layer"] * shape[1] + rows["head"].where(rows["head"] != MLP, shape[1] - 1)
            exact = effects_of(batch, singles)[:, 0].double().numpy()
            np.testing.assert_allclose(rows["exact"], exact[place], atol=2e-4)


def test_looks_of_every_kind_come_back_in_the_order_asked_for_items_in_the_portions(llama, some, tmp_path):
    """Batches are sorted by length and looks by what is asked; neither order is that of the result."""
    looker, replay = looker_of(llama, tmp_path), Replay(llama.adapter)
    portions = [portion_of(llama, some), portion_of(llama, items_of("en")[5:])]
    kinds = [("necessity", "mean"), ("sufficiency", "counterfactual"), ("necessity", "counterfactual")]
    looks = [Look(nodes, *kind) for nodes in sets_of(llama) for kind in kinds]
    lengths = [len(pair(llama, one).base) for one in some]
    assert lengths != sorted(lengths)
    found = looker.effects(portions[0], looks, language=portions)
    alone = [Batch.of(replay, [pair(llama, one)]) for portion in portions for one in portion.items]
    means = means_of(alone)
    for number, look in enumerate(looks):
        for column, batch in enumerate(alone[: len(some)]):
            if look.ablation == "mean":
                expected = mean_ablated_effects(batch, [look.nodes], means)
            else:
                expected = (effects_of if look.part == "necessity" else sufficiency_of)(batch, [look.nodes])
            assert found[number, column] == pytest.approx(float(expected), abs=2e-4)


def test_a_mean_is_of_the_language_not_of_the_portion(llama, some, tmp_path):
    portions = [portion_of(llama, some), portion_of(llama, items_of("en")[5:])]
    look = [Look(sets_of(llama)[1], ablation="mean")]
    both = looker_of(llama, tmp_path / "a").effects(portions[0], look, language=portions)
    own = looker_of(llama, tmp_path / "b").effects(portions[0], look, language=portions[:1])
    assert np.abs(both - own).max() > 1e-3
    looker = looker_of(llama, tmp_path / "c")  # one looker, one cache: the means of one language are not another's
    assert np.array_equal(looker.effects(portions[0], look, language=portions), both)
    assert np.array_equal(looker.effects(portions[0], look, language=portions[:1]), own)
    assert np.array_equal(looker.effects(portions[0], look, language=portions), both)


def test_what_is_kept_in_memory_decides_no_number(llama, some, tmp_path, monkeypatch):
    portion = portion_of(llama, some)
    looks = [Look(nodes, ablation=ablation) for nodes in sets_of(llama) for ablation in ("counterfactual", "mean")]
    held = looker_of(llama, tmp_path / "a").effects(portion, looks, language=[portion])
    monkeypatch.setattr(looking, "RECORDED_BYTES", 0)
    assert np.array_equal(looker_of(llama, tmp_path / "b").effects(portion, looks, language=[portion]), held)


@pytest.mark.parametrize(("share", "again"), [(0.5, False), (0.0, True)])
def test_what_was_recorded_is_recorded_again_only_where_there_was_no_room(
    llama, some, tmp_path, monkeypatch, share, again
):
    monkeypatch.setattr(looking, "RECORDED_SHARE", share)
    looker, portion, told = looker_of(llama, tmp_path), portion_of(llama, some), []
    looker.record([portion], done=told.append)
    assert told == [len(some)]
    of, made = looking.Batch.of, []

    def noted(replay: Any, pairs: Any) -> Any:
        made.append(pairs)
        return of(replay, pairs)

    monkeypatch.setattr(looking.Batch, "of", noted)
    looker.effects(portion, [Look(nodes) for nodes in sets_of(llama)])
    assert bool(made) == again


def test_nothing_asked_is_nothing_looked_at(llama, some, tmp_path):
    looker = looker_of(llama, tmp_path, load=forbidden)
    assert looker.effects(portion_of(llama, some), []).size == 0
    assert not list(tmp_path.rglob("*.json"))


# --- each look once ------------------------------------------------------------------------------

ASKING = ("_aligned", "_screen", "_patch", "_edges", "_readings")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the model, in order."""
    made: list[str] = []
    for name in ASKING:
        monkeypatch.setattr(Looker, name, counted(getattr(Looker, name), name, made))
    return made


def counted(whole_look: Any, name: str, made: list[str]) -> Any:
    def look(self: Looker, *given: Any) -> Any:
        made.append(name)
        return whole_look(self, *given)

    return look


def test_a_second_study_asks_the_cache_alone(whole, asked):
    again = studied(whole.suite, whole.margins, looker_of(whole.audited, whole.cache, load=forbidden))
    same(again, whole.found)
    assert asked == []


def test_a_renamed_suite_is_answered_from_the_cache(whole):
    renamed = suite_of(whole.suite.items, name="other")
    again = studied(renamed, whole.margins, looker_of(whole.audited, whole.cache, load=forbidden))
    for name in TABLES:
        table, before = getattr(again, name), getattr(whole.found, name)
        assert table.empty or set(table["suite"]) == {"other"}
        pd.testing.assert_frame_equal(table.drop(columns="suite"), before.drop(columns="suite"), check_exact=True)


def test_leaving_a_language_out_looks_anew_only_where_it_was_judged(whole, asked, tmp_path):
    """Hausa's circuit is judged on the real items of the others: these four portions are judged anew, no more."""
    cache = shutil.copytree(whole.cache, tmp_path / "cache")
    suite = suite_of([one for one in whole.suite.items if one.language != "ha"])
    studied(suite, whole.margins, looker_of(whole.audited, cache))
    assert asked == ["_patch"] * 4  # two languages, two folds


class Killed(KeyboardInterrupt):
    """The user stops the run."""


@pytest.mark.parametrize("nth", [7, 30, 43])
def test_stopped_at_any_look_and_begun_again_only_what_is_missing_is_asked(whole, asked, tmp_path, nth):
    class Dying(ShardCache):
        """Dies before it keeps the nth look."""

        def write(self, key: str, content: Any) -> None:
            if len(asked) == nth:
                raise Killed
            super().write(key, content)

    first = Looker(lambda: whole.audited, model=whole.audited.record, versions=VERSIONS, cache=Dying(tmp_path))
    with pytest.raises(Killed):
        studied(whole.suite, whole.margins, first)
    assert len(keys(tmp_path)) == nth - 1
    asked.clear()
    again = studied(whole.suite, whole.margins, looker_of(whole.audited, tmp_path))
    assert len(asked) == whole.looks - (nth - 1)
    same(again, whole.found)


@pytest.mark.parametrize(
    "changed",
    [
        {"versions": {"looking": "2"}},
        {"versions": {"looking": "1", "torch": "9"}},
        *(
            {"record": {name: "0"}}
            for name in ("weights_sha256", "tokenizer_sha256", "config_sha256", "dtype", "device")
        ),
    ],
)
def test_a_look_is_kept_for_the_model_and_versions_it_was_made_with(llama, some, tmp_path, changed, asked):
    portion = portion_of(llama, some[:1])
    looker_of(llama, tmp_path).screened(portion)
    model = replace(llama.record, **changed.get("record", {}))
    looker_of(llama, tmp_path, model=model, versions=changed.get("versions", VERSIONS)).screened(portion)
    assert len(asked) == len(keys(tmp_path)) == 2


def test_a_look_is_kept_for_the_words_it_was_made_with(llama, some, tmp_path):
    """Another prompt, another answer, another alternative, other nodes, another part: each a look of its own."""
    looker, one = looker_of(llama, tmp_path), some[0]
    portion = portion_of(llama, [one])
    nodes = sets_of(llama)
    asks = [
        replace(one.asks[0], prompt="To be"),
        replace(one.asks[0], answers={**one.asks[0].answers, "a": (" an",)}),
        replace(one.asks[0], answers={"a": ANSWERS[1], "b": ANSWERS[0]}),
    ]
    looker.effects(portion, [Look(nodes[0])])
    for ask in asks:
        other = replace(one, asks=(ask, replace(one.asks[1], answers=ask.answers)))
        looker.effects(portion_of(llama, [other]), [Look(nodes[0])])
    for looks in ([Look(nodes[1])], [Look(nodes[0], "sufficiency")], [Look(nodes[0]), Look(nodes[1])]):
        looker.effects(portion, looks)
    for language in ([portion], [portion, portion_of(llama, some[1:2])]):
        looker.effects(portion, [Look(nodes[0], ablation="mean")], language=language)
    looker.screened(portion)
    assert len(keys(tmp_path)) == 1 + 3 + 3 + 2 + 1


def test_what_comes_from_the_cache_is_what_came_from_the_model(llama, tmp_path):
    """Every kind of answer, types and missing values included."""
    portions = [portion_of(llama, items_of("en")[:3]), portion_of(llama, items_of("en")[4:7])]
    fresh, kept = looker_of(llama, tmp_path), looker_of(llama, tmp_path, load=forbidden)
    first, second = fresh.screened(portions[0]), kept.screened(portions[0])
    assert (first.items, first.refused) == (second.items, second.refused)
    assert np.array_equal(first.effects, second.effects)
    nodes = [(0, 1), (1, MLP), (2, 0), (2, MLP)]
    for ask in (lambda looker: looker.edges(portions, nodes, most=6), lambda looker: looker.readings(portions)):
        tables = [ask(looker) for looker in (fresh, kept)]
        pd.testing.assert_frame_equal(*tables, check_exact=True)
        assert len(tables[0])
    readings = fresh.readings(portions)
    assert readings["value"].isna().any()  # too few templates for a probe: missing, not zero


def test_edges_asked_for_have_rows_of_the_table(llama, some, tmp_path):
    table = looker_of(llama, tmp_path).edges([portion_of(llama, some)], [(0, 1), (1, MLP), (2, 0)], most=5)
    assert dict(table.dtypes.astype(str)) == dict(EDGE_COLUMNS)
    assert 0 < table["exact"].notna().sum() <= 5
    assert set(table["n_items"]) == {5}


# --- what cannot be patched ----------------------------------------------------------------------


def unpatchable(name: str, language: str = "en") -> list[Item]:
    """An item whose two prompts are the same."""
    one = item(language, name, FRAMES[0], "gender")
    return [replace(one, asks=(one.asks[0], replace(one.asks[1], prompt=one.asks[0].prompt)))]


def test_an_item_that_cannot_be_patched_is_named_with_the_reason_and_the_others_keep_their_places(
    llama, some, tmp_path
):
    looker = looker_of(llama, tmp_path)
    mixed = portion_of(llama, [some[0], *unpatchable("same"), *some[1:]])
    clean = portion_of(llama, some)
    seen = looker.screened(mixed)
    assert seen.items == tuple(one.id for one in some)
    assert seen.refused == (("same", "both prompts are the same tokens"),)
    assert np.array_equal(seen.effects, looker.screened(clean).effects)
    looks = [Look(nodes) for nodes in sets_of(llama)]
    assert np.array_equal(looker.effects(mixed, looks), looker.effects(clean, looks))


def test_a_portion_of_nothing_but_refused_items_is_told(llama, tmp_path):
    seen = looker_of(llama, tmp_path).screened(portion_of(llama, [*unpatchable("one"), *unpatchable("two")]))
    assert seen.items == ()
    assert seen.effects.shape == (0, llama.adapter.n_layers, llama.adapter.n_heads + 1)
    assert [name for name, _ in seen.refused] == ["one", "two"]


def test_refused_items_leave_the_study_whole(whole, tmp_path):
    """One of English, all the real ones of Hausa: exclusions, and no other row has them."""
    bad = [*unpatchable("zz"), *(one for n in range(3) for one in unpatchable(f"h{n}", "ha"))]
    items = [one for one in whole.suite.items if one.language != "ha" or one.control]
    suite = suite_of([*items, *bad])
    found = studied(suite, margins_of(whole.audited, suite.items), looker_of(whole.audited, tmp_path))
    rows = found.exclusions[["language", "item", "stage", "reason"]].to_numpy().tolist()
    assert rows == [
        [one.language, one.id, "circuits", "both prompts are the same tokens"]
        for one in sorted(bad, key=lambda one: (one.language, one.id))
    ]
    for table in (found.nodes, found.patches):
        assert not set(zip(table["language"], table["item"], strict=True)) & {(one.language, one.id) for one in bad}
    assert set(found.circuits["circuit"]) == {"en", "zh", POOLED}


# --- nothing wrong is kept -----------------------------------------------------------------------


@pytest.mark.parametrize("side", [0, 1])
def test_margins_that_plain_forwards_do_not_give_are_refused_by_name_and_nothing_is_kept(llama, some, tmp_path, side):
    portion = portion_of(llama, some)
    wrong = [list(both) for both in portion.margins]
    wrong[2][side] += 0.01
    bad = replace(portion, margins=tuple((a, b) for a, b in wrong))
    looker = looker_of(llama, tmp_path)
    for ask in (lambda: looker.screened(bad), lambda: looker.effects(bad, [Look(sets_of(llama)[0])])):
        with pytest.raises(ModelError, match=rf"another margin for {some[2].id} \(0\.01 nats apart\)"):
            ask()
    assert not keys(tmp_path)
    assert looker.screened(portion).items  # the looker itself goes on


def test_a_margin_that_is_no_number_is_refused(llama, some, tmp_path):
    portion = portion_of(llama, some[:2], margins=((float("nan"), 0.0), (0.0, 0.0)))
    with pytest.raises(ModelError, match="another margin"):
        looker_of(llama, tmp_path).screened(portion)


def test_a_study_with_a_wrong_margin_says_so_of_every_item(whole, tmp_path):
    margins = dict(whole.margins)
    first, second = margins["zh", "age-2"]
    margins["zh", "age-2"] = (first, second - 0.5)
    found = studied(whole.suite, margins, looker_of(whole.audited, tmp_path))
    assert all(getattr(found, name).empty for name in TABLES[:-1])
    assert len(found.exclusions) == len(whole.suite.items)
    assert found.exclusions["reason"].str.contains(r"another margin for age-2 \(0\.5 nats apart\)").all()


def test_layers_that_cannot_be_replayed_are_told_of_every_item(whole, tmp_path, monkeypatch):
    def cannot(_adapter: Any) -> None:
        raise UnsupportedModelError("odd: its layers take no key-value cache; circuits are not supported")

    monkeypatch.setattr(looking, "Replay", cannot)
    found = studied(whole.suite, whole.margins, looker_of(whole.audited, tmp_path))
    assert all(getattr(found, name).empty for name in TABLES[:-1])
    assert set(found.exclusions["reason"]) == {"odd: its layers take no key-value cache; circuits are not supported"}
    assert not keys(tmp_path)


def test_readers_that_are_not_known_leave_the_circuits(whole, tmp_path, monkeypatch):
    def cannot(_replay: Any) -> None:
        raise UnsupportedModelError("odd: its attention has no projections to q, k and v; edges are not supported")

    monkeypatch.setattr(looking, "Readers", cannot)
    found = studied(whole.suite, whole.margins, looker_of(whole.audited, tmp_path))
    assert found.edges.empty
    for name in ("nodes", "circuits", "patches", "readings", "exclusions"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(whole.found, name), check_exact=True)


def test_a_model_that_cannot_be_loaded_is_an_error_not_an_empty_study(whole, tmp_path):
    """Files that changed while the run was prepared must stop the run: empty tables would stand for ever."""

    def changed() -> AuditedModel:
        raise ModelError("m: its files changed while the run was prepared; run the command again")

    with pytest.raises(ModelError, match="its files changed"):
        studied(whole.suite, whole.margins, looker_of(whole.audited, tmp_path, load=changed))


def test_the_model_is_the_same_after_a_study(whole):
    """Other tests run it too: no hook, no forward of ours, no gradient is left."""
    for module in whole.audited.model.modules():
        assert "forward" not in vars(module)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert all(one.grad is None for one in whole.audited.model.parameters())
    again = margins_of(whole.audited, whole.suite.items)
    assert again == whole.margins
