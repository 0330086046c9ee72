"""Edges from closed forms, on tails, batched, against one plain model whose every reader has an input of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from audit.circuits import edges
from audit.circuits.edges import EdgeScores, Node, Path, Port, edge_rows, edge_scores, path_effects, strongest_paths
from audit.circuits.pairs import Pair
from audit.circuits.patching import Batch
from audit.circuits.plain import donors
from audit.circuits.readers import Norm, Readers
from audit.circuits.replay import Replay
from audit.circuits.screening import screen
from audit.errors import ModelError, UsageError
from audit.models import AuditedModel
from audit.models.adapter import find_adapter
from audit.records import EDGE_COLUMNS, MLP
from tests.circuits.shapes import AT_THE_END, EQUAL, ONE_AND_THREE, PAIRS, UNEQUAL, made

POST_NORM = ("gemma3", "gemma2")
# phi: attention and MLP side by side behind one norm.
READ = ("llama", "qwen2", "gpt2", "mistral", "phi", *POST_NORM)
# Every shape once: equal slots, several tokens and alternatives, longer and shorter slots, none, at the end.
SOME = (EQUAL[0], EQUAL[2], UNEQUAL[0], UNEQUAL[1], UNEQUAL[3], AT_THE_END[2])
NEAR = 2e-4

# --- the slow and obvious twin -------------------------------------------------------------------

NORMS = {"gpt2": ("ln_1", "ln_2"), "phi": ("input_layernorm", "input_layernorm")}
NORMS |= dict.fromkeys(POST_NORM, ("input_layernorm", "pre_feedforward_layernorm"))
LLAMA_NORMS = ("input_layernorm", "post_attention_layernorm")
Changes = Mapping[Port, Tensor]  # added to the residual stream as one port alone reads it, (tokens, d)


class Plain:
    """Whole sequences, one at a time; q, k and v of each query head are computed from an input of their own."""

    def __init__(self, audited: AuditedModel, name: str) -> None:
        self.model, self.adapter = audited.model, audited.adapter
        self.norms = [[getattr(layer, norm) for norm in NORMS.get(name, LLAMA_NORMS)] for layer in self.adapter.layers]
        self.after: list[Any] = [[lambda x: x, lambda x: x] for _ in self.norms]
        if name in POST_NORM:
            self.after = [[one.post_attention_layernorm, one.post_feedforward_layernorm] for one in self.adapter.layers]
        self.parallel = name == "phi"
        heads, n_layers = range(self.adapter.n_heads), self.adapter.n_layers
        self.sources, self.ports = [Node(-1, MLP)], []
        for layer in range(n_layers):
            self.sources += [*(Node(layer, head) for head in heads), Node(layer, MLP)]
            self.ports += [Port(Node(layer, head), reader) for reader in "qkv" for head in heads]
            self.ports.append(Port(Node(layer, MLP), "mlp"))
        self.ports.append(Port(Node(n_layers, MLP), "answer"))

    def sends(self, source: Node, port: Port) -> bool:
        if source.layer != port.node.layer:
            return source.layer < port.node.layer
        return port.reader == "mlp" and source.head != MLP and not self.parallel

    @contextmanager
    def reading(self, changes: Changes) -> Iterator[None]:
        """Run with each port's own changes."""
        adapter, read = self.adapter, {}
        with ExitStack() as hooks:

            def keep(layer: int, norm: nn.Module) -> None:
                def before(_module: nn.Module, inputs: Any) -> None:
                    read[layer, id(norm)] = inputs[0]

                hooks.callback(norm.register_forward_pre_hook(before).remove)

            def project(layer: int, module: nn.Module, readers: str, group: int) -> None:
                norm = self.norms[layer][0]

                def after(_module: nn.Module, _inputs: Any, _out: Tensor) -> Tensor:
                    parts = []
                    for number, reader in enumerate(readers):
                        for head in range(adapter.n_heads):
                            own = norm.forward(read[layer, id(norm)] + changes[Port(Node(layer, head), reader)])
                            heads = module.forward(own).chunk(len(readers), dim=-1)[number]
                            parts.append(heads.split(adapter.head_dim, dim=-1)[head // group])
                    return torch.cat(parts, dim=-1)

                hooks.callback(module.register_forward_hook(after).remove)

            def feed(layer: int) -> None:
                norm = self.norms[layer][1]

                def before(_module: nn.Module, _inputs: Any) -> tuple[Tensor]:
                    return (norm.forward(read[layer, id(norm)] + changes[Port(Node(layer, MLP), "mlp")]),)

                hooks.callback(adapter.mlps[layer].register_forward_pre_hook(before).remove)

            for layer, attention in enumerate(adapter.attentions):
                for norm in self.norms[layer]:
                    keep(layer, norm)
                group = adapter.n_heads // adapter.n_kv_heads
                if hasattr(attention, "c_attn"):
                    project(layer, attention.c_attn, "qkv", 1)
                else:
                    for reader in "qkv":
                        project(layer, getattr(attention, f"{reader}_proj"), reader, 1 if reader == "q" else group)
                    attention.num_key_value_groups = 1
                    hooks.callback(setattr, attention, "num_key_value_groups", group)
                feed(layer)

            def end(_module: nn.Module, _inputs: Any, out: Any) -> Any:
                change = changes[Port(Node(adapter.n_layers, MLP), "answer")]
                return out + change if isinstance(out, Tensor) else (out[0] + change, *out[1:])

            hooks.callback(adapter.layers[-1].register_forward_hook(end).remove)
            yield

    def logp(
        self, prompt: tuple[int, ...], answer: tuple[int, ...], changes: Changes, *, share=1.0, other=()
    ) -> Tensor:
        """Log P of an answer, with `share` of the prompt's own embedding and the rest of another prompt's."""
        embed = self.adapter.embedding
        own = torch.tensor([prompt + answer])
        mixed = share * embed.forward(own) + (1 - share) * embed.forward(torch.tensor([(other or prompt) + answer]))
        handle = embed.register_forward_hook(lambda *_: mixed)
        try:
            with self.reading(changes):
                logits = self.model(own, use_cache=False).logits[0]
        finally:
            handle.remove()
        logps = torch.log_softmax(logits.double(), dim=-1)
        return sum(logps[len(prompt) - 1 + place, token] for place, token in enumerate(answer))

    def margin(self, pair: Pair, prompt, changes, **mixed: Any) -> Tensor:
        a, b = (
            torch.logsumexp(torch.stack([self.logp(prompt, one, changes[one], **mixed) for one in many]), dim=0)
            for many in pair.answers
        )
        return a - b

    def nothing(self, n_tokens: int, *, grad: bool = False) -> dict[Port, Tensor]:
        d = self.adapter.unembedding.weight.shape[1]
        return {port: torch.zeros(n_tokens, d, requires_grad=grad) for port in self.ports}

    def gradients(self, pair: Pair, prompt, **mixed: Any):
        """Of the margin, at each port of each alternative's sequence."""
        probes = {one: self.nothing(len(prompt) + len(one), grad=True) for many in pair.answers for one in many}
        flat = [probe for one in probes.values() for probe in one.values()]
        found = iter(torch.autograd.grad(self.margin(pair, prompt, probes, **mixed), flat, allow_unused=True))
        return {
            answer: {port: next(found, None) if probe is not None else None for port, probe in one.items()}
            for answer, one in probes.items()
        }

    @torch.no_grad()
    def values(self, ids) -> dict[str, list[Tensor]]:
        """Residual stream that enters, and per layer heads, attention output, MLP output."""
        seen: dict[str, list[Tensor]] = {"embedding": [], "heads": [], "attention": [], "mlp": []}
        adapter = self.adapter

        def keep(kind: str, value: Tensor) -> None:
            seen[kind].append(value[0].clone())

        with ExitStack() as hooks:
            first = adapter.layers[0].register_forward_pre_hook(lambda _m, inputs: keep("embedding", inputs[0]))
            hooks.callback(first.remove)
            for output, mlp in zip(adapter.attention_outputs, adapter.mlps, strict=True):
                hooks.callback(output.register_forward_pre_hook(lambda _m, i: keep("heads", i[0])).remove)
                hooks.callback(output.register_forward_hook(lambda _m, _i, out: keep("attention", out)).remove)
                hooks.callback(mlp.register_forward_hook(lambda _m, _i, out: keep("mlp", out)).remove)
            self.model(torch.tensor([ids]), use_cache=False)
        return seen

    @torch.no_grad()
    def writes(self, pair: Pair, answer) -> dict[Node, Tensor]:
        """Base less counterpart of what every source writes, (tokens, d), at the base's positions."""
        own, other = self.values(pair.base + answer), self.values(pair.counterpart + answer)
        places = donors(pair, len(pair.base + answer))

        def placed(kind: str, layer: int = 0) -> Tensor:
            """The counterpart's values where there are any, the base's elsewhere."""
            out = own[kind][layer].clone()
            for position, donor in places.items():
                out[position] = other[kind][layer][donor]
            return out

        out = {Node(-1, MLP): own["embedding"][0] - placed("embedding")}
        dim = self.adapter.head_dim
        for layer, (attention, mlp) in enumerate(self.after):
            for head in range(self.adapter.n_heads):
                columns = slice(head * dim, (head + 1) * dim)
                swapped = own["heads"][layer].clone()
                swapped[:, columns] = placed("heads", layer)[:, columns]
                project = self.adapter.attention_outputs[layer]
                out[Node(layer, head)] = attention(project(own["heads"][layer])) - attention(project(swapped))
            out[Node(layer, MLP)] = mlp(own["mlp"][layer]) - mlp(placed("mlp", layer))
        return out

    def scores(self, pair: Pair, shares) -> np.ndarray:
        out = np.zeros((len(self.sources), len(self.ports)))
        if len(pair.base) == len(pair.counterpart):
            runs = [(self.gradients(pair, pair.base, share=s, other=pair.counterpart), None) for s in shares]
        else:
            runs = [(self.gradients(pair, pair.base), None), (self.gradients(pair, pair.counterpart), "moved")]
        for answer in [one for many in pair.answers for one in many]:
            writes = self.writes(pair, answer)
            for gradients, moved in runs:
                for p, port in enumerate(self.ports):
                    gradient = gradients[answer][port]
                    if moved:
                        there, gradient = gradient, torch.zeros(len(pair.base + answer), gradient.shape[1])
                        for position, donor in donors(pair, len(gradient)).items():
                            gradient[position] = there[donor]
                    for s, source in enumerate(self.sources):
                        if self.sends(source, port):
                            out[s, p] += float((writes[source] * gradient).sum()) / len(runs)
        return out

    @torch.no_grad()
    def path_effect(self, pair: Pair, path: Path) -> float:
        changes = {}
        for answer in [one for many in pair.answers for one in many]:
            changes[answer] = self.nothing(len(pair.base + answer))
            for reader in "qkv" if path.reader == "qkv" else (path.reader,):
                changes[answer][Port(path.receiver, reader)] = -self.writes(pair, answer)[path.sender]
        untouched = {answer: self.nothing(len(pair.base + answer)) for answer in changes}
        return float(self.margin(pair, pair.base, untouched) - self.margin(pair, pair.base, changes))


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READ)
def test_edges_equal_those_of_a_model_whose_readers_have_inputs_of_their_own(models, name):
    """Traps: gradients shared by a group of heads; norms held still; 1 + w; post-norms; misaligned or padded slots;
    answers cut to their first token."""
    audited = models(name)
    plain = Plain(audited, name)
    found = edge_scores(Batch.of(Replay(audited.adapter), SOME), steps=2)
    assert (list(found.sources), list(found.ports)) == (plain.sources, plain.ports)
    assert found.possible.tolist() == [[plain.sends(source, port) for port in plain.ports] for source in plain.sources]
    assert found.interpolated == (True, True, False, False, False, False)
    for pair, values in zip(SOME, found.values, strict=True):
        expected = plain.scores(pair, shares=(0.0, 0.5))  # grid "start": 0/2, 1/2
        assert np.abs(expected).max() > 0.05
        assert values.numpy() == pytest.approx(expected, abs=NEAR * np.abs(expected).max(), rel=1e-3)


@pytest.mark.parametrize(("grid", "shares"), [("start", (0, 1 / 3, 2 / 3)), ("end", (1 / 3, 2 / 3, 1))])
def test_the_grid_begins_at_the_counterpart_or_ends_at_the_base(models, grid, shares):
    pair, plain = EQUAL[0], Plain(models("llama"), "llama")
    found = edge_scores(Batch.of(Replay(models("llama").adapter), [pair]), steps=3, grid=grid)
    expected = plain.scores(pair, shares=shares)
    assert found.mean().numpy() == pytest.approx(expected, abs=NEAR * np.abs(expected).max())
    assert found.method == f"integrated gradients, 3 steps, grid {grid}"


@pytest.mark.parametrize("name", READ)
def test_edges_out_of_the_embedding_sum_to_the_effect_as_steps_grow(models, name):
    """Completeness of integrated gradients: their sum over the input is the difference of the output."""
    audited = models(name)
    batch = Batch.of(Replay(audited.adapter), EQUAL)
    readers = Readers(batch.replay)
    few, many = (edge_scores(batch, steps=n, grid="middle", readers=readers).values[:, 0].sum(dim=1) for n in (2, 128))
    off_few, off_many = ((one - batch.effects).abs() for one in (few, many))
    assert float(off_many.max()) < 0.03 * float(batch.effects.abs().max())
    assert float(off_many.sum()) < 0.5 * float(off_few.sum())


@pytest.mark.parametrize("name", [name for name in READ if name not in POST_NORM])
def test_a_nodes_edges_sum_to_its_own_score(models, name):
    """The gradient at a node's output is the sum of those at all that read it (a post-norm would stand between)."""
    audited = models(name)
    batch = Batch.of(Replay(audited.adapter), EQUAL)
    nodes = edge_scores(batch, steps=3, grid="middle").values.sum(dim=2)[:, 1:]
    expected = screen(batch, steps=3)
    assert nodes.unflatten(1, expected.shape[1:]).numpy() == pytest.approx(
        expected.numpy(), abs=NEAR * float(expected.abs().max())
    )


def test_query_heads_that_share_keys_have_edges_of_their_own(models):
    audited = models("llama")
    assert audited.adapter.n_kv_heads == 2  # heads 0 and 1 share keys and values
    found = edge_scores(Batch.of(Replay(audited.adapter), EQUAL[:1]))
    for reader in ("k", "v"):
        first, second = (found.ports.index(Port(Node(2, head), reader)) for head in (0, 1))
        assert float((found.values[0, :, first] - found.values[0, :, second]).abs().max()) > 0.01


@pytest.mark.parametrize("name", READ)
def test_batched_pairs_and_small_portions_give_what_each_pair_gives_alone(models, name, monkeypatch):
    readers = Readers(Replay(models(name).adapter))
    together = edge_scores(Batch.of(readers.replay, PAIRS), steps=3, readers=readers)
    monkeypatch.setattr(edges, "GRADIENT_TOKENS", 1)
    for row, pair in enumerate(PAIRS):
        alone = edge_scores(Batch.of(readers.replay, [pair]), steps=3, readers=readers)
        scale = float(alone.values.abs().max())
        assert together.values[row].numpy() == pytest.approx(alone.values[0].numpy(), abs=NEAR * scale)


def test_nothing_before_the_first_difference_has_edges(models):
    """Whole sequences give what their tails give, also where the shared beginning is shifted against the suffix."""
    replay = Replay(models("qwen2").adapter)
    tails, whole = (edge_scores(Batch.of(replay, PAIRS, start=start), steps=2) for start in ("difference", "whole"))
    assert whole.values.numpy() == pytest.approx(tails.values.numpy(), abs=NEAR * float(tails.values.abs().max()))


def test_turning_a_pair_turns_the_sign(models):
    """The base's end of the points is the other's beginning."""
    replay = Replay(models("llama").adapter)
    one = edge_scores(Batch.of(replay, EQUAL), steps=4, grid="end")
    other = edge_scores(Batch.of(replay, [pair.turned() for pair in EQUAL]), steps=4, grid="start")
    assert other.values.numpy() == pytest.approx(-one.values.numpy(), abs=NEAR * float(one.values.abs().max()))


def test_the_model_is_left_as_it_was(models):
    adapter = models("llama").adapter
    batch = Batch.of(Replay(adapter), EQUAL)
    edge_scores(batch)
    path_effects(batch, [Path(Node(0, 1), Node(1, 2), "k")])
    assert [attention.num_key_value_groups for attention in adapter.attentions] == [2, 2, 2]
    hooks = [len(one._forward_hooks) + len(one._forward_pre_hooks) for one in adapter.body.modules()]
    assert sum(hooks) == 0
    assert not any("forward" in vars(one) for one in adapter.body.modules())


@pytest.mark.parametrize("name", READ)
def test_a_patched_path_equals_a_run_in_which_the_receiver_alone_reads_the_change(models, name):
    audited = models(name)
    plain = Plain(audited, name)
    paths = [
        Path(Node(-1, MLP), Node(0, 1), "v"),
        Path(Node(-1, MLP), Node(2, MLP), "mlp"),
        Path(Node(0, 2), Node(1, 3), "q"),
        Path(Node(0, MLP), Node(1, 3), "k"),
        Path(Node(0, 3), Node(2, 0), "qkv"),
        Path(Node(1, MLP), Node(2, 1), "v"),
        Path(Node(0, 0), Node(1, MLP), "mlp"),
        Path(Node(1, 1), Node(3, MLP), "answer"),
        Path(Node(-1, MLP), Node(3, MLP), "answer"),
        Path(Node(-1, MLP), Node(0, MLP), "mlp"),
    ]
    if name != "phi":
        paths.append(Path(Node(1, 0), Node(1, MLP), "mlp"))
    found = path_effects(Batch.of(Replay(audited.adapter), SOME), paths[::-1]).flip(0)
    expected = [[plain.path_effect(pair, path) for pair in SOME] for path in paths]
    assert np.abs(expected).max() > 0.05
    assert found.numpy() == pytest.approx(np.array(expected), abs=NEAR)


def test_one_path_into_all_three_readers_is_not_the_sum_of_its_edges(models):
    """Query times key: what both read together counts too."""
    batch = Batch.of(Replay(models("llama").adapter), EQUAL)
    sender, receiver = Node(-1, MLP), Node(1, 2)
    effects = path_effects(batch, [Path(sender, receiver, reader) for reader in ("q", "k", "v", "qkv")])
    assert float((effects[:3].sum(dim=0) - effects[3]).abs().max()) > 0.01


def test_norms_are_told_apart_by_what_they_do():
    from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    for module in (Gemma3RMSNorm(16), LlamaRMSNorm(16), nn.LayerNorm(16)):
        for parameter in module.parameters():
            nn.init.normal_(parameter, mean=0.3, std=0.5)
        norm = Norm.of(module, architecture="Tiny")
        assert norm.centred is isinstance(module, nn.LayerNorm)
        own = dict(module.named_parameters())["weight"].detach()
        assert torch.equal(norm.gain, 1 + own if isinstance(module, Gemma3RMSNorm) else own)
        assert norm(x).numpy() == pytest.approx(module(x).detach().numpy(), abs=1e-5)


def test_another_norm_is_refused_by_name():
    class Squashed(nn.LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(super().forward(x))

    with pytest.raises(ModelError, match="Tiny: Squashed is neither an RMSNorm nor a LayerNorm"):
        Norm.of(Squashed(16), architecture="Tiny")


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("gpt_neox", "GPTNeoXForCausalLM: attention has no projections to q, k and v"),
        ("olmo2", "Olmo2ForCausalLM: its MLP does not read a norm"),
    ],
)
def test_what_the_closed_form_does_not_hold_for_is_refused(models, name, fact):
    with pytest.raises(ModelError, match=fact):
        Readers(Replay(models(name).adapter))


def test_scaled_writes_are_refused():
    """Granite multiplies what its parts write; the sum would be another."""
    import transformers as t

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = t.GraniteConfig(**sizes, num_key_value_heads=2, vocab_size=64, residual_multiplier=0.5)
    adapter = find_adapter(t.AutoModelForCausalLM.from_config(config).eval())
    with pytest.raises(ModelError, match="a layer does not add its parts' outputs unchanged"):
        Readers(Replay(adapter))


def test_margins_that_are_not_those_recorded_are_refused(models):
    """The points' ends are runs that are known already."""
    batch = Batch.of(Replay(models("llama").adapter), EQUAL)
    other = dataclasses.replace(batch.counterpart, margins=batch.counterpart.margins + 0.5)
    with pytest.raises(ModelError, match=r"margins are 0\.5 nats off"):
        edge_scores(dataclasses.replace(batch, counterpart=other))


def test_attention_that_holds_on_to_its_groups_is_refused(models):
    attention = models("llama").adapter.attentions[1]
    kind: Any = type(attention)

    class Held(kind):
        def forward(self, *given: Any, **named: Any) -> Any:
            if self.k_proj(torch.zeros(1, 32)).shape[-1] != 16:  # 2 heads of 8 for 4 query heads
                raise RuntimeError("shape is invalid for input of size")
            return super().forward(*given, **named)

    attention.__class__ = Held
    try:
        with pytest.raises(ModelError, match="attention does not take keys and values of every query head's own"):
            Readers(Replay(models("llama").adapter))
    finally:
        attention.__class__ = kind


def test_a_batch_of_last_tokens_has_no_edges(models):
    batch = Batch.of(Replay(models("llama").adapter), EQUAL[:1], start="last")
    with pytest.raises(UsageError, match="equal slots: edges need tails from the first difference on"):
        edge_scores(batch)
    with pytest.raises(UsageError, match="equal slots"):
        path_effects(batch, [Path(Node(0, 1), Node(1, 2), "k")])


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        (Path(Node(1, 1), Node(1, 2), "q"), r"head 1.1 -> head 1.2 \(q\): the sender does not write before"),
        (Path(Node(1, MLP), Node(1, MLP), "mlp"), r"MLP 1 -> MLP 1 \(mlp\): the sender does not write before"),
        (Path(Node(0, 1), Node(1, 9), "v"), r"head 0.1 -> head 1.9 \(v\): the model has no such receiver"),
        (Path(Node(0, 1), Node(1, MLP), "q"), "the model has no such receiver"),
    ],
)
def test_a_path_that_cannot_be_is_refused_by_name(models, path, fact):
    batch = Batch.of(Replay(models("llama").adapter), EQUAL[:1])
    with pytest.raises(UsageError, match=fact):
        path_effects(batch, [path])


def test_no_steps_are_refused(models):
    with pytest.raises(UsageError, match="at least 1 step, got 0"):
        edge_scores(Batch.of(Replay(models("llama").adapter), EQUAL[:1]), steps=0)


# --- tables --------------------------------------------------------------------------------------


def scored(values: list[list[list[float]]], effects: list[float]) -> EdgeScores:
    """Two sources (embedding, head 0.0) and three ports (q of head 0.0, MLP 0, answer) of a model of one layer."""
    return EdgeScores(
        values=torch.tensor(values),
        possible=np.array([[True, True, True], [False, True, True]]),
        sources=(Node(-1, MLP), Node(0, 0)),
        ports=(Port(Node(0, 0), "q"), Port(Node(0, MLP), "mlp"), Port(Node(1, MLP), "answer")),
        items=tuple(str(number) for number in range(len(effects))),
        effects=torch.tensor(effects),
        interpolated=(True,) * len(effects),
        steps=5,
        grid="start",
    )


def test_rows_hold_the_strongest_edges_between_kept_nodes_turned_to_each_items_effect():
    first = scored([[[0.1, 9.0, 0.4], [0.0, 8.0, 0.6]], [[-0.3, 9.0, 0.2], [0.0, 8.0, -0.4]]], [2.0, -1.0])
    second = scored([[[0.2, 9.0, -0.1], [0.0, 8.0, 0.8]]], [0.5])
    paths = strongest_paths([first, second], [(0, 0)], most=5)  # MLP 0 is not kept
    assert paths == [
        (Node(0, 0), Node(1, MLP), "answer"),  # (0.6 + 0.4 + 0.8) / 3 = 0.6
        (Node(-1, MLP), Node(0, 0), "q"),  # (0.1 + 0.3 + 0.2) / 3 = 0.2
        (Node(-1, MLP), Node(1, MLP), "answer"),  # (0.4 - 0.2 - 0.1) / 3 = 0.0333
    ]
    exact = torch.tensor([[0.3, -0.6, 0.6], [0.3, 0.3, 0.3], [0.0, 0.0, 0.0]])
    table = edge_rows([first, second], paths, suite="care", language="sw", exact=exact)
    assert table.dtypes.astype(str).to_dict() == dict(EDGE_COLUMNS)
    assert table["score"].tolist() == pytest.approx([0.6, 0.2, 0.1 / 3])
    assert table["exact"].tolist() == pytest.approx([0.5, 0.1, 0.0])  # (0.3 + 0.6 + 0.6) / 3, (0.3 - 0.3 + 0.3) / 3
    assert table["to_layer"].tolist() == [1, 0, 1]
    assert table["reader"].tolist() == ["answer", "q", "answer"]
    assert table["n_items"].tolist() == [3, 3, 3]
    assert strongest_paths([first, second], [(0, 0)], most=1) == paths[:1]


def test_a_path_that_was_not_patched_has_no_exact_effect():
    one = scored([[[0.1, 0.0, 0.4], [0.0, 0.0, 0.6]]], [2.0])
    table = edge_rows([one], strongest_paths([one], [], most=9), suite="care", language="sw")
    assert table["exact"].isna().all()
    assert len(table) == 1  # the embedding's edge to the answer


def test_the_method_says_where_gradients_were_taken(models):
    replay = Replay(models("llama").adapter)
    both = edge_scores(Batch.of(replay, [made("even", 3, (2, 2), 3, ONE_AND_THREE), UNEQUAL[0]]))
    assert both.method == (
        "integrated gradients, 5 steps, grid start, for 1 of 2 pairs; gradients at both runs, averaged, for the others"
    )
    assert dataclasses.replace(both, interpolated=(False, False)).method == "gradients at both runs, averaged"
