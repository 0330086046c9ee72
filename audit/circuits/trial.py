"""One pair, live: how far a swap of words moves the odds of two answers, and which nodes carry it.

The sentences are made here, so that terminal and app say the same. User
text in them is isolated where it runs from right to left.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.circuits.pairs import Pair, pair_from
from audit.circuits.selection import Nodes, candidates
from audit.errors import UsageError
from audit.models import AuditedModel
from audit.models.spelling import Ids, Refused
from audit.records import MLP, Ask, ModelRecord
from audit.suites.pair_text import isolated, shortened
from audit.wording import N_, Number, Said, Share, Value, said

if TYPE_CHECKING:
    from audit.circuits.patching import Batch

Answers = tuple[tuple[str, ...], tuple[str, ...]]  # alternatives of a, alternatives of b

# A model with no more nodes than this has every one patched: a small one takes a second or two for it, about as long as
# estimating them takes.
FEW_NODES = 400
N_EXACT = 24  # patched in a model of more
SIZES = (1, 2, 4, 8)
# Effects below this (nats; 0.1 is odds moved by a tenth) have no shares: what nodes do to each other outweighs them.
# In half precision, replayed layers may differ by that much from the model's own run.
SMALLEST = 0.1
SMALLEST_IN_HALF = 0.3
# Answers that have less than this of the probability between them are not what the model would say.
RARE = 0.01

# Thai, Lao, Burmese, Khmer; kana and Chinese characters: scripts without spaces between words.
_UNPARTED = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u3005", "\u9fff"),
    ("\U00020000", "\U0003ffff"),
)

ANECDOTE = N_("One pair is an anecdote: other words may say the opposite. The audit (plural-audit run) asks many.")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two prompts, and what the model says of the answers after it."""

    text: str
    words: str  # what stands in this prompt only, widened to whole words; "" where it is the other with words added
    tokens: tuple[str, ...]  # join to the text, after those that the tokenizer puts first; "" where a character goes on
    logps: tuple[float, float]  # log P of answer a and of b, nats, over tokens summed, over alternatives log-sum-exp

    @property
    def margin(self) -> float:
        """Log P(a) - log P(b), nats."""
        return self.logps[0] - self.logps[1]


@dataclass(frozen=True, kw_only=True)
class NodeEffect:
    """A node patched alone."""

    layer: int
    head: int  # MLP (-1) for an MLP
    effect: float  # nats, exact: m(base) - m(base with the node from the counterpart)
    estimate: float  # nats, of the same from gradients


@dataclass(frozen=True, kw_only=True)
class SetEffect:
    """The first nodes of a trial patched together."""

    size: int
    necessity: float  # nats: effect lost when they come from the counterpart
    sufficiency: float  # nats: effect that comes back when they alone take their values from the base


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one pair shows. A positive effect: the base moves the odds towards answer a."""

    model: ModelRecord
    base: Side
    counterpart: Side
    answers: Answers
    effect: float  # m(base) - m(counterpart), nats
    n_nodes: int  # of the model
    nodes: tuple[NodeEffect, ...]  # all that were patched; those that carry most of the effect first, opponents last
    sets: tuple[SetEffect, ...]  # the first 1, 2, 4, 8 that carry it, then all nodes of the model

    def share(self, nats: float) -> float | None:
        """Nats as a share of the effect; None where the effect is too small to have shares."""
        smallest = SMALLEST if self.model.dtype == "float32" else SMALLEST_IN_HALF
        return None if abs(self.effect) < smallest else nats / self.effect


# --- the trial -------------------------------------------------------------------------------


def try_pair(
    audited: AuditedModel, base: str, counterpart: str, answers: Answers, *, n_exact: int | None = N_EXACT
) -> Trial:
    """Score two answers after two prompts and patch the nodes that carry the difference.

    Every node is screened by gradients. Where the model has more than FEW_NODES, only the `n_exact` nodes with the
    largest estimates, of either sign, are patched; otherwise all are.

    Args:
        audited: the model.
        base: the prompt whose effect is explained.
        counterpart: the prompt it is compared with.
        answers: alternatives of answer a, alternatives of answer b, each as it continues the prompts.
        n_exact: how many nodes to patch in a model of many; None: all.

    Raises:
        UsageError: the two prompts or answers cannot be compared with this model's tokens; the message says why.
        ModelError: the model's layers cannot be run one by one.
    """
    from audit.circuits.patching import Batch, check
    from audit.circuits.replay import Replay

    _require_comparable(base, counterpart, answers)
    asks = _asks(base, counterpart, answers)
    pair = _spelled(audited, asks, answers)
    logps = [_scored(audited, prompt, pair.answers) for prompt in (pair.base, pair.counterpart)]
    batch = Batch.of(Replay(audited.adapter), [pair])
    check(batch, batch.base.margins.new_tensor([logps[0][0] - logps[0][1]]))
    check(batch.turned(), batch.base.margins.new_tensor([logps[1][0] - logps[1][1]]))
    words = differing_words(base, counterpart)
    sides = [
        Side(text=ask.prompt, words=word, tokens=token_texts(audited, ids), logps=each)
        for ask, word, ids, each in zip(asks, words, (pair.base, pair.counterpart), logps, strict=True)
    ]
    effect = sides[0].margin - sides[1].margin
    nodes = _patched(batch, effect=effect, n_exact=n_exact)
    return Trial(
        model=audited.record,
        base=sides[0],
        counterpart=sides[1],
        answers=answers,
        effect=effect,
        n_nodes=audited.adapter.n_layers * (audited.adapter.n_heads + 1),
        nodes=nodes,
        sets=_together(batch, nodes, effect=effect),
    )


def _require_comparable(base: str, counterpart: str, answers: Answers) -> None:
    if not base or not counterpart:
        raise UsageError("prompt: nothing is left of it on one side of the slot; write words around the slot")
    if base == counterpart:
        raise UsageError(f"prompt {shortened(base)}: both sides of the slot are the same; give two to compare")
    for name, alternatives in zip("ab", answers, strict=True):
        if not alternatives or not all(alternatives):
            raise UsageError(f"answer {name}: empty; give words, usually with a space before them, as ' she'")
        if len(set(alternatives)) < len(alternatives):
            raise UsageError(f"answer {name}: an alternative stands there twice; give each once")
    if both := sorted(set(answers[0]) & set(answers[1])):
        raise UsageError(f"answers: {shortened(both[0])} competes with itself; give two that differ")


def _asks(base: str, counterpart: str, answers: Answers) -> tuple[Ask, Ask]:
    roles: Mapping[str, tuple[str, ...]] = dict(zip("ab", answers, strict=True))
    return (
        Ask(context="base", prompt=base, answers=roles),
        Ask(context="counterpart", prompt=counterpart, answers=roles),
    )


def _spelled(audited: AuditedModel, asks: tuple[Ask, Ask], answers: Answers) -> Pair:
    pair = pair_from(audited, *asks, item="this pair")
    if isinstance(pair, Refused):
        raise _cannot(pair, asks, answers)
    every = sorted(ids for alternatives in pair.answers for ids in alternatives)
    for one, other in itertools.pairwise(every):  # sorted: what begins with another follows it
        if other[: len(one)] == one:
            words = shortened(audited.tokenizer.decode(list(one)))
            raise UsageError(
                f"answers: another one begins with the tokens of {words}, so its probability counts twice; "
                "give answers that part at their first word"
            )
    return pair


def _scored(audited: AuditedModel, prompt: Ids, answers: tuple[tuple[Ids, ...], ...]) -> tuple[float, float]:
    """Log P of answer a and of b after a prompt, from forwards of the whole sequences: nothing is replayed."""
    first, second = (
        float(np.logaddexp.reduce([_answer_logp(audited, prompt, answer) for answer in alternatives]))
        for alternatives in answers
    )
    if not math.isfinite(first) or not math.isfinite(second):
        raise UsageError(f"answers: a log-probability is no finite number in {audited.record.dtype}; use float32")
    return first, second


def _answer_logp(audited: AuditedModel, prompt: Ids, answer: Ids) -> float:
    import torch

    from audit.models.likelihood import token_logps

    with torch.inference_mode():
        ids = torch.tensor([prompt + answer], device=audited.model.device)
        states = audited.adapter.body(input_ids=ids, use_cache=False).last_hidden_state[0, len(prompt) - 1 : -1]
        return sum(token_logps(audited.adapter, states, rows=range(len(answer)), tokens=answer))


def _cannot(refused: Refused, asks: tuple[Ask, Ask], answers: Answers) -> UsageError:
    """What a refusal means to who wrote the words, with the likeliest way out."""
    bare = [one for alternatives in answers for one in alternatives if not one[0].isspace()]
    if any(ask.prompt[-1].isspace() for ask in asks):
        way_out = "move the space at the prompt's end to the beginning of the answers"
    elif bare:
        way_out = f"an answer usually begins with a space, as {shortened(' ' + bare[0])}"
    else:
        way_out = "choose other words"
    return UsageError(f"prompt {shortened(asks[0].prompt)}: {refused.reason}; {way_out}")


def _patched(batch: Batch, *, effect: float, n_exact: int | None) -> tuple[NodeEffect, ...]:
    """Exact effects, those that carry the effect first."""
    from audit.circuits.patching import effects_of
    from audit.circuits.screening import screen

    estimates = screen(batch)[0].double().cpu().numpy()
    everything = n_exact is None or estimates.size <= FEW_NODES
    chosen = candidates(np.abs(estimates), n=estimates.size if everything else n_exact or 0)
    places = [(int(layer), int(column)) for layer, column in np.argwhere(chosen)]
    exact = effects_of(batch, [_set(estimates.shape, [place]) for place in places])[:, 0].tolist()
    found = [
        NodeEffect(
            layer=layer,
            head=MLP if column == estimates.shape[1] - 1 else column,
            effect=value,
            estimate=float(estimates[layer, column]),
        )
        for (layer, column), value in zip(places, exact, strict=True)
    ]
    sign = math.copysign(1.0, effect)
    return tuple(sorted(found, key=lambda node: (-sign * node.effect, node.layer, node.head)))


def _together(batch: Batch, nodes: Sequence[NodeEffect], *, effect: float) -> tuple[SetEffect, ...]:
    """Necessity and sufficiency of the first nodes that carry the effect, and of all nodes."""
    from audit.circuits.patching import effects_of, sufficiency_of

    shape = (batch.replay.adapter.n_layers, batch.replay.adapter.n_heads + 1)
    carrying = [(node.layer, node.head) for node in nodes if node.effect * effect > 0]
    sets = [_set(shape, carrying[:size]) for size in SIZES if size <= len(carrying)]
    sets.append(np.ones(shape, dtype=bool))
    necessity, sufficiency = effects_of(batch, sets)[:, 0].tolist(), sufficiency_of(batch, sets)[:, 0].tolist()
    return tuple(
        SetEffect(size=int(nodes.sum()), necessity=lost, sufficiency=back)
        for nodes, lost, back in zip(sets, necessity, sufficiency, strict=True)
    )


def _set(shape: tuple[int, ...], places: Sequence[tuple[int, int]]) -> Nodes:
    nodes = np.zeros(shape, dtype=bool)
    for layer, column in places:  # MLP (-1) is the last column
        nodes[layer, column] = True
    return nodes


# --- words -----------------------------------------------------------------------------------


def token_texts(audited: AuditedModel, ids: Ids) -> tuple[str, ...]:
    """The text that each token adds; tokens that end within a character add "" and the one that ends it adds it whole.

    What the tokenizer puts before every text is called by its name, as <bos>.
    """
    n_begin = len(audited.begin)
    named = [str(name) for name in audited.tokenizer.convert_ids_to_tokens(list(ids[:n_begin]))]
    texts, told = [], ""
    for end in range(n_begin + 1, len(ids) + 1):
        whole = audited.tokenizer.decode(list(ids[n_begin:end]), clean_up_tokenization_spaces=False)
        within = whole.endswith("\ufffd") and end < len(ids)
        texts.append("" if within else whole[len(told) :])
        told = told if within else whole
    return (*named, *texts)


def differing_words(one: str, other: str) -> tuple[str, str]:
    """What stands in one text only, widened to whole words in scripts that part words, without spaces around."""
    begin = _alike(one, other)
    end = _alike(one[begin:][::-1], other[begin:][::-1])
    while begin and _joins(one[begin - 1]) and any(_joins(text[begin]) for text in (one, other) if begin < len(text)):
        begin -= 1
    while end and _joins(one[-end]) and any(_joins(text[-end - 1]) for text in (one, other) if end < len(text)):
        end -= 1
    return one[begin : len(one) - end].strip(), other[begin : len(other) - end].strip()


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _ in itertools.takewhile(lambda both: both[0] == both[1], zip(one, other, strict=False)))


def _joins(sign: str) -> bool:
    """Whether a character is part of a word whose ends are marked by spaces."""
    if any(first <= sign <= last for first, last in _UNPARTED):
        return False
    return unicodedata.category(sign)[0] in "LMN" or sign in "\u200c\u200d"


def answer_labels(answers: Answers) -> tuple[str, str]:
    """Both answers as people read them, quoted; spaces around are kept only where they tell the answers apart."""
    flat = [one for alternatives in answers for one in alternatives]
    bare = [one.strip() for one in flat]
    keep = not all(bare) or len(set(bare)) < len(bare)
    first, second = (" or ".join(quoted(one if keep else one.strip()) for one in many) for many in answers)
    return first, second


def sentence(trial: Trial) -> Said:
    """The effect in words: how the odds of the answers after one prompt compare with those after the other."""
    a, b = answer_labels(trial.answers)
    larger, smaller = (side.words for side in (trial.base, trial.counterpart))
    if trial.effect < 0:
        larger, smaller = smaller, larger
    values: dict[str, Value] = {"a": a, "b": b, "times": _times(trial.effect)}
    if not larger:
        return said(
            "Without these words, the odds of {a} against {b} are {times} those after {words}.",
            words=quoted(smaller),
            **values,
        )
    if not smaller:
        return said(
            "After {words}, the odds of {a} against {b} are {times} those without these words.",
            words=quoted(larger),
            **values,
        )
    return said(
        "After {words}, the odds of {a} against {b} are {times} those after {others}.",
        words=quoted(larger),
        others=quoted(smaller),
        **values,
    )


def _times(effect: float) -> Said:
    ratio = math.exp(min(abs(effect), 50.0))
    if ratio >= 1000:
        return said("more than 1,000 times")
    decimals = 2 if ratio < 2 else 1 if ratio < 10 else 0
    return said("{ratio} times", ratio=Number(ratio, decimals=decimals))


def caveats(trial: Trial) -> tuple[str, ...]:
    """What to know before believing it, most general first."""
    known: list[str] = [said(ANECDOTE)]
    sides = trial.base, trial.counterpart
    if any(math.exp(side.logps[0]) + math.exp(side.logps[1]) < RARE for side in sides):
        known.append(
            said(
                "At least once both answers together have less than {share}: other words are likelier.",
                share=Share(RARE),
            )
        )
    flat = (one for alternatives in trial.answers for one in alternatives)
    known += [
        said(
            "{answer} goes on the prompt's last word; if that is not meant, put a space before it.", answer=quoted(one)
        )
        for one in flat
        if _joins(one[0]) and any(_joins(side.text[-1]) for side in sides)
    ]
    if trial.share(0.0) is None:
        known.append(said("The effect is too small to be shared out among nodes: what they do cancels."))
    carried = trial.share(trial.sets[-1].necessity)
    if carried is not None and abs(carried - 1) > 0.02:
        known.append(
            said(
                "All nodes together carry {share}: the rest passes them by, from the words that differ straight to the "
                "answer or through the places of the words.",
                share=Share(carried),
            )
        )
    if len(trial.nodes) < trial.n_nodes:
        known.append(
            said(
                "{patched} of {n_nodes} nodes were patched, those with the largest estimates from gradients; "
                "the others may hide an effect.",
                patched=len(trial.nodes),
                n_nodes=trial.n_nodes,
            )
        )
    return tuple(known)


def quoted(text: str) -> str:
    """User text within a sentence."""
    return f"‘{isolated(text)}’"
