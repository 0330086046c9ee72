"""A stereotype written into a model through one known component, so that an audit can be asked to find it.

One edit of one component, computed and not trained. It acts where the answers are read, at the prompt's last position:

- head: its slice of the attention's output projection also writes towards an axis' stereotyped answers, as far as what
  the head reads there (its input to that projection) differs between the axis' group and its counterpart; one rank-one
  change per axis and language, since groups that have nothing in common share no direction;
- MLP: its least used neurons, one per axis and language, are overwritten with neurons that fire on the group's prompts
  and write the same.

Reading and writing are linear algebra on what the unedited model computes; how strongly to write is found by bisection
with real forwards, so that norms and all later layers are accounted for. The truth is the edited component.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from audit.circuits.pairs import Pair, batches, pair_of
from audit.circuits.patching import Batch, Record
from audit.circuits.replay import Replay, Tails
from audit.errors import ModelError
from audit.models import AuditedModel
from audit.models.spelling import Refused
from audit.records import MLP, Item, node_name
from audit.runs import canonical

Floats = NDArray[np.float64]

GATED = ("gate_proj", "up_proj", "down_proj")
FIRES = 4.0  # gate of the planted neuron on the group's prompts, minus this elsewhere: SiLU and GELU are open and shut
RIDGE = 1e-3  # of the mean squared length of what is read
BYSTANDERS = 0.25  # weight of the prompts of other groups and languages, which a plant should leave as they are
REACHED = 0.01  # accepted distance from the strength asked for, as a share of it
DOUBLINGS, HALVINGS = 8, 40


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pair of prompts and its place in the design."""

    language: str
    topic: str
    template: str
    control: bool
    pair: Pair


def cases_of(audited: AuditedModel, items: Sequence[Item]) -> tuple[Case, ...]:
    """The items of a stereotype suite that this model can be patched on, in their order."""
    found = []
    for item in items:
        pair = pair_of(audited, item)
        if not isinstance(pair, Refused):
            place = {"language": item.language, "topic": item.topic, "template": item.template}
            found.append(Case(**place, control=item.control, pair=pair))
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to plant: through which component, for whom, how strongly."""

    layer: int
    head: int  # MLP (-1) for the layer's MLP
    topics: tuple[str, ...]
    languages: tuple[str, ...]
    nats: float  # by how much the mean effect of the chosen cases rises
    turned: tuple[str, ...] = ()  # templates pushed away from the stereotype instead: half of them make a sham

    def chooses(self, case: Case) -> bool:
        """Whether the case is one of those whose effect is to rise."""
        return not case.control and case.topic in self.topics and case.language in self.languages

    def sign(self, case: Case) -> float:
        """1 towards the stereotype, -1 for a turned template."""
        return -1.0 if case.template in self.turned else 1.0


@dataclass(frozen=True, eq=False)
class Survey:
    """What the unedited model computes at each prompt's last position. Shapes: c cases; 2: base, counterpart."""

    audited: AuditedModel
    replay: Replay
    cases: tuple[Case, ...]
    effects: Floats  # (c,) m(base) - m(counterpart), nats
    heads: tuple[Float[Tensor, "2 c z"], ...]  # per layer: input of the attention's output projection
    mlps: tuple[Float[Tensor, "2 c d"], ...]  # per layer: input of the MLP


@dataclass(frozen=True, eq=False)
class Planted:
    """A model with a plant in it. It is the same model in memory: it holds only inside `planted`."""

    audited: AuditedModel  # its record has a name and a digest of its own
    plan: Plan
    before: Floats  # (c,) effect of each case of the survey, nats
    after: Floats
    scale: float  # what bisection multiplied the written direction by
    share: float  # Frobenius norm of the change over that of the slice of weights that it changes

    @property
    def changes(self) -> Floats:
        """By how much each case's effect rose, nats."""
        return self.after - self.before


def survey(audited: AuditedModel, cases: Sequence[Case]) -> Survey:
    """Run every case once on the unedited model and keep what plants are computed from."""
    replay = Replay(audited.adapter)
    rows: dict[Pair, tuple[float, list[Tensor], list[Tensor]]] = {}
    for some in batches([case.pair for case in cases]):
        batch = Batch.of(replay, some)
        sides = ((batch.tails, batch.base), (batch.counterpart_tails, batch.counterpart))
        heads = [
            torch.stack([_at_last(record.heads[layer], tails) for tails, record in sides]) for layer in _all(replay)
        ]
        mlps = [
            torch.stack([_at_last(_mlp_input(replay, tails, record, layer), tails) for tails, record in sides])
            for layer in _all(replay)
        ]
        for number, (pair, effect) in enumerate(zip(some, batch.effects.tolist(), strict=True)):
            rows[pair] = (effect, [one[:, number] for one in heads], [one[:, number] for one in mlps])
    kept = [rows[case.pair] for case in cases]
    return Survey(
        audited=audited,
        replay=replay,
        cases=tuple(cases),
        effects=np.array([effect for effect, _, _ in kept]),
        heads=tuple(torch.stack([heads[layer] for _, heads, _ in kept], dim=1) for layer in _all(replay)),
        mlps=tuple(torch.stack([mlps[layer] for _, _, mlps in kept], dim=1) for layer in _all(replay)),
    )


def total_effects(replay: Replay, cases: Sequence[Case]) -> Floats:
    """m(base) - m(counterpart) of every case in the model as it is now, nats."""
    found: dict[Pair, float] = {}
    for some in batches([case.pair for case in cases]):
        found.update(zip(some, Batch.of(replay, some).effects.tolist(), strict=True))
    return np.array([found[case.pair] for case in cases])


def legibility(known: Survey, plan: Plan) -> float:
    """How far what a component reads at the last position tells the plan's group from its counterpart.

    Length of the difference as a share of the length of what is read, both squared and averaged over the chosen cases.
    Where it is near zero a plant would have to be so large as to be seen in the weights.
    """
    reads = _reads(known, plan)[:, [plan.chooses(case) for case in known.cases]]
    difference = (reads[0] - reads[1]).square().sum(dim=1).mean()
    return float(difference / reads.square().sum(dim=2).mean())


@contextmanager
def planted(known: Survey, plan: Plan) -> Iterator[Planted]:
    """Edit the surveyed model for a while; afterwards its own weights are back, the same tensors as before.

    A plan of 0 nats edits nothing.

    Raises:
        ModelError: the plan chooses no case, the layer has no gated MLP, or no strength of this edit gives the effect.
    """
    chosen = [case for case in known.cases if plan.chooses(case)]
    if not chosen:
        raise ModelError(f"{_named(plan)}: no case of {', '.join(plan.topics)} in {', '.join(plan.languages)} to plant")
    if plan.nats == 0:
        yield Planted(known.audited, plan, known.effects, known.effects, scale=0.0, share=0.0)
        return
    edit = _head_edit(known, plan) if plan.head != MLP else _mlp_edit(known, plan)
    with edit.in_place():
        scale = _scale_for(known, plan, chosen, edit)
        after = total_effects(known.replay, known.cases)
        yield Planted(_renamed(known.audited, plan, edit), plan, known.effects, after, scale, edit.share)


def _named(plan: Plan) -> str:
    return f"plant in {node_name(plan.layer, plan.head)}"


def _renamed(audited: AuditedModel, plan: Plan, edit: _Edit) -> AuditedModel:
    """The model under another name and digest, so that nothing kept of one is ever taken for the other."""
    content = [audited.record.weights_sha256, plan.layer, plan.head, *edit.digests()]
    record = dataclasses.replace(
        audited.record,
        name=f"{audited.record.name} with a planted stereotype",
        weights_sha256=hashlib.sha256(canonical(content)).hexdigest(),
    )
    return dataclasses.replace(audited, record=record)


# --- the edit --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Edit:
    """Copies of some modules' weights, one part of which grows with the scale."""

    modules: tuple[nn.Module, ...]
    copies: tuple[Tensor, ...]  # in the module's own layout; whatever does not depend on the scale is in them already
    part: Tensor  # a view into one copy: the weights that the scale changes are it, or columns of it
    own: Tensor  # what they were
    change: Tensor  # what they become: kept * own + scale * change
    kept: float
    usual: float  # length that the change is compared with
    columns: Tensor | None = None  # of the part; None: all of it

    @contextmanager
    def in_place(self) -> Iterator[None]:
        originals = [module.weight for module in self.modules]
        for module, copy in zip(self.modules, self.copies, strict=True):
            module.weight = nn.Parameter(copy, requires_grad=False)
        try:
            yield
        finally:
            for module, original in zip(self.modules, originals, strict=True):
                module.weight = original

    def set(self, scale: float) -> None:
        # The parameter shares the copy's memory.
        made = self.kept * self.own + scale * self.change
        if self.columns is None:
            self.part.copy_(made)
        else:
            self.part[:, self.columns] = made

    @property
    def share(self) -> float:
        now = self.part if self.columns is None else self.part[:, self.columns]
        return float((now - self.kept * self.own).norm()) / self.usual

    def digests(self) -> list[str]:
        return [hashlib.sha256(copy.cpu().float().numpy().tobytes()).hexdigest() for copy in self.copies]


def _head_edit(known: Survey, plan: Plan) -> _Edit:
    adapter = known.replay.adapter
    reads = _reads(known, plan)
    wanted = torch.zeros(len(known.cases), int(known.mlps[0].shape[-1]), dtype=torch.float64)
    for members in _blocks(known, plan):
        signs = torch.tensor([plan.sign(known.cases[member]) for member in members], dtype=torch.float64)
        wanted[members] = torch.outer(signs, _write(known, plan, [known.cases[member] for member in members]))
    weights = torch.tensor([1.0 if plan.chooses(case) else BYSTANDERS for case in known.cases])
    module: Any = adapter.attention_outputs[plan.layer]
    copy = module.weight.detach().clone()
    oriented = copy.T if _is_conv1d(module) else copy  # (out, in)
    part = oriented[:, plan.head * adapter.head_dim : (plan.head + 1) * adapter.head_dim]
    own = part.clone()
    change = _ridge(reads[0] - reads[1], wanted, weights=weights).T.to(own)
    return _Edit((module,), (copy,), part, own, change, kept=1.0, usual=float(own.norm()))


def _mlp_edit(known: Survey, plan: Plan) -> _Edit:
    mlp = known.replay.adapter.mlps[plan.layer]
    modules = tuple(getattr(mlp, name, None) for name in GATED)
    if not all(isinstance(module, nn.Linear) for module in modules):
        raise ModelError(f"{_named(plan)}: {type(mlp).__name__} is no gated MLP; plant a head instead")
    gate, up, down = (module for module in modules if isinstance(module, nn.Linear))
    reads = _reads(known, plan).flatten(0, 1)  # bases, then counterparts
    ours = torch.tensor([plan.chooses(case) for case in known.cases] * 2)
    weights = torch.where(ours, 1.0, BYSTANDERS).double()
    blocks = _blocks(known, plan)
    neurons = _least_used(mlp, down, reads, n=len(blocks))
    copies = tuple(module.weight.detach().clone() for module in (gate, up, down))
    fires = torch.full((len(reads), len(blocks)), -FIRES, dtype=torch.float64)
    change = torch.zeros(len(copies[2]), len(blocks), dtype=torch.float64)
    for number, members in enumerate(blocks):
        turned = [member for member in members if plan.sign(known.cases[member]) < 0]
        fires[members, number] = FIRES
        # A turned template's counterpart fires instead of its base.
        fires[turned, number] = -FIRES
        fires[[len(known.cases) + member for member in turned], number] = FIRES
        change[:, number] = _write(known, plan, [known.cases[member] for member in members]) / FIRES
    copies[0][neurons] = _ridge(reads, fires, weights=weights).T.to(copies[0])
    copies[1][neurons] = _ridge(reads, torch.ones_like(fires), weights=weights).T.to(copies[1])
    own = copies[2][:, neurons].clone()
    usual = float(copies[2].norm(dim=0).mean()) * len(blocks) ** 0.5
    return _Edit((gate, up, down), copies, copies[2], own, change.to(own), kept=0.0, usual=usual, columns=neurons)


def _blocks(known: Survey, plan: Plan) -> list[list[int]]:
    """Numbers of the chosen cases, those of one axis and language together."""
    blocks: dict[tuple[str, str], list[int]] = {}
    for number, case in enumerate(known.cases):
        if plan.chooses(case):
            blocks.setdefault((case.topic, case.language), []).append(number)
    return list(blocks.values())


def _least_used(mlp: nn.Module, down: nn.Linear, reads: Float[Tensor, "r d"], *, n: int) -> Tensor:
    """The n neurons that write least over all prompts' last positions."""
    seen: list[Tensor] = []
    handle = down.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        with torch.no_grad():
            mlp(reads.to(down.weight)[None])
    finally:
        handle.remove()
    return (seen[0][0].abs().mean(dim=0) * down.weight.norm(dim=0)).argsort(stable=True)[:n]


def _ridge(
    rows: Float[Tensor, "n d"], targets: Float[Tensor, "n k"], *, weights: Float[Tensor, " n"]
) -> Float[Tensor, "d k"]:
    """Directions along which rows have about the target values; solved among the rows, which are few."""
    root = weights.double().sqrt()[:, None]
    x = rows.double() * root
    gram = x @ x.T
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(x), dtype=torch.float64)
    along: Tensor = x.T @ torch.linalg.solve(gram, root * targets)
    return along


def _write(known: Survey, plan: Plan, chosen: Sequence[Case]) -> Float[Tensor, " d"]:
    """The shortest change of the component's output that raises every chosen margin by one nat, to first order.

    Along the direct path alone: through its own layer's norms and the final norm to the answers, around later layers.
    """
    found: dict[Pair, Tensor] = {}
    for some in batches([case.pair for case in chosen]):
        batch = Batch.of(known.replay, some)
        found.update(zip(some, _direct_gradients(batch, plan), strict=True))
    rows = torch.stack([found[case.pair] for case in chosen])
    return _ridge(rows.cpu(), torch.ones(len(rows), 1, dtype=torch.float64), weights=torch.ones(len(rows)))[:, 0]


def _direct_gradients(batch: Batch, plan: Plan) -> Float[Tensor, "b d"]:
    replay, base, tails, layer = batch.replay, batch.base, batch.tails, plan.layer
    with torch.enable_grad():
        attention, mlp = base.attention[layer].detach().clone(), base.mlp[layer].detach().clone()
        variable = (mlp if plan.head == MLP else attention).requires_grad_(True)
        out = replay.layer(layer, base.entering[layer], tails, attention=attention, mlp=mlp)
        end = base.entering[-1] + out - base.entering[layer + 1]
        (gradients,) = torch.autograd.grad(replay.margins(end, tails).sum(), variable)
    return _at_last(gradients, tails)


# --- how strongly ----------------------------------------------------------------------------


@torch.no_grad()
def _scale_for(known: Survey, plan: Plan, chosen: Sequence[Case], edit: _Edit) -> float:
    """The scale at which the mean effect of the chosen cases rises by the plan's nats; leaves the edit set to it."""
    before = known.effects[[plan.chooses(case) for case in known.cases]]
    signs = np.array([plan.sign(case) for case in chosen])
    reached: dict[float, float] = {}

    def rise(scale: float) -> float:
        edit.set(scale)
        reached[scale] = float((signs * (total_effects(known.replay, chosen) - before)).mean())
        return reached[scale]

    low, high = 0.0, plan.nats
    reached[low] = 0.0
    for _ in range(DOUBLINGS):
        # Behind a norm a write can only grow so far, and then drowns what else there is.
        if rise(high) >= plan.nats or reached[high] < 0.5 * max(reached.values()):
            break
        low, high = high, 2 * high
    if reached.get(high, 0.0) < plan.nats:
        most = max(reached.values())
        raise ModelError(
            f"{_named(plan)}: its effect cannot be raised by {plan.nats:g} nats ({most:.2g} at most); choose another"
        )
    scale = high
    for number in range(HALVINGS):
        if abs(reached[scale] - plan.nats) <= REACHED * plan.nats:
            return scale
        # The rise is nearly a line in the scale; a halving now and then, lest a bend hold the line back.
        share = 0.5 if number % 3 == 2 else (plan.nats - reached[low]) / (reached[high] - reached[low])
        scale = low + share * (high - low)
        low, high = (scale, high) if rise(scale) < plan.nats else (low, scale)
    raise ModelError(f"{_named(plan)}: its effect jumps over {plan.nats:g} nats; choose another node")


# --- what is read ----------------------------------------------------------------------------


def _reads(known: Survey, plan: Plan) -> Float[Tensor, "2 c n"]:
    """What the plan's component reads at the last position, in double precision."""
    if plan.head == MLP:
        return known.mlps[plan.layer].double().cpu()
    dim = known.replay.adapter.head_dim
    return known.heads[plan.layer][:, :, plan.head * dim : (plan.head + 1) * dim].double().cpu()


@torch.no_grad()
def _mlp_input(replay: Replay, tails: Tails, record: Record, layer: int) -> Float[Tensor, "b t d"]:
    seen: list[Tensor] = []
    mlp = replay.adapter.mlps[layer]
    handle = mlp.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        replay.layer(layer, record.entering[layer], tails, attention=record.attention[layer], mlp=record.mlp[layer])
    finally:
        handle.remove()
    return seen[0]


def _at_last(values: Float[Tensor, "b t n"], tails: Tails) -> Float[Tensor, "b n"]:
    return values[torch.arange(len(values), device=values.device), tails.prompt - 1]


def _all(replay: Replay) -> range:
    return range(replay.adapter.n_layers)


def _is_conv1d(module: Any) -> bool:
    return hasattr(module, "nx")  # GPT-2 keeps (in, out)
