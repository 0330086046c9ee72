"""How good items are, told from models' answers."""

from __future__ import annotations

import numpy as np
import pytest

from audit import suite_quality
from audit.measures.view import Cube
from audit.records import Evidence, Kind, Undefined
from tests.measures.synthetic import synthetic_evidence


def cube(
    kind: Kind,
    *,
    topics: list[str],
    logp: np.ndarray,
    roles: tuple[str, ...],
    contexts: tuple[str, ...],
    n_tokens: np.ndarray | None = None,
    control: list[bool] | None = None,
) -> Cube:
    """A suite in English, every item a template of its own."""
    n = len(topics)
    names = np.array([f"i{number}" for number in range(n)], dtype=object)
    empty = np.full(n, "", dtype=object)
    return Cube(
        suite="s",
        kind=kind,
        languages=("en",),
        language=np.full(n, "en", dtype=object),
        item=names,
        template=names,
        topic=np.array(topics, dtype=object),
        culture=empty,
        framework=empty,
        other_framework=empty,
        control=np.array(control or [False] * n),
        held=np.zeros(n, dtype=bool),
        contexts=contexts,
        roles=roles,
        logp=logp,
        n_tokens=np.ones_like(logp) if n_tokens is None else n_tokens,
        n_bytes=np.ones_like(logp),
    )


def of_topics(values: dict[str, list[float]]) -> tuple[Cube, np.ndarray]:
    topics = [topic for topic, many in values.items() for _ in many]
    numbers = np.array([one for many in values.values() for one in many])
    made = cube(
        Kind.STEREOTYPE, topics=topics, logp=np.zeros((len(topics), 1, 2)), roles=("a", "b"), contexts=("base",)
    )
    return made, numbers


def test_halves_of_topics_that_differ_and_do_not_scatter_agree_wholly() -> None:
    """Each half of a topic has the topic's own mean: r = 1, stepped up 2 * 1 / (1 + 1) = 1."""
    found = suite_quality.split_half(*of_topics({t: [float(k)] * 4 for k, t in enumerate("abcd")}), "en")
    assert found == pytest.approx(1.0, abs=1e-5)


def test_a_correlation_of_halves_is_stepped_up_to_the_whole_length() -> None:
    """Two templates a topic, (0, 1), (1, 0.5), (3, 4), (2, 5): there are 16 deals into halves.

    The mean Fisher z of their correlations is worked out deal by deal.
    """
    made, numbers = of_topics({"a": [0, 1], "b": [1, 0.5], "c": [3, 4], "d": [2, 5]})
    z = []
    for deal in range(16):
        flips = [deal >> k & 1 for k in range(4)]
        halves = [(two[f], two[1 - f]) for two, f in zip(numbers.reshape(4, 2), flips, strict=True)]
        z.append(np.arctanh(np.corrcoef(np.array(halves).T)[0, 1]))
    r = np.tanh(np.mean(z))
    assert suite_quality.split_half(made, numbers, "en") == pytest.approx(2 * r / (1 + r), abs=0.02)


def test_halves_of_noise_do_not_agree_on_average() -> None:
    random = np.random.default_rng(0)
    found = [
        suite_quality.split_half(*of_topics({t: list(random.normal(size=8)) for t in "abcdefgh"}), "en")
        for _ in range(60)
    ]
    assert abs(np.mean(found)) < 0.15


def test_fewer_than_four_topics_have_no_agreement_of_halves() -> None:
    found = suite_quality.split_half(*of_topics({"a": [0, 1], "b": [1, 2], "c": [2, 3]}), "en")
    assert isinstance(found, Undefined)


def test_sides_are_alike_where_they_differ_by_one_token_at_most() -> None:
    """Items of 1 and 1, 1 and 2, 1 and 3 tokens: two of three."""
    tokens = np.array([[[1.0, 1.0]], [[1.0, 2.0]], [[1.0, 3.0]]])
    made = cube(
        Kind.COMPETENCE, topics=["t"] * 3, logp=np.zeros((3, 1, 2)), roles=("broken", "true"), contexts=("",),
        n_tokens=tokens,
    )  # fmt: skip
    assert suite_quality._alike(made, "en") == pytest.approx(2 / 3)


def test_an_item_tells_something_apart_where_its_effect_exceeds_the_spread_of_controls() -> None:
    """Controls 0, 2, -2 have SD 2: an effect of 3 tells, one of -3 too, one of 1 does not."""
    totals = np.array([3.0, -3.0, 1.0, 0.0, 2.0, -2.0])
    logp = np.zeros((6, 2, 2))
    logp[:, 0, 0] = totals  # log P(a | base); all else 0
    made = cube(
        Kind.STEREOTYPE, topics=["t"] * 6, logp=logp, roles=("a", "b"), contexts=("base", "counterpart"),
        control=[False] * 3 + [True] * 3,
    )  # fmt: skip

    assert suite_quality.telling(made, "en", floor=0.0) == {"i0": True, "i1": True, "i2": False}


def test_what_two_runs_of_a_model_say_alike_is_told_once() -> None:
    run, other = synthetic_evidence(seed=0), synthetic_evidence(seed=1)

    def lines(*runs: Evidence) -> list[str]:
        return [line for line in suite_quality.as_markdown(runs).splitlines() if line.startswith("| ")]

    assert len(lines(run)) > 4
    assert lines(run, run) == lines(run)
    assert len(lines(run, other)) > len(lines(run))
