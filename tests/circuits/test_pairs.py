"""What a pair is: which tokens its prompts share, where its tail begins, and what is refused."""

from __future__ import annotations

import random

import pytest
import torch

from audit.circuits.pairs import MOST_PADDING, Pair, batches, pair_from, pair_of
from audit.circuits.patching import Batch
from audit.circuits.replay import Replay
from audit.models.spelling import Refused
from audit.observe import score
from audit.records import Ask, Item
from tests.circuits.shapes import ONE_TOKEN, PAIRS, SEVERAL, made

STARTS = ("difference", "whole", "last")


def pair(base: str, counterpart: str) -> Pair:
    """Letters for tokens."""
    return Pair(item="x", base=tuple(map(ord, base)), counterpart=tuple(map(ord, counterpart)), answers=ONE_TOKEN)


@pytest.mark.parametrize(
    ("base", "counterpart", "shared", "suffix"),
    [
        ("abXcd", "abYcd", 2, 2),
        ("abXXcd", "abYcd", 2, 2),
        ("abcd", "abYcd", 2, 2),
        ("Xcd", "Ycd", 0, 2),
        ("abX", "abY", 2, 0),
        ("ab", "abY", 2, 0),
        ("aab", "ab", 1, 1),  # one "a" is shared, and no token is both prefix and suffix
        ("aaa", "aa", 2, 0),  # never counted twice: 2 + 1 would be more than the shorter prompt has
        ("X", "Y", 0, 0),
    ],
)
def test_prefix_and_suffix_are_what_both_prompts_have_counted_once(base, counterpart, shared, suffix):
    for one in (pair(base, counterpart), pair(counterpart, base)):
        assert (one.shared, one.suffix) == (shared, suffix)


def test_a_tail_begins_where_the_prompts_differ_or_at_the_last_token_if_one_ends_there():
    assert pair("abXXcd", "abYcd").starts("difference") == (2, 2)
    assert pair("ab", "abYZ").starts("difference") == (1, 2)  # answers are read at the "b"
    assert pair("abXXcd", "abYcd").starts("whole") == (0, 0)
    assert pair("abXXcd", "abYcd").starts("last") == (5, 4)


def test_continuations_are_all_tokens_but_the_last_of_each_alternative():
    """Nothing is predicted after an answer's last token, so it is never fed."""
    one = made("x", 2, (1, 1), 2, SEVERAL)  # 5 | 6 7 against 8 | 9 5 | 7 8 9
    assert one.continuations == ((), (6,), (), (9,), (7, 8))
    assert one.tail_length() == 1 + 2 + (0 + 1 + 0 + 1 + 2)
    assert one.tail_length("last") == 1 + 4
    assert one.tail_length("whole") == 5 + 4


def test_turning_twice_gives_the_same_pair():
    for one in PAIRS:
        assert one.turned() != one
        assert one.turned().turned() == one
        assert (one.turned().shared, one.turned().suffix) == (one.shared, one.suffix)


# --- batches ---------------------------------------------------------------------------------


def many() -> list[Pair]:
    draw = random.Random(0)
    return [
        made(f"pair {n}", draw.randint(0, 6), (draw.randint(1, 4), draw.randint(1, 4)), draw.randint(0, 20), SEVERAL)
        for n in range(60)
    ]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("most_tokens", [1, 64, 512])
def test_every_pair_is_in_one_batch(start, most_tokens):
    found = [one.item for batch in batches(many(), start=start, most_tokens=most_tokens) for one in batch]
    assert sorted(found) == sorted(one.item for one in many())


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("most_tokens", [1, 64, 512])
def test_no_batch_is_larger_or_emptier_than_it_may_be(start, most_tokens):
    for batch in batches(many(), start=start, most_tokens=most_tokens):
        lengths = [one.tail_length(start) for one in batch]
        padded = max(lengths) * len(lengths)
        assert len(batch) == 1 or padded <= most_tokens
        assert padded <= (1 + MOST_PADDING) * sum(lengths)


def test_batches_do_not_depend_on_the_order_of_pairs():
    """A run that is shuffled or resumed rounds in the same way."""
    pairs = many()
    assert batches(pairs[::-1]) == batches(pairs)


def test_no_pairs_make_no_batch():
    assert batches([]) == []


# --- from words ------------------------------------------------------------------------------


def ask(context: str, prompt: str, **answers: str) -> Ask:
    return Ask(context=context, prompt=prompt, answers={role: tuple(text.split("|")) for role, text in answers.items()})


def item(base: str, counterpart: str, name: str = "x", **answers: str) -> Item:
    asks = (ask("base", base, **answers), ask("counterpart", counterpart, **answers))
    return Item(
        id=name,
        language="en",
        template="t",
        topic="gender",
        control=False,
        asks=asks,
        origin="native",
        author="person",
        reviewed=0,
        groups=("a", "b"),
    )


ITEMS = (
    item("the dog sat on the mat and", "the water sat on the mat and", "one", a=" is", b=" in"),
    item("नमस्ते the cat is", "मस्त the cat is", "two", a=" मस", b=" the| an on"),
    item("the 你好 in", "the 好你的 in", "three", a=" water| cat", b="!"),
    item("the cat", "the dog", "four", a=" sat on", b=" the"),
)


def test_margins_of_pairs_are_those_of_scoring(audited):
    """What circuits explain is the very number that the measures of stereotypes rest on."""
    pairs = [pair_of(audited, one) for one in ITEMS]
    assert not any(isinstance(one, Refused) for one in pairs)
    batch = Batch.of(Replay(audited.adapter), pairs)
    for context, margins in (("base", batch.base.margins), ("counterpart", batch.counterpart.margins)):
        asks = [one for each in ITEMS for one in each.asks if one.context == context]
        scored = torch.tensor([one["a"].logp - one["b"].logp for one in score(audited, asks)])
        assert margins.numpy() == pytest.approx(scored.numpy(), abs=1e-4)


def test_tokens_of_a_pair_are_those_of_the_model_with_its_beginning_once(audited):
    """The trap of beginning-of-text tokens: some tokenisers put one, some none; never two or a foreign one.

    It is the sink that much attention goes to: adding or losing it reorders heads.
    """
    one = pair_of(audited, ITEMS[0])
    plain = audited.tokenizer(ITEMS[0].asks[0].prompt, add_special_tokens=False).input_ids
    assert one.base == (*audited.begin, *plain)
    assert list(one.base).count(1) == len(audited.begin)
    assert len(audited.begin) == (1 if type(audited.model).__name__.startswith(("Llama", "Gemma3")) else 0)
    assert min(one.starts("difference")) >= len(audited.begin)  # shared, so never patched


def test_a_pair_without_a_difference_is_refused(llama):
    """The trap of ratios by nothing: a share of an effect that cannot be is undefined, and never enters a mean."""
    same = pair_of(llama, item("the cat", "the cat", a=" is", b=" in"))
    assert isinstance(same, Refused)
    assert "same tokens" in same.reason


def test_answers_that_are_other_tokens_after_the_counterpart_are_refused(llama):
    """After a letter "'ve" is cut off before "r", after "!" it is not, and "er" stays whole."""
    other = pair_of(llama, item("x", "x!", a="'ver", b=" is"))
    assert isinstance(other, Refused)
    assert "other tokens after the counterpart" in other.reason


@pytest.mark.parametrize(("base", "counterpart"), [("t", "x"), ("x", "t")])
def test_a_merged_boundary_on_either_side_is_refused(llama, base, counterpart):
    merged = pair_of(llama, item(base, counterpart, a="he", b=" is"))
    assert isinstance(merged, Refused)
    assert "boundary merges" in merged.reason


def test_a_pair_is_the_same_from_two_asks_as_from_their_item(llama):
    one = ITEMS[1]
    assert pair_from(llama, *one.asks, item="two") == pair_of(llama, one)


def test_the_order_of_an_items_asks_does_not_matter(llama):
    import dataclasses

    turned = dataclasses.replace(ITEMS[0], asks=ITEMS[0].asks[::-1])
    assert pair_of(llama, turned) == pair_of(llama, ITEMS[0])
