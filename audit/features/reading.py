"""Reads portions of texts inside the model, each reading kept under the digest of what decides it.

What a run that was stopped has read is not read again. States are kept as float32, exactly as they are used.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from audit.errors import UnsupportedModelError
from audit.features import activations, steering
from audit.features.activations import Asked
from audit.features.steering import Choice, Setting, choice_of
from audit.models import AuditedModel
from audit.models.adapter import find_adapter
from audit.models.spelling import Ids, Refused, spell
from audit.records import Ask, ModelRecord
from audit.runs import ShardCache, content_key
from audit.sharing import Job, share

if TYPE_CHECKING:
    from audit.features.saes import Dictionary

Floats32 = NDArray[np.float32]
# A model of the same shape with new weights needs its own memory: beyond this it is not made.
LARGEST_RANDOM = 1_000_000_000
RANDOM_SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class States:
    """Residual stream at the last token, (n, d); NaN rows where refused."""

    values: Floats32
    refused: Mapping[int, str]  # row -> reason


@dataclass(frozen=True, kw_only=True, eq=False)
class Pushed:
    """What two-label prompts give, one row each; NaN where refused."""

    margins: Floats32  # (n,)
    states: Floats32  # (n, d)
    gradients: Floats32  # (n, d)
    refused: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class Edit:
    """An answer asked for with some latents set."""

    prompt: str
    answer: tuple[str, ...]  # alternatives
    setting: Setting


class Reader:
    """Asks one model at one layer, or the cache.

    Args:
        load: gives the model; called at most once, when something is missing.
        model: which model that is.
        layer: after which the residual stream is read.
        versions: what else decides numbers.
        cache: where readings are kept.
    """

    def __init__(
        self,
        load: Callable[[], AuditedModel],
        *,
        model: ModelRecord,
        layer: int,
        versions: Mapping[str, str],
        cache: ShardCache,
    ) -> None:
        self._load, self._record, self.layer, self._cache = load, model, layer, cache
        self._versions = dict(versions)
        self._audited: AuditedModel | None = None
        self._random: AuditedModel | None = None

    @property
    def audited(self) -> AuditedModel:
        """The model, loaded now if it was not."""
        self._audited = self._audited or self._load()
        return self._audited

    def states(self, texts: Sequence[str], *, random: bool = False) -> States:
        """States of texts; with `random`, of a model of the same shape whose weights are drawn anew."""
        content = {"reading": "states", "random": random, "texts": list(texts)}
        kept = self._kept(content, lambda: self._states(texts, self._fresh() if random else self.audited))
        return States(values=_unpacked(kept["states"]), refused=_reasons(kept["refused"]))

    def pushed(self, asks: Sequence[Ask]) -> Pushed:
        """States, margins and gradients of prompts with the answers "a" and "b".

        Refused where an answer has alternatives, or where they differ in more than their last token: the margin is then
        no difference of two logits.
        """
        content = {"reading": "pushed", "asks": [dataclasses.asdict(ask) for ask in asks]}
        kept = self._kept(content, lambda: self._pushed(asks))
        margins, states, gradients = (_unpacked(kept[name]) for name in ("margins", "states", "gradients"))
        return Pushed(margins=margins[:, 0], states=states, gradients=gradients, refused=_reasons(kept["refused"]))

    def edited(self, edits: Sequence[Edit], dictionary: Dictionary) -> list[float]:
        """Log P(answer | prompt) of each, nats; NaN where it cannot be spelled."""
        content = {
            "reading": "edited",
            "dictionary": dictionary.digest,
            "edits": [dataclasses.asdict(edit) for edit in edits],
        }
        kept = self._kept(content, lambda: {"logps": self._edited(edits, dictionary)})
        return [float("nan") if value is None else value for value in kept["logps"]]

    def marked(self, texts: Sequence[tuple[str, int]], dictionary: Dictionary) -> list[list[tuple[str, float | None]]]:
        """Each text in pieces, one per token, with the latent's activation there; None where it is not read."""
        content = {"reading": "marked", "dictionary": dictionary.digest, "texts": [list(one) for one in texts]}
        kept = self._kept(content, lambda: {"pieces": self._marked(texts, dictionary)})
        return [[(str(piece), value) for piece, value in one] for one in kept["pieces"]]

    def kept(self, content: Mapping[str, Any], make: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
        """Something else that this model decides, from the cache or made now."""
        return self._kept(dict(content), make)

    def share(self, jobs: Sequence[Job], *, done: Callable[[int], None], random: bool = False) -> None:
        """Do what several calls of this reader need, in as many processes as there are; see `audit.sharing`.

        With `random`, the model of random weights is made before, once for all processes.
        """

        def load() -> AuditedModel:
            if random:
                self._fresh()
            return self.audited

        share(jobs, cache=self._cache, load=load, done=done)

    # --- asking the model ---------------------------------------------------------------------

    def _kept(self, content: dict[str, Any], make: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
        asked = {**content, "layer": self.layer}
        return self._cache.kept(content_key(self._record, versions=self._versions, content=asked), make)

    def _states(self, texts: Sequence[str], audited: AuditedModel) -> dict[str, Any]:
        found, refused = self._encoded(texts)
        width = audited.adapter.unembedding.weight.shape[1]
        values = np.full((len(texts), width), np.nan, dtype=np.float32)
        values[list(found)] = activations.last_states(audited, self.layer, list(found.values())).numpy()
        return {"states": _packed(values), "refused": refused}

    def _encoded(self, texts: Sequence[str]) -> tuple[dict[int, Ids], dict[str, str]]:
        found, refused = {}, {}
        first = activations.first_token(self.audited)
        for row, text in enumerate(texts):
            ids = self.audited.encode(text)
            if len(ids) <= first:
                refused[str(row)] = "no token is left to read"
            elif len(ids) > self.audited.context_length:
                refused[str(row)] = f"{len(ids)} tokens; the model reads {self.audited.context_length}"
            else:
                found[row] = ids
        return found, refused

    def _pushed(self, asks: Sequence[Ask]) -> dict[str, Any]:
        choices: dict[int, Choice] = {}
        refused = {}
        for row, ask in enumerate(asks):
            spelled = spell(self.audited, ask)
            if isinstance(spelled, Refused):
                refused[str(row)] = spelled.reason
            elif any(len(many) != 1 for many in spelled.values()):
                refused[str(row)] = "a label has alternatives"
            else:
                a, b = spelled["a"][0], spelled["b"][0]
                choice = choice_of(a.prefix, a.answer, b.answer)
                if choice is None:
                    refused[str(row)] = "its labels differ in more than their last token"
                else:
                    choices[row] = choice
        width = self.audited.adapter.unembedding.weight.shape[1]
        columns = {"margins": np.full((len(asks), 1), np.nan, dtype=np.float32)}
        columns |= {name: np.full((len(asks), width), np.nan, np.float32) for name in ("states", "gradients")}
        if choices:
            rows = list(choices)
            found = steering.pulls(self.audited, self.layer, list(choices.values()))
            columns["margins"][rows, 0] = found.margins.numpy()
            columns["states"][rows] = found.states.numpy()
            columns["gradients"][rows] = found.gradients.numpy()
        return {**{name: _packed(values) for name, values in columns.items()}, "refused": refused}

    def _edited(self, edits: Sequence[Edit], dictionary: Dictionary) -> list[float | None]:
        settings = [Setting(), *sorted({edit.setting for edit in edits} - {Setting()}, key=dataclasses.astuple)]
        number = {setting: place for place, setting in enumerate(settings)}
        asked: list[Asked] = []
        rows: list[int] = []
        for row, edit in enumerate(edits):
            many = spell(self.audited, Ask(context="", prompt=edit.prompt, answers={"x": edit.answer}))
            if not isinstance(many, Refused):
                which = number[edit.setting]
                asked += [Asked(prompt=one.prefix, answer=one.answer, edit=which) for one in many["x"]]
                rows += [row] * len(many["x"])
        act = steering.latents_set(dictionary, settings)
        found: dict[int, list[float]] = {}
        for row, logp in zip(rows, activations.edited_logps(self.audited, self.layer, asked, act), strict=True):
            found.setdefault(row, []).append(logp)
        sums = {row: float(np.logaddexp.reduce(logps)) for row, logps in found.items()}
        return [sums[row] if row in sums and np.isfinite(sums[row]) else None for row in range(len(edits))]

    def _marked(self, texts: Sequence[tuple[str, int]], dictionary: Dictionary) -> list[list[tuple[str, float | None]]]:
        unique = sorted({text for text, _ in texts})
        found, _ = self._encoded(unique)
        seen = activations.all_states(self.audited, self.layer, list(found.values()))
        states = dict(zip((unique[row] for row in found), seen, strict=True))
        out: list[list[tuple[str, float | None]]] = []
        for text, latent in texts:
            pieces = token_pieces(self.audited, text)
            if text not in states:
                out.append([(piece, None) for piece in pieces])
                continue
            with torch.inference_mode():
                active = dictionary.encode(states[text].to(self.audited.model.device))[:, latent].float().tolist()
            unread = len(pieces) - len(active)
            values: list[float | None] = [None] * unread + [round(value, 4) for value in active]
            out.append(list(zip(pieces, values, strict=True)))
        return out

    def _fresh(self) -> AuditedModel:
        self._random = self._random or random_model(self.audited, seed=RANDOM_SEED)
        return self._random


def random_model(audited: AuditedModel, *, seed: int) -> AuditedModel:
    """The same architecture and tokenizer with weights drawn anew, as the architecture draws them before training.

    What a probe finds in it is in the text and in the shape of the model, not in what the model has learned
    (Heap et al. 2025, arXiv 2501.17727).

    Raises:
        UnsupportedModelError: it would need as much memory again as a large model has.
    """
    record = audited.record
    if record.n_parameters > LARGEST_RANDOM:
        raise UnsupportedModelError(
            f"{record.name}: {record.n_parameters} parameters are too many for a second model of random weights; "
            "that lens is left out"
        )
    config = copy.deepcopy(audited.model.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = type(audited.model)(config)
    model = model.to(device=audited.model.device, dtype=audited.model.dtype).eval().requires_grad_(False)
    return AuditedModel(record=record, model=model, tokenizer=audited.tokenizer, adapter=find_adapter(model))


def random_latents(states: Floats32, *, n_latents: int, active: int, seed: int) -> Floats32:
    """An SAE that has learned nothing, (n, latents): random directions, as many active at once as in the real one.

    Each latent is the projection of the centred state on a random direction of length 1, negative ones set to zero;
    of a text's latents the `active` largest are kept (as TopK does with the real one's mean number).
    """
    generator = np.random.default_rng([seed, n_latents, states.shape[1]])
    directions = generator.standard_normal((states.shape[1], n_latents)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    values = np.maximum((states - states.mean(axis=0)) @ directions, 0.0)
    active = min(max(active, 1), n_latents)
    least = np.partition(values, n_latents - active, axis=1)[:, n_latents - active]
    return np.where(values >= least[:, None], values, np.float32(0))


def token_pieces(audited: AuditedModel, text: str) -> list[str]:
    """A text cut at its tokens' ends; the pieces of BOS are left out, those joined give the text.

    Where several tokens share a character (bytes), it stands with the first of them and the others are empty.
    """
    spans = audited.tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    ends = np.maximum.accumulate([end for _, end in spans] or [0]).tolist()
    starts = [0, *ends[:-1]]
    pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)] if spans else []
    if pieces:
        pieces[-1] += text[ends[-1] :]
    return pieces


def _packed(values: Floats32) -> dict[str, Any]:
    data = np.ascontiguousarray(values, dtype="<f4")
    return {"shape": list(data.shape), "float32": base64.b64encode(data.tobytes()).decode()}


def _unpacked(kept: Mapping[str, Any]) -> Floats32:
    flat = np.frombuffer(base64.b64decode(kept["float32"]), dtype="<f4")
    return flat.reshape(kept["shape"]).astype(np.float32)


def _reasons(kept: Mapping[str, str]) -> dict[int, str]:
    return {int(row): reason for row, reason in kept.items()}
