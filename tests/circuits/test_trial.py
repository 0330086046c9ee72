"""One pair, live: the numbers are those of the engine and of plain scores; wrong words are refused by name."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from audit import terminal
from audit.circuits import trial
from audit.circuits.pairs import pair_from
from audit.circuits.patching import Batch, effects_of, sufficiency_of
from audit.circuits.replay import Replay
from audit.circuits.trial import caveats, differing_words, sentence, token_texts, try_pair
from audit.errors import UsageError
from audit.observe import score
from audit.records import MLP, Ask, as_dict
from audit.suites.pair_text import isolated, parse_answer, parse_template
from tests.circuits.shapes import all_nodes, no_nodes, one_node

NEAR = 1e-4  # nats: float32 sums in another order
BASE, COUNTERPART = "The nurse said that", "The engineer said that"  # other numbers of tokens: byte-level
ANSWERS = ((" she", " they"), (" he",))
FOREIGN = {
    "ar": ("قالت الممرضة إن", "قالت المهندسة إن", ((" هي",), (" هو",))),
    "hi": ("नर्स ने कहा कि", "इंजीनियर ने कहा कि", ((" वह",), (" यह",))),
}


def asks(base, counterpart, answers) -> tuple[Ask, Ask]:
    roles = {"a": answers[0], "b": answers[1]}
    return Ask(context="base", prompt=base, answers=roles), Ask(
        context="counterpart", prompt=counterpart, answers=roles
    )


@pytest.fixture
def tried(llama):
    return try_pair(llama, BASE, COUNTERPART, ANSWERS)


# --- the numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
@pytest.mark.parametrize("words", [(BASE, COUNTERPART, ANSWERS), FOREIGN["ar"], FOREIGN["hi"]], ids=["en", "ar", "hi"])
def test_the_effect_is_the_difference_of_the_margins_of_plain_scores(models, name, words):
    audited = models(name)
    first, second = score(audited, asks(*words))
    expected = (first["a"].logp - first["b"].logp) - (second["a"].logp - second["b"].logp)
    found = try_pair(audited, *words)
    assert found.effect == pytest.approx(expected, abs=NEAR)
    assert found.base.logps == pytest.approx((first["a"].logp, first["b"].logp), abs=NEAR)
    assert found.effect == found.base.margin - found.counterpart.margin


def test_each_node_has_the_effect_of_patching_it_alone_and_the_strongest_carriers_come_first(llama, tried):
    pair = pair_from(llama, *asks(BASE, COUNTERPART, ANSWERS), item="x")
    sets = [one_node(llama, node.layer, node.head) for node in tried.nodes]  # head -1 is the last column
    alone = effects_of(Batch.of(Replay(llama.adapter), [pair]), sets)[:, 0].tolist()
    assert [node.effect for node in tried.nodes] == pytest.approx(alone, abs=NEAR)
    assert len(tried.nodes) == tried.n_nodes == 3 * (4 + 1)  # few: every node of three layers of four heads
    turned = [math.copysign(1, tried.effect) * node.effect for node in tried.nodes]
    assert turned == sorted(turned, reverse=True)


def test_sets_are_the_first_carriers_and_at_last_all_nodes(llama, tried):
    pair = pair_from(llama, *asks(BASE, COUNTERPART, ANSWERS), item="x")
    batch = Batch.of(Replay(llama.adapter), [pair])
    two = no_nodes(llama)
    for node in tried.nodes[:2]:
        two[node.layer, node.head] = True
    sets = [two, all_nodes(llama)]
    lost, left = effects_of(batch, sets)[:, 0].tolist(), sufficiency_of(batch, sets)[:, 0].tolist()
    found = {one.size: one for one in tried.sets}
    assert [found[2].necessity, found[15].necessity] == pytest.approx(lost, abs=NEAR)
    assert [found[2].sufficiency, found[15].sufficiency] == pytest.approx(left, abs=NEAR)
    assert found[15].necessity == pytest.approx(tried.effect, abs=NEAR)


def test_swapped_prompts_turn_the_effect_round(llama, tried):
    back = try_pair(llama, COUNTERPART, BASE, ANSWERS)
    assert back.effect == pytest.approx(-tried.effect, abs=NEAR)
    assert back.nodes[0].effect * back.effect > 0


def test_a_model_of_many_nodes_has_only_the_largest_estimates_patched(monkeypatch, llama, tried):
    monkeypatch.setattr(trial, "FEW_NODES", 14)
    some = try_pair(llama, BASE, COUNTERPART, ANSWERS, n_exact=4)
    largest = sorted(tried.nodes, key=lambda node: -abs(node.estimate))[:4]
    assert {(node.layer, node.head) for node in some.nodes} == {(node.layer, node.head) for node in largest}
    assert "4 of 15 nodes were patched" in caveats(some)[-1]
    assert len(try_pair(llama, BASE, COUNTERPART, ANSWERS, n_exact=None).nodes) == 15


def test_a_side_of_the_slot_may_be_empty(llama):
    found = try_pair(llama, *parse_template("The {very |}nice"), ANSWERS)
    assert (found.base.words, found.counterpart.words) == ("very", "")
    assert "without these words" in sentence(found).lower()
    assert math.isfinite(found.effect)


def test_the_record_survives_json(tried):
    text = json.dumps(as_dict(tried), allow_nan=False, ensure_ascii=False)
    again = json.loads(text)
    assert again["effect"] == tried.effect
    assert [(one["layer"], one["head"]) for one in again["nodes"]] == [(one.layer, one.head) for one in tried.nodes]
    assert tuple(again["base"]["tokens"]) == tried.base.tokens
    assert json.dumps(again, ensure_ascii=False) == text


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("text", [BASE, FOREIGN["ar"][0], FOREIGN["hi"][0], "工程师说"])
def test_tokens_join_to_the_prompt_also_where_they_split_a_character(models, name, text):
    audited = models(name)
    ids = audited.encode(text)
    texts = token_texts(audited, ids)
    assert len(texts) == len(ids)
    assert "".join(texts[len(audited.begin) :]) == text
    assert "\ufffd" not in "".join(texts)


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The {nurse|engineer} said", ("The nurse said", "The engineer said")),
        ("{|Old }men", ("men", "Old men")),
        (r"a\{b\} {c\|d|e} | \\{", None),
        (r"a\{b\} {c\|d|e\\} | f\n", (r"a{b} c|d | f\n", "a{b} e\\ | f\\n")),
    ],
)
def test_a_template_has_one_slot_of_two_sides(text, expected):
    if expected is None:
        with pytest.raises(UsageError, match="not exactly one slot"):
            parse_template(text)
    else:
        assert parse_template(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The nurse said", "no slot; mark the words to swap"),
        ("The {nurse|engineer} and the {cook|smith}", "not exactly one slot"),
        ("The }nurse|engineer{ said", "not exactly one slot"),
        ("The {nurse} said", "has 1 sides"),
        ("The {a|b|c} said", "has 3 sides"),
    ],
)
def test_a_template_without_exactly_one_slot_is_refused_with_a_way_out(text, said):
    with pytest.raises(UsageError, match=said) as refused:
        parse_template(text)
    assert ";" in str(refused.value)


def test_alternatives_of_an_answer_are_parted_by_bars():
    assert parse_answer(" she| they") == (" she", " they")
    assert parse_answer(r" a\|b") == (" a|b",)
    for text in ("", " she|", "| he"):
        with pytest.raises(UsageError, match="an alternative is empty"):
            parse_answer(text)


@pytest.mark.parametrize(
    ("base", "counterpart", "answers", "said"),
    [
        ("", COUNTERPART, ANSWERS, "nothing is left of it"),
        (BASE, BASE, ANSWERS, "both sides of the slot are the same"),
        (BASE, COUNTERPART, ((), (" he",)), "answer a: empty"),
        (BASE, COUNTERPART, ((" she",), ("",)), "answer b: empty"),
        (BASE, COUNTERPART, ((" she", " she"), (" he",)), "answer a: an alternative stands there twice"),
        (BASE, COUNTERPART, ((" she", " he"), (" he",)), "' he' competes with itself"),
        (BASE, COUNTERPART, ((" s",), (" she",)), "begins with the tokens of ' s'"),
        (BASE + " ", COUNTERPART + " ", (("and",), ("he",)), "boundary merges.*move the space"),
        ("He is a nurse on", "He is a cook on", (("e",), (" he",)), None),
        ("on th", "in th", (("e",), (" he",)), "boundary merges.*usually begins with a space, as ' e'"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason_and_a_way_out(llama, base, counterpart, answers, said):
    if said is None:
        assert "put a space before it" in " ".join(caveats(try_pair(llama, base, counterpart, answers)))
        return
    with pytest.raises(UsageError, match=said):
        try_pair(llama, base, counterpart, answers)


# --- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (BASE, COUNTERPART, ("nurse", "engineer")),
        ("The doctor said", "The actor said", ("doctor", "actor")),
        ("a car", "a cars", ("car", "cars")),
        ("very very nice", "very nice", ("very", "")),
        ("护士说", "工程师说", ("护士", "工程师")),
        (FOREIGN["ar"][0], FOREIGN["ar"][1], ("الممرضة", "المهندسة")),
        (FOREIGN["hi"][0], FOREIGN["hi"][1], ("नर्स", "इंजीनियर")),
    ],
)
def test_what_differs_is_named_in_whole_words(one, other, expected):
    assert differing_words(one, other) == expected
    assert differing_words(other, one) == expected[::-1]


def test_the_sentence_says_the_ratio_of_the_odds_from_the_side_where_they_are_higher(tried):
    up = replace(tried, effect=math.log(12), answers=((" she",), (" he",)))
    assert sentence(up) == "After ‘nurse’, the odds of ‘she’ against ‘he’ are 12 times those after ‘engineer’."
    down = replace(up, effect=-math.log(2.5))
    assert sentence(down) == "After ‘engineer’, the odds of ‘she’ against ‘he’ are 2.5 times those after ‘nurse’."


def test_a_small_effect_has_no_shares_and_says_so(tried):
    small = replace(tried, effect=0.05)
    assert small.share(0.02) is None
    assert "too small to be shared out" in " ".join(caveats(small))
    assert replace(tried, effect=0.5).share(0.25) == 0.5
    assert caveats(small)[0].startswith("One pair is an anecdote")


@pytest.fixture
def shown(monkeypatch, capsys):
    """What is printed of a trial in a terminal of some width."""

    def show(one, *, width: int) -> str:
        monkeypatch.setattr(terminal.out, "_width", width)
        terminal.trial(one, n_nodes=5)
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("width", [40, 80])
def test_the_picture_fits_the_terminal_and_tells_signs_apart_without_colour(shown, tried, width):
    text = shown(tried, width=width)
    bars = [line for line in text.splitlines() if line.startswith(("head ", "MLP "))]
    assert max(map(len, bars)) <= width
    signs = {("█" in line, ("+" in line) == (tried.effect > 0)) for line in bars}
    assert signs == {(True, True), (False, False)}  # bars with the effect's sign are full, the others are not
    assert "\x1b" not in text
    assert "One pair is an anecdote" in text


def test_right_to_left_text_is_isolated_and_markup_is_text(shown, llama):
    text = shown(try_pair(llama, *FOREIGN["ar"]), width=100)
    assert "\u2068قالت الممرضة إن\u2069" in text
    assert text.count("\u2068") == text.count("\u2069") > 0
    marked = try_pair(llama, "[red]The nurse[/x] \x1b said", "[red]The cook[/x] \x1b said", ((" [/y]",), (" he",)))
    text = shown(marked, width=100)
    assert "[red]The nurse[/x]" in text
    assert "‘[/y]’" in text
    assert "\x1b" not in text
    assert isolated("a\u202eb\u2069") == "ab"  # marks of the user's own would reach beyond the text


def test_an_mlp_is_written_as_head_minus_one(tried):
    assert sum(node.head == MLP for node in tried.nodes) == 3
