"""One small class that says where a decoder keeps its parts, found by attribute names and checked by running it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audit.errors import ModelError

# Names under which architectures keep a part, in order of preference.
LAYERS = ("layers", "h", "blocks")
ATTENTION = ("self_attn", "attn", "attention", "self_attention")
INNER_ATTENTION = ("attention",)  # GPT-Neo wraps its attention once more
OUTPUT_PROJECTION = ("o_proj", "c_proj", "dense", "out_proj")
MLP = ("mlp", "feed_forward", "ffn")

# Multiply the logits by `logit_scale`, or divide them by `logits_scaling`: the configuration's name does not tell
# which, the architecture does. An architecture missing here fails the first check and is refused.
MULTIPLIES = {"cohere": "logit_scale", "cohere2": "logit_scale", "hyperclovax": "logits_scaling"}
DIVIDES = {"granite": "logits_scaling", "granitemoe": "logits_scaling", "granite_swa": "logits_scaling"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapter:
    """Where one decoder keeps its parts.

    A model's nodes are the embedding output, the input of each attention output projection (all heads side by side,
    `n_heads * head_dim` wide) and the output of each MLP *module*. In models with post-norms (Gemma 2 and 3) both
    are taken before the post-norm, so a single head's write is not additive there. In parallel-residual models
    (GPT-NeoX, Phi) a layer's MLP does not read the same layer's attention.
    """

    architecture: str
    body: nn.Module  # the decoder without unembedding; the final norm is inside
    embedding: nn.Module
    layers: tuple[nn.Module, ...]
    attentions: tuple[nn.Module, ...]  # what each layer calls for its attention
    attention_outputs: tuple[nn.Module, ...]  # output projection of each layer's attention
    mlps: tuple[nn.Module, ...]
    unembedding: Any  # a module whose weight is (vocab, d)
    logit_multiplier: float
    logit_cap: float | None  # cap * tanh(logits / cap), None where there is none
    n_heads: int
    n_kv_heads: int  # fewer than n_heads where query heads share keys and values
    head_dim: int

    @property
    def n_layers(self) -> int:
        """How many decoder layers there are."""
        return len(self.layers)

    def hidden(self, ids: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n d"]:
        """Hidden states after the final norm, for rows without padding."""
        return self.body(input_ids=ids, use_cache=False).last_hidden_state

    @property
    def n_vocab(self) -> int:
        """How many logits there are."""
        return len(self.unembedding.weight)

    def unembed(
        self, hidden: Float[Tensor, "*n d"], *, start: int = 0, stop: int | None = None
    ) -> Float[Tensor, "*n part"]:
        """Logits of hidden states, scaled and capped as the architecture does; of the tokens from `start` to `stop`."""
        weight, bias = self.unembedding.weight[start:stop], self.unembedding.bias
        return self._scaled(functional.linear(hidden, weight, None if bias is None else bias[start:stop]))

    def candidate_logits(
        self, hidden: Float[Tensor, "*n d"], tokens: Int[Tensor, "*n candidates"]
    ) -> Float[Tensor, "*n candidates"]:
        """Logits of a few tokens per hidden state, scaled and capped; a full row costs thousands of times more."""
        weight, bias = self.unembedding.weight[tokens], self.unembedding.bias
        logits = (weight @ hidden.unsqueeze(-1)).squeeze(-1)
        return self._scaled(logits if bias is None else logits + bias[tokens])

    def _scaled(self, logits: Tensor) -> Tensor:
        if self.logit_multiplier != 1.0:
            logits = logits * self.logit_multiplier
        if self.logit_cap is not None:
            logits = torch.tanh(logits / self.logit_cap) * self.logit_cap
        return logits


def find_adapter(model: Any) -> Adapter:
    """The adapter of a transformers causal LM.

    Raises:
        ModelError: a part is not where any known decoder keeps it, or its width contradicts the configuration.
    """
    architecture = type(model).__name__
    config = model.config.get_text_config()
    body = model.get_decoder()
    layers = tuple(_part(body, LAYERS, architecture, "decoder layers"))
    outputs = tuple(_output_projection(layer, architecture) for layer in layers)
    n_heads = int(config.num_attention_heads)
    head_dim = int(getattr(config, "head_dim", None) or config.hidden_size // n_heads)
    for output in outputs:
        _require_width(output, n_heads * head_dim, architecture)
    return Adapter(
        architecture=architecture,
        body=body,
        embedding=model.get_input_embeddings(),
        layers=layers,
        attentions=tuple(_part(layer, ATTENTION, architecture, "attention") for layer in layers),
        attention_outputs=outputs,
        mlps=tuple(_part(layer, MLP, architecture, "MLP") for layer in layers),
        unembedding=_unembedding(model, architecture),
        logit_multiplier=_logit_multiplier(config),
        logit_cap=getattr(config, "final_logit_softcapping", None),
        n_heads=n_heads,
        n_kv_heads=int(getattr(config, "num_key_value_heads", None) or n_heads),
        head_dim=head_dim,
    )


def _part(module: nn.Module, names: tuple[str, ...], architecture: str, what: str) -> Any:
    for name in names:
        if isinstance(getattr(module, name, None), nn.Module):
            return getattr(module, name)
    raise ModelError(f"{architecture}: no {what} found in {type(module).__name__}; this architecture is not supported")


def _output_projection(layer: nn.Module, architecture: str) -> nn.Module:
    attention = _part(layer, ATTENTION, architecture, "attention")
    for name in INNER_ATTENTION:
        attention = getattr(attention, name, attention)
    projection: nn.Module = _part(attention, OUTPUT_PROJECTION, architecture, "attention output projection")
    return projection


def _unembedding(model: Any, architecture: str) -> nn.Module:
    unembedding = model.get_output_embeddings()
    if not isinstance(getattr(unembedding, "weight", None), Tensor):
        raise ModelError(f"{architecture}: no unembedding; only causal language models can be audited")
    return unembedding


def _require_width(projection: nn.Module, width: int, architecture: str) -> None:
    # Conv1D (GPT-2) keeps its weight as (in, out), Linear as (out, in).
    found = projection.nx if hasattr(projection, "nx") else getattr(projection, "in_features", width)
    if found != width:
        raise ModelError(
            f"{architecture}: attention output reads {found} values, heads x head_dim is {width}; not supported"
        )


def _logit_multiplier(config: Any) -> float:
    kind = config.model_type
    if kind in MULTIPLIES:
        return float(getattr(config, MULTIPLIES[kind]))
    if kind in DIVIDES:
        return 1.0 / float(getattr(config, DIVIDES[kind]))
    return 1.0


# --- the checks at load ----------------------------------------------------------------------

Nodes = dict[tuple[str, int], Tensor]
_N_TOKENS = 8
# Largest accepted difference, as a share of the largest difference between two unrelated texts.
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
_HALF_TOLERANCE = 2e-2


def tolerance_of(dtype: torch.dtype) -> float:
    """Largest accepted difference of what should be equal, as a share of the difference between unrelated texts."""
    return _TOLERANCE.get(dtype, _HALF_TOLERANCE)


# What counts as having moved, or as not having arrived: a patch that acts differs by far more than rounding.
_VISIBLE = 1e-3


@torch.inference_mode()
def check_adapter(model: Any, adapter: Adapter) -> None:
    """Run the model on two texts of random ids and refuse it unless the adapter's parts are what they are held for.

    1. `unembed(hidden(x))` equals the model's own logits.
    2. What follows a position does not change it (the decoder is causal; a prefix can be computed once).
    3. Writing every node's own value back changes nothing.
    4. Writing the counterpart text's value into every node gives what the counterpart gives; into every node but the
       embedding, it gives all that the counterpart's layers add to the residual stream: no path leads around the
       nodes. (The second half needs float32: half precision rounds it away.)
    5. Writing it into all attention, all MLPs, the upper half of both, or the last layer gives neither text's
       end: hooks act, and no node carries the whole residual stream (BLOOM's MLP adds it inside).

    Raises:
        ModelError: naming the architecture and the check that failed.
    """
    base, counterpart = _random_texts(adapter)
    own, base_end = _record(adapter, base)
    donor, counterpart_end = _record(adapter, counterpart)
    logits, other_logits = adapter.unembed(base_end), adapter.unembed(counterpart_end)
    stated = model(input_ids=base, use_cache=False).logits
    scale = float((logits - other_logits).abs().max())
    unembedded = _Distance(adapter.architecture, scale=scale, dtype=logits.dtype)
    unembedded.require_equal(logits, stated, "its logits are not unembed(body)")

    # From here on the final hidden states are compared: unembedding each would cost more than all the rest.
    scale = float((base_end - counterpart_end).abs().max())
    distance = _Distance(adapter.architecture, scale=scale, dtype=base_end.dtype)
    half = _N_TOKENS // 2
    prefix = adapter.hidden(base[:, :half])
    distance.require_equal(prefix, base_end[:, :half], "later tokens change what earlier ones predict")
    untouched = _patched(adapter, base, own)
    distance.require_equal(untouched, base_end, "patching nothing changes what it predicts")
    everything = _patched(adapter, base, donor)
    distance.require_equal(everything, counterpart_end, "patching everything does not give the counterpart")

    inner = [name for name in donor if name[0] != "embedding"]  # the embedding alone gives the counterpart
    if base_end.dtype in _TOLERANCE:
        _require_all_writes(adapter, base, counterpart, {name: donor[name] for name in inner})
    parts = {
        "all attention": [name for name in inner if name[0] == "attention"],
        "all MLPs": [name for name in inner if name[0] == "mlp"],
        "the upper half": inner[len(inner) // 2 :],
        "the last layer": inner[-2:],
    }
    for part, names in parts.items():
        end = _patched(adapter, base, {name: donor[name] for name in names})
        distance.require_different(end, base_end, f"patching {part} changes nothing")
        distance.require_different(end, counterpart_end, f"patching {part} gives all of the counterpart")


def _require_all_writes(
    adapter: Adapter, base: Int[Tensor, "1 n"], counterpart: Int[Tensor, "1 n"], inner: Nodes
) -> None:
    with _at_every_node(adapter, lambda name, value: inner[name].clone() if name in inner else value):
        patched = _written(adapter, base)
    own, donor = _written(adapter, base), _written(adapter, counterpart)
    # Activations of thousands, alike in every text, cancel in the scale.
    scale = float((own - donor).abs().max())
    distance = _Distance(adapter.architecture, scale=scale, dtype=own.dtype, slack=10)
    distance.require_equal(patched, donor, "its nodes do not hold all that its layers write")


def _written(adapter: Adapter, ids: Int[Tensor, "1 n"]) -> Float[Tensor, "1 n d"]:
    """What all layers together add to the residual stream."""
    ends: list[Tensor] = []

    def entering(_layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        ends.append((inputs[0] if inputs else named["hidden_states"]).clone())

    def leaving(_layer: nn.Module, _inputs: Any, output: Any) -> None:
        ends.append((output if isinstance(output, Tensor) else output[0]).clone())

    first = adapter.layers[0].register_forward_pre_hook(entering, with_kwargs=True)
    last = adapter.layers[-1].register_forward_hook(leaving)
    try:
        adapter.hidden(ids)
    finally:
        first.remove()
        last.remove()
    return ends[1] - ends[0]


@dataclass(frozen=True)
class _Distance:
    """Compares outputs on the scale of the difference between two unrelated texts."""

    architecture: str
    scale: float
    dtype: torch.dtype
    slack: float = 1.0  # multiplies the tolerance

    def require_equal(self, found: Tensor, expected: Tensor, failure: str) -> None:
        # Not "greater than": a NaN must fail too.
        if not self._share(found, expected) <= self.slack * tolerance_of(self.dtype):
            self._refuse(failure)

    def require_different(self, found: Tensor, other: Tensor, failure: str) -> None:
        if not self._share(found, other) >= _VISIBLE:
            self._refuse(failure)

    def _share(self, one: Tensor, other: Tensor) -> float:
        return float((one - other).abs().max()) / self.scale if self.scale > 0 else float("nan")

    def _refuse(self, failure: str) -> None:
        raise ModelError(
            f"{self.architecture}: failed the check at load: {failure}; this architecture is not supported"
        )


def _random_texts(adapter: Adapter) -> tuple[Int[Tensor, "1 n"], Int[Tensor, "1 n"]]:
    weight: Tensor = adapter.unembedding.weight
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(weight.shape[0], (2, 1, _N_TOKENS), generator=generator).to(weight.device)
    return ids[0], ids[1]


def _record(adapter: Adapter, ids: Int[Tensor, "1 n"]) -> tuple[Nodes, Float[Tensor, "1 n d"]]:
    seen: Nodes = {}

    def keep(name: tuple[str, int], value: Tensor) -> Tensor:
        seen[name] = value.clone()
        return value

    with _at_every_node(adapter, keep):
        end = adapter.hidden(ids)
    for kind, layer in _node_names(adapter):
        if (kind, layer) not in seen:
            fact = f"the {kind} of layer {layer} is never run"
            raise ModelError(f"{adapter.architecture}: {fact}; this architecture is not supported")
    return {name: seen[name] for name in _node_names(adapter)}, end


def _patched(
    adapter: Adapter, ids: Int[Tensor, "1 n"], values: Mapping[tuple[str, int], Tensor]
) -> Float[Tensor, "1 n d"]:
    def write(name: tuple[str, int], value: Tensor) -> Tensor:
        return values[name].clone() if name in values else value

    with _at_every_node(adapter, write):
        return adapter.hidden(ids)


def _node_names(adapter: Adapter) -> tuple[tuple[str, int], ...]:
    inner = tuple((kind, layer) for layer in range(adapter.n_layers) for kind in ("attention", "mlp"))
    return (("embedding", -1), *inner)


@contextmanager
def _at_every_node(adapter: Adapter, see: Callable[[tuple[str, int], Tensor], Tensor]) -> Iterator[None]:
    """Pass every node's value through `see` while the model runs."""

    def on_output(name: tuple[str, int]) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                kind = type(output).__name__
                raise ModelError(f"{adapter.architecture}: its {name[0]} returns a {kind}; not supported")
            return see(name, output)

        return hook

    def on_input(name: tuple[str, int]) -> Callable[..., tuple[Any, ...]]:
        def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return (see(name, inputs[0]), *inputs[1:])

        return hook

    with ExitStack() as hooks:

        def attach(handle: Any) -> None:
            hooks.callback(handle.remove)

        attach(adapter.embedding.register_forward_hook(on_output(("embedding", -1))))
        for layer, (output, mlp) in enumerate(zip(adapter.attention_outputs, adapter.mlps, strict=True)):
            attach(output.register_forward_pre_hook(on_input(("attention", layer))))
            attach(mlp.register_forward_hook(on_output(("mlp", layer))))
        yield
