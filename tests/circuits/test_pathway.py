"""Swaps of a culture's name: what is swapped, where answers are cut, how the effect is scaled."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audit.circuits import Looker
from audit.circuits.looking import Looker as Looked
from audit.circuits.pathway import _cut, kept_nodes, one_steps, pathway, swapped
from audit.errors import UnsupportedModelError
from audit.observe.scoring import score_plainly
from audit.progress import Silent
from audit.records import Suite
from audit.runs import ShardCache
from audit.suites import load_suite

CULTURES = ("china", "egypt", "france", "india")


@pytest.fixture(scope="module")
def suite() -> Suite:
    whole = load_suite("culture", languages=("en",), core=True)
    return dataclasses.replace(whole, items=tuple(item for item in whole.items if item.culture in CULTURES))


def looker_of(model, folder):
    return lambda: Looker(lambda: model, model=model.record, versions={}, cache=ShardCache(folder))


def test_a_control_swap_has_the_same_names_and_answers_of_neither(suite):
    food = [item for item in suite.items if item.topic == "food"]
    by_culture = {item.culture: item for item in food}
    for item in food:
        own, control = swapped(item, food)
        base, counterpart = own.asks
        assert base.prompt == {ask.context: ask.prompt for ask in item.asks}["asked/1"]
        (partner,) = [
            c for c in CULTURES if {a.context: a.prompt for a in by_culture[c].asks}["asked/1"] == counterpart.prompt
        ]
        answers = dict(next(ask for ask in item.asks if ask.context == "asked/1").answers)
        assert own.asks[0].answers == {"a": answers[item.culture], "b": answers[partner]}
        assert [ask.prompt for ask in control.asks] == [ask.prompt for ask in own.asks]
        assert not set(control.asks[0].answers.values()) & {answers[item.culture], answers[partner]}
        assert len(set(control.asks[0].answers.values())) == 2
        assert swapped(item, food[::-1]) == (own, control)


def test_fewer_than_four_cultures_have_no_control(suite):
    food = [item for item in suite.items if item.topic == "food" and item.culture != "india"]
    assert swapped(food[0], food) is None


def test_margins_of_cut_answers_are_those_of_plain_forwards(suite, llama):
    food = [item for item in suite.items if item.topic == "food"]
    pairs = [pair for item in food for pair in swapped(item, food)]
    steps = one_steps(llama, pairs)
    for pair, step in zip(pairs, steps, strict=True):
        whole = {role: texts[0] for role, texts in pair.asks[0].answers.items()}
        assert all(text.startswith(step["shared"] + step[role]) for role, text in whole.items())
        assert step["a"] != step["b"]
        plain = score_plainly(llama, _cut(pair, step))
        assert [step["base"], step["counterpart"]] == pytest.approx(
            [scored["a"].logp - scored["b"].logp for scored in plain], abs=1e-4
        )


def test_the_nodes_with_the_largest_mean_effect_are_kept_and_none_that_works_against():
    effects = np.full((2, 3, 4), -1.0)
    effects[:, 0, 1], effects[:, 2, 3] = (3.0, 1.0), (0.0, 1.0)  # means 2 and 0.5
    assert np.argwhere(kept_nodes(effects)).tolist() == [[0, 1], [2, 3]]
    many = np.arange(40.0).reshape(1, 10, 4) + 1
    assert kept_nodes(many).sum() == 8
    assert kept_nodes(many)[8:].all()


def test_effects_are_in_spreads_of_control_swaps(suite, llama, tmp_path):
    found, refused = pathway(suite, looker=looker_of(llama, tmp_path), unread=(), reporter=Silent())
    assert not len(refused)
    assert len(found) == 16
    assert set(found["lens"]) == {"pathway"}
    control_of = {}  # asked more than once: whether it is held, then what it is
    whole = looker_of(llama, tmp_path)()
    effects = whole.effects

    def seen(portion, looks):
        values = effects(portion, looks)
        if portion.control:
            control_of.update(zip((item.id for item in portion.items), values[0], strict=True))
        return values

    whole.effects = seen
    again, _ = pathway(suite, looker=lambda: whole, unread=(), reporter=Silent())
    assert again.equals(found)
    controls = list(control_of.values())
    assert len(controls) == 8  # every second of 16
    expected = np.mean(controls) / np.std(controls, ddof=1)
    assert found["control_bits"].to_numpy() == pytest.approx(np.full(16, expected))
    # 2 facets x every second of 4 cultures
    assert set(found["n_train"]) == {2 * 2}
    assert (found["target"] == found["item"].str.partition(".")[2]).all()


def test_the_same_again_comes_from_the_cache(suite, llama, tmp_path):
    found, _ = pathway(suite, looker=looker_of(llama, tmp_path), unread=(), reporter=Silent())

    def forbidden():
        raise AssertionError("the model was loaded")

    cached = Looker(forbidden, model=llama.record, versions={}, cache=ShardCache(tmp_path))
    again, _ = pathway(suite, looker=lambda: cached, unread=(), reporter=Silent())
    assert again.equals(found)


def test_a_model_that_cannot_be_looked_into_leaves_every_item_out_with_the_reason(suite, llama, tmp_path, monkeypatch):
    def cannot(*_args, **_kwargs):
        raise UnsupportedModelError("odd: not supported")

    monkeypatch.setattr(Looked, "screened", cannot)
    found, refused = pathway(suite, looker=looker_of(llama, tmp_path), unread=(), reporter=Silent())
    assert not len(found)
    assert len(refused) == len(suite.items)
    assert set(refused["reason"]) == {"no pathway: odd: not supported"}


def test_a_language_that_is_not_read_is_left_out_with_the_reason_and_changes_no_other(suite, llama, tmp_path):
    both = load_suite("culture", languages=("en", "sw"), core=True)
    both = dataclasses.replace(both, items=tuple(item for item in both.items if item.culture in CULTURES))
    found, refused = pathway(both, looker=looker_of(llama, tmp_path), unread=("sw",), reporter=Silent())
    alone, _ = pathway(suite, looker=looker_of(llama, tmp_path), unread=(), reporter=Silent())
    assert len(alone) == 16
    assert found.equals(alone)
    swahili = {item.id for item in both.items if item.language == "sw"}
    assert set(zip(refused["language"], refused["item"], strict=True)) == {("sw", item) for item in swahili}
    assert set(refused["reason"]) == {"no pathway: the model does not read the language"}


def test_where_nothing_is_read_there_are_no_pathways_and_the_model_is_not_loaded(suite, llama, tmp_path):
    def forbidden():
        raise AssertionError("the model was loaded")

    looker = Looker(forbidden, model=llama.record, versions={}, cache=ShardCache(tmp_path))
    found, refused = pathway(suite, looker=lambda: looker, unread=("en",), reporter=Silent())
    assert not len(found)
    assert len(refused) == len(suite.items)
