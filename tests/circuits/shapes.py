"""Pairs of prompts of every shape that patching has to get right, and sets of nodes."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from audit.circuits.pairs import Pair
from audit.models import AuditedModel

ONE_TOKEN = (((5,),), ((6,),))
ONE_AND_THREE = (((5,),), ((6, 7, 8),))
SEVERAL = (((5,), (6, 7)), ((8,), (9, 5), (7, 8, 9)))


def made(item: str, prefix: int, slots: tuple[int, int], suffix: int, answers: Any = ONE_TOKEN) -> Pair:
    """A pair whose parts have these numbers of tokens, out of ranges that do not meet: the parts stay what they are."""
    draw = random.Random(item)
    shared = tuple(draw.choices(range(10, 80), k=prefix))
    base = tuple(draw.choices(range(80, 140), k=slots[0]))
    counterpart = tuple(draw.choices(range(140, 200), k=slots[1]))
    rest = tuple(draw.choices(range(200, 270), k=suffix))
    pair = Pair(item=item, base=shared + base + rest, counterpart=shared + counterpart + rest, answers=answers)
    assert (pair.shared, pair.suffix) == (prefix, suffix)
    return pair


EQUAL = (
    made("equal slots", 5, (2, 2), 4),
    made("answers of one and three tokens", 4, (1, 1), 3, ONE_AND_THREE),
    made("several alternatives", 3, (3, 3), 2, SEVERAL),
    made("difference at the first token", 0, (1, 1), 5),
    made("far longer than the window", 14, (2, 2), 11, ONE_AND_THREE),
)
UNEQUAL = (
    made("the base's slot is longer", 5, (4, 2), 4),
    made("the counterpart's slot is longer", 5, (1, 4), 3, ONE_AND_THREE),
    made("no slot in the base", 4, (0, 2), 4),
    made("no slot in the counterpart", 4, (3, 0), 4, SEVERAL),
    made("unequal from the first token on", 0, (3, 1), 4, SEVERAL),
    made("unequal and longer than the window", 12, (5, 1), 12),
)
AT_THE_END = (
    made("slot at the end", 6, (2, 2), 0),
    made("longer slot at the end", 6, (3, 1), 0, ONE_AND_THREE),
    made("shorter slot at the end", 6, (1, 3), 0),
    made("the base is where the counterpart begins", 6, (0, 2), 0, ONE_AND_THREE),
    made("the counterpart is where the base begins", 6, (2, 0), 0, SEVERAL),
)
WITH_SUFFIX = (*EQUAL, *UNEQUAL)
PAIRS = (*WITH_SUFFIX, *AT_THE_END)


def no_nodes(audited: AuditedModel) -> np.ndarray:
    return np.zeros((audited.adapter.n_layers, audited.adapter.n_heads + 1), dtype=bool)


def all_nodes(audited: AuditedModel) -> np.ndarray:
    return ~no_nodes(audited)


def one_node(audited: AuditedModel, layer: int, column: int) -> np.ndarray:
    nodes = no_nodes(audited)
    nodes[layer, column] = True
    return nodes


def random_sets(audited: AuditedModel, n: int, *, seed: int = 0) -> list[np.ndarray]:
    """Sets of few to most nodes."""
    rng = np.random.default_rng(seed)
    shape = no_nodes(audited).shape
    return [rng.random(shape) < share for share in np.linspace(0.1, 0.9, n)]
