"""Many sequences in one row: the tree holds each of them once, and every state is that of the sequence alone."""

import dataclasses
import random

import pytest
import torch
import transformers
from torch import nn

from audit.models.adapter import find_adapter
from audit.models.packing import Pack, deepest_branch, packs, run

SHAPE = {"vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**SHAPE, "intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 256}
CONFIGS = {
    "llama": lambda: transformers.LlamaConfig(**WIDE),
    "qwen3": lambda: transformers.Qwen3Config(**WIDE, head_dim=8),
    "gemma3": lambda: transformers.Gemma3TextConfig(
        **WIDE,
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=64,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "gemma2": lambda: transformers.Gemma2Config(**WIDE, head_dim=8, query_pre_attn_scalar=8, sliding_window=64),
    "gpt2": lambda: transformers.GPT2Config(vocab_size=90, n_embd=32, n_layer=2, n_head=4, n_positions=256),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**SHAPE, intermediate_size=48, max_position_embeddings=256),
}


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def adapter(request):
    torch.manual_seed(0)
    config = CONFIGS[request.param]()
    # attention scores that are capped need the plain implementation, as audit.models.loading gives it
    eager = {"attn_implementation": "eager"} if request.param == "gemma2" else {}
    return find_adapter(transformers.AutoModelForCausalLM.from_config(config, **eager).eval())


def sequences(n: int, *, seed: int = 0) -> list[tuple[int, ...]]:
    """Sequences that often begin alike, some of them the beginning of another."""
    rnd = random.Random(seed)
    stems = [tuple(rnd.choices(range(90), k=rnd.randint(1, 9))) for _ in range(4)]
    grown = [rnd.choice(stems) + tuple(rnd.choices(range(90), k=rnd.randint(1, 7))) for _ in range(n)]
    return [*stems[:2], *grown]


def test_a_tree_worked_by_hand():
    """5 6 7, 5 6 8 and 5 6: the third is a beginning of the others, 7 and 8 follow the same token."""
    (pack,) = packs([(5, 6, 7), (5, 6, 8), (5, 6)], most=10, deepest=10)
    assert pack == Pack(
        ids=(5, 6, 7, 8),
        parents=(-1, 0, 1, 1),
        paths=(((5, 6), (0, 1)), ((5, 6, 7), (0, 1, 2)), ((5, 6, 8), (0, 1, 3))),
    )
    assert pack.branches


@pytest.mark.parametrize("most", [1, 8, 30, 1000])
@pytest.mark.parametrize("deepest", [0, 6, 1000])
def test_every_sequence_is_in_exactly_one_pack_and_reads_as_itself(most, deepest):
    asked = sequences(40)
    made = list(packs(asked, most=most, deepest=deepest))
    found = [sequence for pack in made for sequence, _ in pack.paths]
    assert sorted(found) == sorted(set(asked))
    for pack in made:
        for sequence, path in pack.paths:
            assert tuple(pack.ids[place] for place in path) == sequence
            assert [pack.parents[place] for place in path] == [-1, *path[:-1]]
            if len(sequence) > deepest:
                assert not pack.branches
        assert len(pack.ids) <= most or len(pack.paths) == 1
    assert made == list(packs(asked[::-1], most=most, deepest=deepest))  # whatever the order


def test_what_is_shared_is_held_once():
    """Of 60 sequences that fit in one pack, the tokens are the nodes of their tree: their distinct beginnings."""
    asked = sequences(60)
    (pack,) = packs(asked, most=1000, deepest=100)
    assert len(pack.ids) == len({one[:end] for one in asked for end in range(1, len(one) + 1)})


@pytest.mark.parametrize("most", [12, 1000])
def test_states_in_a_pack_are_those_of_the_sequence_alone(adapter, most):
    """Rotary and learned positions, shared keys, post-norms, capped scores, sliding windows."""
    deepest = deepest_branch(adapter)
    assert deepest >= 64
    for pack in packs(sequences(25), most=most, deepest=deepest):
        together = run(adapter, pack)
        for sequence, path in pack.paths:
            with torch.inference_mode():
                alone = adapter.hidden(torch.tensor([sequence]))[0]
            torch.testing.assert_close(together[list(path)], alone, atol=2e-5, rtol=1e-4)


def test_no_pack_branches_beyond_the_shortest_window():
    adapter = find_adapter(transformers.AutoModelForCausalLM.from_config(CONFIGS["gemma3"]()).eval())
    assert deepest_branch(adapter) == 64
    stem = tuple(range(80))
    made = list(packs([(*stem, 1), (*stem, 2), (3, 4), (3, 5)], most=500, deepest=64))
    assert [(len(pack.paths), pack.branches) for pack in made] == [(1, False), (1, False), (2, True)]


class _Deaf(nn.Module):
    """A decoder that takes a mask and does not heed it: every token sees all before it in the row."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.config = body, body.config

    def forward(self, input_ids, position_ids=None, attention_mask=None, use_cache=False):
        del attention_mask
        return self.body(input_ids=input_ids, position_ids=position_ids, use_cache=use_cache)


class _Placeless(_Deaf):
    """A decoder that takes no positions, as those do that bias attention by distance in the row."""

    def forward(self, input_ids, attention_mask=None, use_cache=False):
        return self.body(input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache)


@pytest.mark.parametrize("body", [_Deaf, _Placeless])
def test_a_model_that_would_mix_sequences_up_gets_none_that_branch(body):
    """It is tried at load, not believed; such a model is asked sequence by sequence."""
    whole = find_adapter(transformers.AutoModelForCausalLM.from_config(CONFIGS["llama"]()).eval())
    mixed = dataclasses.replace(whole, body=body(whole.body))
    assert deepest_branch(whole) > 0
    assert deepest_branch(mixed) == 0
