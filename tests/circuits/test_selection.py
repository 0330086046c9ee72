"""Folds, rankings, sizes and random circuits: numbers in, sets of nodes out, all worked by hand."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from audit.circuits.selection import (
    as_nodes,
    candidates,
    folds_of,
    kept_size,
    random_circuits,
    ranking,
    turned,
)
from audit.records import MLP

NAN = float("nan")

# --- folds ---------------------------------------------------------------------------------------

TOPICS = {f"{topic}-{number}": topic for topic, n in (("age", 5), ("gender", 7), ("work", 4)) for number in range(n)}


def by_digest(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def test_templates_of_a_topic_alternate_between_the_folds_in_the_order_of_their_digests():
    """One topic of five: 0 1 0 1 0; the next of two goes on with 1 0."""
    topics = dict.fromkeys("abcde", "first") | dict.fromkeys("xy", "second")
    folds = folds_of(topics)
    assert [folds[name] for name in by_digest(list("abcde"))] == [0, 1, 0, 1, 0]
    assert [folds[name] for name in by_digest(list("xy"))] == [1, 0]


def test_folds_balance_every_topic_and_the_whole():
    folds = folds_of(TOPICS)
    for topic in set(TOPICS.values()):
        counts = Counter(folds[name] for name in TOPICS if TOPICS[name] == topic)
        assert abs(counts[0] - counts[1]) <= 1, topic
    assert Counter(folds.values()) == {0: 8, 1: 8}  # 16 templates


def test_one_template_per_topic_still_gives_both_folds():
    assert sorted(folds_of({"a": "x", "b": "y"}).values()) == [0, 1]


def test_the_order_of_a_file_does_not_decide_a_fold():
    for seed in range(5):
        names = list(TOPICS)
        random.Random(seed).shuffle(names)
        assert folds_of({name: TOPICS[name] for name in names}) == folds_of(TOPICS)


# --- what carries the effect ---------------------------------------------------------------------


def test_an_effect_in_the_direction_of_its_item_is_positive_whichever_that_is():
    """Two items of opposite effect, both carried by node 0 and resisted by node 1; an item without effect counts 0."""
    effects = np.array([[0.5, -0.1], [-0.5, 0.1], [0.7, 0.7]])
    expected = [[0.5, -0.1], [0.5, -0.1], [0.0, 0.0]]
    assert turned(effects, np.array([2.0, -3.0, 0.0])) == pytest.approx(np.array(expected))
    assert turned(effects[:, 0], np.array([2.0, -3.0, 0.0])) == pytest.approx([0.5, 0.5, 0.0])


def test_candidates_are_the_largest_estimates_not_the_strongest():
    """-0.9 works against the effect: no candidate. Of the two 0.2 the first node is taken."""
    screened = np.array([[0.1, 0.2, -0.9], [0.5, 0.2, 0.0]])
    assert candidates(screened, n=2).tolist() == [[False, True, False], [True, False, False]]
    assert candidates(screened, n=0).sum() == 0
    assert candidates(screened, n=99).all()


def test_patched_nodes_that_carry_come_first_then_estimates_then_those_that_work_against():
    """Patched: 0.1, 0.3 carry; 0.0, -0.1, -0.2 do not. Not patched: estimated 0.9, 0.4, -0.5, one of no estimate."""
    exact = np.array([[0.1, NAN, -0.2], [0.3, NAN, 0.0], [NAN, -0.1, NAN]])
    screened = np.array([[7.0, 0.9, 7.0], [7.0, -0.5, 7.0], [NAN, 7.0, 0.4]])
    ranked = [(one.layer, one.head, one.score) for one in ranking(exact, screened)]
    assert ranked == [
        (1, 0, 0.3),
        (0, 0, 0.1),
        (0, 1, 0.9),
        (2, MLP, 0.4),
        (1, 1, -0.5),
        (1, MLP, 0.0),
        (2, 1, -0.1),
        (0, MLP, -0.2),
    ]


def test_a_ranking_is_never_longer_than_the_largest_size():
    ranked = ranking(np.full((7, 6), NAN), np.arange(42.0).reshape(7, 6))
    assert [one.score for one in ranked] == list(range(41, 9, -1))  # 32 of 42


def test_the_head_of_an_mlp_is_the_last_column_and_back():
    ranked = ranking(np.array([[NAN, NAN, 1.0], [2.0, NAN, NAN]]), np.zeros((2, 3)))
    assert [(one.layer, one.head) for one in ranked[:2]] == [(1, 0), (0, MLP)]
    assert as_nodes(ranked, size=1, shape=(2, 3)).tolist() == [[False, False, False], [True, False, False]]
    assert as_nodes(ranked, size=2, shape=(2, 3)).tolist() == [[False, False, True], [True, False, False]]
    assert as_nodes(ranked, size=99, shape=(2, 3)).sum() == 6


# --- how much is kept ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "total", "kept"),
    [
        ({1: 3.0, 2: 8.0, 4: 9.0}, 10.0, 2),  # 8 of 10 is four fifths
        ({1: 3.0, 2: 7.9, 4: 9.0}, 10.0, 4),
        ({1: 3.0, 2: 5.0, 4: 7.9}, 10.0, 4),  # never enough: the largest
        ({1: 9.0, 2: 2.0, 4: 9.5}, 10.0, 1),  # enough once is enough
        ({4: 9.5, 1: 1.0, 2: 8.5}, 10.0, 2),  # in whatever order they come
        ({1: -5.0, 2: -9.0}, 10.0, 2),  # works against the effect
        ({1: 0.0, 2: 0.0, 4: 0.0}, 0.0, 4),  # no effect: nothing carries four fifths of it
    ],
)
def test_the_smallest_size_that_carries_four_fifths_is_kept(lost, total, kept):
    assert kept_size(lost, total) == kept


# --- random circuits -----------------------------------------------------------------------------

CHOSEN = np.zeros((6, 6), dtype=bool)
CHOSEN[0, :3] = CHOSEN[4, 2] = True  # four heads
CHOSEN[[1, 5], -1] = True  # two MLPs


def test_random_circuits_have_as_many_heads_and_as_many_mlps():
    drawn = random_circuits(CHOSEN, n=50, seed=[7, 0])
    assert len(drawn) == 50
    assert {(int(one[:, :-1].sum()), int(one[:, -1].sum())) for one in drawn} == {(4, 2)}


def test_random_circuits_are_drawn_from_all_nodes_those_of_the_circuit_as_well():
    """With 400 draws of 4 of 30 heads no head is missed (each is in a draw with probability 2/15) and none favoured."""
    drawn = np.array(random_circuits(CHOSEN, n=400, seed=[7, 0]))
    often = drawn.mean(axis=0)
    assert often[:, :-1] == pytest.approx(np.full((6, 5), 4 / 30), abs=0.08)  # 4.7 standard errors
    assert often[:, -1] == pytest.approx(np.full(6, 2 / 6), abs=0.11)


def test_random_circuits_differ_by_seed_and_within_one():
    first, second = (random_circuits(CHOSEN, n=50, seed=[7, fold]) for fold in (0, 1))
    assert len({one.tobytes() for one in (*first, *second)}) > 95  # of 100


def test_random_circuits_of_all_nodes_are_all_nodes():
    everything = np.ones((3, 4), dtype=bool)
    assert all(one.all() for one in random_circuits(everything, n=3, seed=[1]))


def test_folds_and_random_circuits_are_the_same_in_two_processes():
    """Python's own hashes differ from process to process; what decides a result must not rest on them."""
    code = (
        "import numpy as np, hashlib\n"
        "from audit.circuits.selection import folds_of, random_circuits\n"
        "from audit.circuits.study import _number\n"
        "nodes = np.eye(6, dtype=bool)\n"
        "drawn = random_circuits(nodes, n=50, seed=[_number('zh'), 1])\n"
        "folds = folds_of({f't{i}': 'abc'[i % 3] for i in range(20)})\n"
        "print(hashlib.sha256(np.array(drawn).tobytes()).hexdigest(), folds)"
    )
    said = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env)
        said.add(done.stdout)
    assert len(said) == 1
