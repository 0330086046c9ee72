"""What reads the residual stream: per query head q, k and v, each MLP, and the norms they read it through.

The model's own layers are run; hooks keep what enters the norms and what leaves the projections. Keys and values of
grouped heads are copied to every query head first, so that each query head has its own gradient; copying changes no
number. From the gradients at the projections, those at the residual stream follow in closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audit.circuits.replay import Replay, Tails
from audit.errors import UnsupportedModelError
from audit.models.adapter import INNER_ATTENTION, Adapter

EPSILONS = ("variance_epsilon", "eps", "epsilon")  # what norms call theirs
SPLIT, FUSED = ("q_proj", "k_proj", "v_proj"), "c_attn"
# Largest accepted difference, as a share of the largest value compared.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
_HALF_TOLERANCE = 5e-2


@dataclass(frozen=True, eq=False)
class Norm:
    """An RMSNorm or LayerNorm: gain * unit(x) + shift, with unit(x) = (x, or x less its mean) / spread(x)."""

    module: nn.Module
    gain: Float[Tensor, " d"]  # 1 + weight where the norm multiplies by that (Gemma)
    shift: Float[Tensor, " d"] | None
    epsilon: float
    centred: bool

    @classmethod
    def of(cls, module: nn.Module, *, architecture: str) -> Norm:
        """The closed form of a norm, told apart by what it does to random vectors and checked against autograd.

        Raises:
            UnsupportedModelError: it does something else.
        """
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        epsilon = next((getattr(module, name) for name in EPSILONS if hasattr(module, name)), None)
        if not isinstance(weight, Tensor) or weight.dim() != 1 or epsilon is None:
            raise _unknown_norm(module, architecture)
        generator = torch.Generator().manual_seed(0)
        x, gradient = (torch.randn(2, len(weight), generator=generator).to(weight) for _ in range(2))
        with torch.enable_grad():
            x = x.requires_grad_(True)
            out = module(x)
            pulled = torch.autograd.grad(out, x, gradient)[0]
        x, out = x.detach(), out.detach()
        for gain in (weight.detach(), 1 + weight.detach()):
            for centred in (False, True):
                norm = cls(module, gain, None if bias is None else bias.detach(), float(epsilon), centred)
                if _alike(norm(x), out) and _alike(norm.pull_back(x, gradient), pulled):
                    return norm
        raise _unknown_norm(module, architecture)

    def __call__(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """What the module gives."""
        y = self.gain * self.unit(x)[0]
        return y if self.shift is None else y + self.shift

    def unit(self, x: Float[Tensor, "*n d"]) -> tuple[Float[Tensor, "*n d"], Float[Tensor, "*n 1"]]:
        """The vectors at length sqrt(d), and what they were multiplied by."""
        x = self.centre(x)
        scale = torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.epsilon)
        return x * scale, scale

    def centre(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Without their mean, if the norm takes it off."""
        return x - x.mean(dim=-1, keepdim=True) if self.centred else x

    def pull_back(self, x: Float[Tensor, "*n d"], gradient: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Gradient at the norm's input x from that at its output: r (v - unit (unit . v) / d), v = gain * gradient."""
        unit, scale = self.unit(x)
        v = self.gain * gradient
        return scale * (self.centre(v) - unit * (unit * v).mean(dim=-1, keepdim=True))


def _alike(found: Tensor, expected: Tensor) -> bool:
    tolerance = TOLERANCE.get(expected.dtype, _HALF_TOLERANCE)
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


def _unknown_norm(module: nn.Module, architecture: str) -> UnsupportedModelError:
    kind = type(module).__name__
    return UnsupportedModelError(
        f"{architecture}: {kind} is neither an RMSNorm nor a LayerNorm; edges are not supported"
    )


@dataclass(eq=False)
class Seen:
    """What one layer's readers read and got, from one run under autograd."""

    before_attention: Tensor = field(init=False)  # residual stream, (r, t, d)
    before_mlp: Tensor = field(init=False)
    mlp_input: Tensor = field(init=False)  # behind the norm
    projected: list[Tensor] = field(default_factory=list)  # q, k, v of every query head, or all three in one

    @property
    def tensors(self) -> list[Tensor]:
        """Where gradients are taken."""
        return [*self.projected, self.mlp_input]


@dataclass(frozen=True, eq=False)
class LayerReaders:
    """One layer's readers, and what its outputs pass through on their way into the residual stream."""

    attention: nn.Module  # the module that has the projections
    projections: tuple[nn.Module, ...]  # q, k, v, or the fused one
    mlp: nn.Module
    attention_norm: Norm
    mlp_norm: Norm
    after_attention: nn.Module | None  # post-norm
    after_mlp: nn.Module | None
    parallel: bool  # the MLP does not read this layer's heads
    n_heads: int
    group: int  # query heads that share keys and values

    @contextmanager
    def watched(self) -> Iterator[Seen]:
        """Keep what the layer's readers see while it runs, with keys and values of every query head's own."""
        seen = Seen()

        def before_attention(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen.before_attention = inputs[0].detach()

        def before_mlp(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen.before_mlp = inputs[0].detach()

        def mlp_input(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            # A node of its own in the graph: where attention and MLP share a norm, its output leads to both.
            seen.mlp_input = inputs[0].view_as(inputs[0])
            return (seen.mlp_input, *inputs[1:])

        with self.ungrouped(), ExitStack() as hooks:
            hooks.callback(self.attention_norm.module.register_forward_pre_hook(before_attention).remove)
            hooks.callback(self.mlp_norm.module.register_forward_pre_hook(before_mlp).remove)
            hooks.callback(self.mlp.register_forward_pre_hook(mlp_input).remove)
            for projection in self.projections:
                keep = projection.register_forward_hook(lambda _m, _i, out: seen.projected.append(out))
                hooks.callback(keep.remove)
            yield seen

    @contextmanager
    def ungrouped(self) -> Iterator[None]:
        """Give every query head keys and values of its own for a while: copies of its group's."""
        if self.group == 1:
            yield
            return
        holder: Any = self.attention
        with ExitStack() as hooks:
            for projection in self.projections[1:]:
                copied = projection.register_forward_hook(lambda _m, _i, out: self._copied(out))
                hooks.callback(copied.remove)
            holder.num_key_value_groups = 1
            hooks.callback(lambda: setattr(holder, "num_key_value_groups", self.group))
            yield

    def _copied(self, out: Float[Tensor, "*n shared"]) -> Float[Tensor, "*n z"]:
        n_shared = self.n_heads // self.group
        return out.unflatten(-1, (n_shared, -1)).repeat_interleave(self.group, dim=-2).flatten(-2)

    def project(self, y: Float[Tensor, "*n d"]) -> Float[Tensor, "*n 3z"]:
        """q, k and v of every query head side by side."""
        outs = [projection.forward(y) for projection in self.projections]  # without the hooks
        return torch.cat([outs[0], *(self._copied(out) for out in outs[1:])], dim=-1)

    def weights(self) -> Float[Tensor, "rows head_dim d"]:
        """Of q of every query head, then k, then v."""
        if len(self.projections) == 1:
            fused: Tensor = self.projections[0].weight  # type: ignore[assignment]
            return fused.T.reshape(3 * self.n_heads, -1, fused.shape[0])
        parts = []
        for number, projection in enumerate(self.projections):
            weight: Tensor = projection.weight  # type: ignore[assignment]
            group = self.group if number else 1
            by_head = weight.view(self.n_heads // group, -1, weight.shape[1])
            parts.append(by_head if group == 1 else by_head.repeat_interleave(group, dim=0))
        return torch.cat(parts)

    def head_gradients(self, seen: Seen, gradients: list[Tensor], *, points: int) -> Float[Tensor, "b rows t d"]:
        """Sum over the points of the gradient at the residual stream, as each q, k and v of each query head reads it.

        With g the gradient at a projection's output o = W (gain * unit) + const and r the norm's factor, the gradient
        at the norm's input is r gain * W^T g - unit r ((o - const) . g) / d: the first term is summed over the points
        before the product with W, the second is a product of few vectors.

        Args:
            seen: of rows point by point, pair by pair.
            gradients: at `seen.projected`.
            points: how many points there are.
        """
        norm = self.attention_norm
        unit, scale = norm.unit(seen.before_attention)
        nothing = torch.zeros_like(norm.gain) if norm.shift is None else norm.shift
        g = torch.cat(gradients, dim=-1)  # (r, t, 3 z)
        along = ((torch.cat(seen.projected, dim=-1).detach() - self.project(nothing)) * g).unflatten(
            -1, (3 * self.n_heads, -1)
        ).sum(dim=-1) * (scale / unit.shape[-1])
        g = (g * scale).unflatten(0, (points, -1)).sum(dim=0)
        b, t = g.shape[:2]
        by_reader = g.view(b * t, 3 * self.n_heads, -1).transpose(0, 1)
        direct = norm.centre(torch.bmm(by_reader, self.weights()) * norm.gain)  # (3 heads, b t, d)
        direct = direct.view(-1, b, t, direct.shape[-1]).permute(1, 2, 0, 3)  # (b, t, 3 heads, d)
        bent = torch.einsum("nbth,nbtd->bthd", along.unflatten(0, (points, b)), unit.unflatten(0, (points, b)))
        return (direct - bent).transpose(1, 2)

    def mlp_gradient(self, seen: Seen, gradient: Tensor, *, points: int) -> Float[Tensor, "b t d"]:
        """Sum over the points of the gradient at the residual stream, as the MLP reads it."""
        pulled = self.mlp_norm.pull_back(seen.before_mlp, gradient)
        return pulled.unflatten(0, (points, -1)).sum(dim=0)


class Readers:
    """All readers of a model; to be built once.

    Raises:
        UnsupportedModelError: a projection, a norm or what a layer adds is not as the closed form has it.
    """

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.adapter = replay.adapter
        self.layers = tuple(_find(self.adapter))
        self._require_copies_change_nothing()

    @torch.no_grad()
    def _require_copies_change_nothing(self) -> None:
        ids = torch.arange(4, device=self.replay.device)[None]
        expected = self.adapter.hidden(ids)
        with ExitStack() as stack:
            for layer in self.layers:
                stack.enter_context(layer.ungrouped())
            try:
                same = _alike(self.adapter.hidden(ids), expected)
            except RuntimeError:  # shapes that do not fit
                same = False
        if not same:
            raise UnsupportedModelError(
                f"{self.adapter.architecture}: attention does not take keys and values of every query head's own; "
                "edges are not supported"
            )

    def expand(self, tails: Tails, rows: Int[Tensor, " r"]) -> Tails:
        """The tails of some pairs, with keys and values of every query head's own in their prefixes."""
        some, group = tails.take(rows), self.layers[0].group
        keys, values = (
            tuple(one.repeat_interleave(group, dim=1) for one in many)
            for many in (some.prefix_keys, some.prefix_values)
        )
        return replace(some, prefix_keys=keys, prefix_values=values)


# --- finding them ----------------------------------------------------------------------------


@dataclass(eq=False)
class _Calls:
    """What the parts of a layer got and gave while the model ran."""

    got: dict[nn.Module, Tensor] = field(default_factory=dict)
    gave: dict[nn.Module, Tensor] = field(default_factory=dict)

    def note(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        self.got[module] = inputs[0] if inputs else named["hidden_states"]
        self.gave[module] = output if isinstance(output, Tensor) else output[0]


def _find(adapter: Adapter) -> Iterator[LayerReaders]:
    found = [_projections(adapter, layer) for layer in range(adapter.n_layers)]
    calls = _Calls()
    with ExitStack() as hooks:
        for layer in adapter.layers:
            for module in (layer, *layer.children()):
                hooks.callback(module.register_forward_hook(calls.note, with_kwargs=True).remove)
        ids = torch.arange(4, device=adapter.unembedding.weight.device)[None]
        with torch.no_grad():
            adapter.hidden(ids)
    for number, (attention, projections) in enumerate(found):
        yield _layer(adapter, number, attention, projections, calls)


def _projections(adapter: Adapter, layer: int) -> tuple[nn.Module, tuple[nn.Module, ...]]:
    """The module that has the projections of a layer's attention, and them."""
    attention = adapter.attentions[layer]
    for name in INNER_ATTENTION:
        attention = getattr(attention, name, attention)
    width, shared = adapter.n_heads * adapter.head_dim, adapter.n_kv_heads * adapter.head_dim
    fused = getattr(attention, FUSED, None)
    if fused is not None and getattr(fused, "nf", None) == 3 * width and shared == width:
        return attention, (fused,)
    split = tuple(getattr(attention, name, None) for name in SPLIT)
    if [getattr(one, "out_features", None) for one in split] != [width, shared, shared]:
        raise UnsupportedModelError(
            f"{adapter.architecture}: attention has no projections to q, k and v; edges are not supported"
        )
    if shared != width and not hasattr(attention, "num_key_value_groups"):
        raise UnsupportedModelError(
            f"{adapter.architecture}: attention does not say how it groups heads; edges are not supported"
        )
    return attention, tuple(one for one in split if one is not None)


def _layer(
    adapter: Adapter, number: int, attention: nn.Module, projections: tuple[nn.Module, ...], calls: _Calls
) -> LayerReaders:
    layer, outer, mlp = adapter.layers[number], adapter.attentions[number], adapter.mlps[number]

    def norm_before(reader: nn.Module) -> Norm:
        read = calls.got[reader]
        module = next((one for one in layer.children() if calls.gave.get(one) is read and one not in parts), None)
        if module is None:
            what = "attention" if reader is outer else "MLP"
            raise UnsupportedModelError(
                f"{adapter.architecture}: its {what} does not read a norm; edges are not supported"
            )
        return Norm.of(module, architecture=adapter.architecture)

    def norm_after(writer: nn.Module) -> nn.Module | None:
        gave = calls.gave[writer]
        # A dropout that does nothing gives the very tensor it got.
        behind = (one for one in layer.children() if calls.got.get(one) is gave and calls.gave[one] is not gave)
        return next((one for one in behind if one not in parts), None)

    parts = (outer, mlp)
    mlp_norm = norm_before(mlp)
    readers = LayerReaders(
        attention=attention,
        projections=projections,
        mlp=mlp,
        attention_norm=norm_before(outer),
        mlp_norm=mlp_norm,
        after_attention=norm_after(outer),
        after_mlp=norm_after(mlp),
        parallel=_alike(calls.got[mlp_norm.module], calls.got[layer]),
        n_heads=adapter.n_heads,
        group=adapter.n_heads // adapter.n_kv_heads,
    )
    _require_sum(adapter.architecture, readers, calls, layer, outer)
    return readers


def _require_sum(
    architecture: str, readers: LayerReaders, calls: _Calls, layer: nn.Module, attention: nn.Module
) -> None:
    """The residual stream is the sum of what is written, and each norm reads it as it is there."""
    entering = calls.got[layer]
    by_attention = written(readers.after_attention, calls.gave[attention])
    middle = entering if readers.parallel else entering + by_attention
    leaving = entering + by_attention + written(readers.after_mlp, calls.gave[readers.mlp])
    compared: tuple[tuple[Tensor, Tensor], ...] = (
        (calls.got[readers.attention_norm.module], entering),
        (calls.got[readers.mlp_norm.module], middle),
        (calls.gave[layer], leaving),
    )
    if not all(_alike(found, expected) for found, expected in compared):
        raise UnsupportedModelError(
            f"{architecture}: a layer does not add its parts' outputs unchanged; edges are not supported"
        )


@torch.no_grad()
def written(after: Callable[..., Any] | None, output: Tensor) -> Tensor:
    """What an output adds to the residual stream, behind its post-norm where there is one."""
    result: Tensor = output if after is None else after(output)
    return result
