import math
import random

import pytest
import torch

from audit.models import likelihood
from audit.observe import Refused, score, score_plainly, scoring
from audit.records import Ask

WORDS = ("the", "cat", "sat", "on", "mat", "and", "dog", "is", "in", "water", "你好", "नमस्ते", "مرحبا", "house")


def ask(prompt: str, **answers: str) -> Ask:
    return Ask(context="", prompt=prompt, answers={role: tuple(text.split("|")) for role, text in answers.items()})


def random_asks(n: int, *, seed: int = 0) -> list[Ask]:
    """Prompts of 1 to 15 words in four scripts; answers of one to many tokens, with alternatives."""
    rnd = random.Random(seed)
    return [
        Ask(
            context=str(number),
            prompt=" ".join(rnd.choices(WORDS, k=rnd.randint(1, 15))),
            answers={
                "a": (" " + rnd.choice(WORDS),),
                "b": (f" {rnd.choice(WORDS)} x", f" {rnd.choice(WORDS)} yyyy"),
                "c": ("!",),
            },
        )
        for number in range(n)
    ]


def test_packs_equal_whole_padded_sequences(audited):
    """Unequal prompts, answers of several tokens, alternatives, sliding windows: as the slow and obvious way."""
    asks = random_asks(40)
    fast, slow = score(audited, asks), score_plainly(audited, asks)
    for one, other in zip(fast, slow, strict=True):
        assert one.keys() == other.keys() == {"a", "b", "c"}
        for role in one:
            assert one[role].logp == pytest.approx(other[role].logp, abs=2e-5)
            assert (one[role].n_tokens, one[role].prompt_tokens) == (other[role].n_tokens, other[role].prompt_tokens)


def test_asks_together_equal_one_by_one(audited):
    asks = random_asks(12, seed=1)
    together = score(audited, asks)
    alone = [score(audited, [one])[0] for one in asks]
    for one, other in zip(together, alone, strict=True):
        assert [one[r].logp for r in one] == pytest.approx([other[r].logp for r in other], abs=2e-5)


def test_small_packs_and_blocks_of_the_vocabulary_change_nothing(llama, monkeypatch):
    """Memory stays bounded by cutting packs; the cuts do not show."""
    asks = random_asks(20, seed=2)
    whole = score(llama, asks)
    monkeypatch.setattr(scoring, "PACK_TOKENS", 7)
    monkeypatch.setattr(likelihood, "VOCABULARY_BLOCK", 50)
    cut = score(llama, asks)
    for one, other in zip(whole, cut, strict=True):
        assert [one[r].logp for r in one] == pytest.approx([other[r].logp for r in other], abs=2e-5)


def test_the_order_of_asks_does_not_matter(llama):
    asks = random_asks(10, seed=3)
    forward = score(llama, asks)
    backward = score(llama, asks[::-1])[::-1]
    assert forward == backward  # to the last bit: packs depend on the tokens alone


def test_the_same_asks_give_the_same_bits(llama):
    asks = random_asks(10, seed=4)
    assert score(llama, asks) == score(llama, asks)


def test_logp_is_the_sum_over_the_answers_tokens(llama):
    """Worked with the model's own logits: log P(x, y | p) = log P(x | p) + log P(y | p, x)."""
    one = ask("the cat", a=" zq")
    ids = llama.tokenizer("the cat zq")["input_ids"]
    assert ids[0] == llama.tokenizer.bos_token_id
    prompt = len(llama.tokenizer("the cat")["input_ids"])
    with torch.inference_mode():
        logp = torch.log_softmax(llama.model(torch.tensor([ids])).logits[0], dim=-1)
    by_hand = sum(float(logp[place - 1, ids[place]]) for place in range(prompt, len(ids)))
    (scored,) = score(llama, [one])
    assert scored["a"].logp == pytest.approx(by_hand, abs=1e-5)
    assert scored["a"].n_tokens == len(ids) - prompt == 3  # " ", "z", "q" in a byte-level tokenizer with few merges
    assert scored["a"].n_bytes == 3


def test_alternatives_add_their_probabilities(llama):
    (apart,) = score(llama, [ask("the cat", a=" sat", b=" is")])
    (joined,) = score(llama, [ask("the cat", either=" sat| is")])
    expected = math.log(math.exp(apart["a"].logp) + math.exp(apart["b"].logp))
    assert joined["either"].logp == pytest.approx(expected, abs=1e-6)


def test_first_token_probabilities_sum_to_one(llama):
    """All tokens of the vocabulary as answers after one prompt: a distribution."""
    prefix = tuple(llama.tokenizer("the cat")["input_ids"])
    wanted = {prefix: {(token,) for token in range(llama.model.config.vocab_size)}}
    logps = scoring._score_tokens(llama, wanted)
    assert sum(math.exp(value) for value in logps.values()) == pytest.approx(1, abs=1e-5)


def test_a_merged_boundary_is_refused_with_the_reason(llama):
    """ "t" + "he" becomes one token "the": the prompt's last token is gone, so there is no shared prefix."""
    (result,) = score(llama, [ask("t", a="he", b=" x")])
    assert isinstance(result, Refused)
    assert "boundary merges" in result.reason
    assert "'he'" in result.reason


def test_an_answer_without_a_token_is_refused(llama):
    (result,) = score(llama, [ask("the", a="")])
    assert isinstance(result, Refused)
    assert "no token" in result.reason


def test_two_spellings_of_the_same_tokens_are_refused(llama):
    """Adding one probability twice would be silently wrong."""
    (result,) = score(llama, [ask("the", a=" cat| cat")])
    assert isinstance(result, Refused)
    assert "same tokens" in result.reason


def test_a_text_longer_than_the_model_reads_is_refused(llama):
    (result,) = score(llama, [ask("x " * 600, a=" cat")])
    assert isinstance(result, Refused)
    assert "the model reads 512" in result.reason


def test_without_a_beginning_token_the_first_token_is_not_scored(audited):
    """A whole line of 9 bytes: with a beginning token all of it is scored, without one all but the first token."""
    (scored,) = score(audited, [ask("", text="the cat z")])
    tokens = audited.tokenizer("the cat z", add_special_tokens=False)["input_ids"]
    first = audited.tokenizer.decode(tokens[:1])
    if audited.begin:
        assert (scored["text"].n_tokens, scored["text"].n_bytes) == (len(tokens), 9)
    else:
        assert (scored["text"].n_tokens, scored["text"].n_bytes) == (len(tokens) - 1, 9 - len(first.encode()))


def test_answers_that_compete_after_nothing_need_a_beginning_token(audited):
    """Without one, each answer's own first token would be its condition: the two could not be compared."""
    (result,) = score(audited, [ask("", a="the cat", b="dog")])
    assert isinstance(result, Refused) is (not audited.begin)


def test_a_number_that_is_not_finite_is_refused_not_kept(llama, monkeypatch):
    monkeypatch.setattr(scoring, "token_logps", lambda *_, tokens, **__: [math.nan] * len(tokens))
    (result,) = score(llama, [ask("the", a=" cat", b=" dog")])
    assert isinstance(result, Refused)
    assert "not a finite number in float32" in result.reason


def test_names_of_special_tokens_in_a_text_are_plain_text(llama):
    """An imported line that says "<eos>" must not end the text for the model."""
    assert llama.tokenizer.eos_token_id not in llama.encode("the <eos> cat")


def test_only_answer_positions_are_unembedded(llama, monkeypatch):
    """3 prompts of equal length, two answers each of 1 and 4 tokens: 3 first rows + 3 x 3 later rows = 12."""
    rows = []
    plain = llama.adapter.unembed
    monkeypatch.setattr(
        type(llama.adapter), "unembed", lambda self, hidden, **part: rows.append(len(hidden)) or plain(hidden, **part)
    )
    asks = [ask(f"the {letter}", a="?", b="wxyz") for letter in "jkq"]
    score(llama, asks)
    assert sum(rows) == 12
