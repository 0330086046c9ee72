"""How good an SAE is, per language: what its latents explain of the stream, and what the model still can do with that.

Loss is the model's own, in nats per token, three times: as it is; with the stream after the layer replaced by what the
latents say of it; and with the stream replaced by zero. Only tokens that are read are replaced: what the tokenizer puts
before every text keeps its stream in all three.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from audit.errors import UsageError
from audit.features.activations import all_states, at_layer, first_token
from audit.features.saes import CARD, Dictionary, read_json
from audit.features.texts import read_texts
from audit.models import AuditedModel
from audit.models.likelihood import token_logps
from audit.models.spelling import Ids
from audit.progress import Reporter, Silent
from audit.records import SAE_COLUMNS
from audit.runs import whole_or_absent

BATCH_TOKENS = 1024  # in one forward, padding counted
ENCODED_AT_ONCE = 1 << 25  # activations of latents held at once: 128 MB
# A mean of all languages below the first, a language below the second, or more dead latents than the third: flagged.
RECOVERED_BAR, LANGUAGE_BAR, DEAD_BAR = 0.85, 0.75, 0.10


def judge(
    dictionary: Dictionary,
    audited: AuditedModel,
    texts: Mapping[str, Sequence[str]],
    *,
    n_tokens: int = 1000,
    loss_tokens: int | None = None,
    reporter: Reporter | None = None,
) -> pd.DataFrame:
    """One row of `SAE_COLUMNS` per language.

    Args:
        dictionary: the SAE.
        audited: the model it belongs to.
        texts: by language; each is run by itself, from the tokenizer's leading special tokens on.
        n_tokens: texts of a language are taken in order until they have so many tokens (leading ones not counted).
        loss_tokens: of these texts, the first until they have so many tokens decide the losses; all, if None. Losses
            cost ten times the rest, and settle sooner.
        reporter: told of each language.

    Returns:
        Explained variance: 1 - sum ||x - x'||^2 / sum ||x - mean||^2 over the language's tokens, the mean being the
        language's own. L0: latents above zero, per token. Dead: share of latents that no token of any language
        activates. Loss recovered: NaN where taking the stream away does not raise the loss.

    Raises:
        UsageError: no text of a language is long enough to predict anything.
    """
    report = reporter or Silent()
    report.stage("judging the SAE", len(texts), unit="languages")
    alive = torch.zeros(dictionary.n_latents, dtype=torch.bool)
    rows = []
    for language, some in sorted(texts.items()):
        ids = _first_texts(audited, some, n_tokens=n_tokens, language=language)
        n_loss = _count(ids, first_token(audited), loss_tokens)
        tally = _Tally(audited.adapter.unembedding.weight.shape[1])
        for batch in _batches(ids[:n_loss]):
            _judge_batch(dictionary, audited, batch, tally)
        for states in all_states(audited, dictionary.layer, ids[n_loss:]):
            _restored(dictionary, states.to(dictionary.directions), tally)
        alive |= tally.alive if tally.alive is not None else False
        rows.append({"sae": dictionary.name, "layer": dictionary.layer, "language": language, **tally.figures()})
        report.advance(1)
    dead = 1 - float(alive.double().mean())
    return pd.DataFrame([{**row, "dead_share": dead} for row in rows], columns=list(SAE_COLUMNS)).astype(SAE_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Card:
    """The quality of an SAE on held-out text, kept beside it."""

    digest: str  # of the SAE
    text: str  # what it was judged on
    sha256: Mapping[str, str]  # of the text files, by language
    rows: pd.DataFrame  # SAE_COLUMNS

    @property
    def flags(self) -> tuple[str, ...]:
        """What falls short of the bars, in words."""
        return flags(self.rows)


def judge_folder(
    dictionary: Dictionary,
    audited: AuditedModel,
    folder: Path,
    *,
    n_tokens: int = 1000,
    loss_tokens: int | None = None,
    languages: Collection[str] = (),
    reporter: Reporter | None = None,
) -> Card:
    """The card of an SAE on a folder of <language>.txt files, or on those of some languages.

    Raises:
        UsageError: a language has no file; otherwise as `judge` and `read_texts`.
    """
    texts = read_texts(folder)
    missing = sorted(set(languages) - set(texts.lines))
    if missing:
        raise UsageError(f"{folder}: no {missing[0]}.txt in it; choose among {', '.join(sorted(texts.lines))}")
    some = {language: lines for language, lines in texts.lines.items() if not languages or language in languages}
    rows = judge(dictionary, audited, some, n_tokens=n_tokens, loss_tokens=loss_tokens, reporter=reporter)
    losses = "" if loss_tokens is None else f", losses on the first {loss_tokens}"
    return Card(
        digest=dictionary.digest,
        text=f"{folder.resolve().name}, the first {n_tokens} tokens of each language{losses}",
        sha256={language: texts.sha256[language] for language in some},
        rows=rows,
    )


def flags(rows: pd.DataFrame) -> tuple[str, ...]:
    """What in rows of `SAE_COLUMNS` of one SAE falls short of the bars, in words; () if nothing does."""
    recovered = {
        str(language): float(share) for language, share in zip(rows["language"], rows["loss_recovered"], strict=True)
    }
    mean, dead = sum(recovered.values()) / len(recovered), float(rows["dead_share"].iloc[0])
    found = [] if mean >= RECOVERED_BAR else [f"loss recovered is {mean:.2f} on average, below {RECOVERED_BAR}"]
    found += [
        f"{language}: loss recovered is {share:.2f}, below {LANGUAGE_BAR}"
        for language, share in recovered.items()
        if not share >= LANGUAGE_BAR  # what is undefined is no pass either
    ]
    if not dead <= DEAD_BAR:
        found.append(f"{dead:.0%} of the latents are never active, more than {DEAD_BAR:.0%}")
    return tuple(found)


def write_card(folder: Path, card: Card) -> None:
    """Keep a card beside its SAE."""
    with whole_or_absent(folder / CARD) as temporary:
        temporary.write_text(json.dumps(as_content(card), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def as_content(card: Card) -> dict[str, Any]:
    """A card as it is kept in JSON; what is undefined is null."""
    rows = [{str(name): _plain(value) for name, value in row.items()} for row in card.rows.to_dict("records")]
    return {
        "digest": card.digest,
        "text": card.text,
        "sha256": dict(card.sha256),
        "flags": list(card.flags),
        "rows": rows,
    }


def table(card: Card) -> list[dict[str, str]]:
    """A card's rows for people to read, and the mean of all languages."""
    shown = {
        "explained_variance": "{:.1%}",
        "l0": "{:.0f}",
        "dead_share": "{:.1%}",
        "loss_recovered": "{:.1%}",
        "loss_model": "{:.2f}",
        "loss_sae": "{:.2f}",
        "loss_ablated": "{:.2f}",
    }
    means: dict[Hashable, Any] = {"language": "mean", "n_tokens": card.rows["n_tokens"].sum()}
    means |= {name: card.rows[name].mean() for name in shown}
    return [
        {"language": str(row["language"]), "tokens": str(row["n_tokens"])}
        | {name: "undefined" if pd.isna(row[name]) else form.format(row[name]) for name, form in shown.items()}
        for row in [*card.rows.to_dict("records"), means]
    ]


def read_card(folder: Path) -> Card | None:
    """The card kept beside an SAE; None if there is none.

    Raises:
        DictionaryError: it is damaged.
    """
    if not (folder / CARD).is_file():
        return None
    content = read_json(folder / CARD)
    rows = pd.DataFrame(content["rows"], columns=list(SAE_COLUMNS)).astype(SAE_COLUMNS)
    return Card(digest=content["digest"], text=content["text"], sha256=content["sha256"], rows=rows)


def markdown(card: Card) -> str:
    """The table as documentation has it."""
    content = table(card)
    head = [name.replace("_", " ") for name in content[0]]
    lines = [head, ["---", *("---:" for _ in head[1:])], *(list(row.values()) for row in content)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: Any) -> Any:
    """Six digits are more than the texts can tell; what is undefined is null."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value


# --- one batch -------------------------------------------------------------------------------


class _Tally:
    """Sums over a language's tokens, in float64."""

    def __init__(self, width: int) -> None:
        self.n = self.n_active = 0
        self.unsaid = self.square = 0.0
        self.total = torch.zeros(width, dtype=torch.float64)
        self.alive: Tensor | None = None
        self.n_losses = 0
        self.losses = {"loss_model": 0.0, "loss_sae": 0.0, "loss_ablated": 0.0}

    def add(self, stream: Float[Tensor, "n d"], restored: Float[Tensor, "n d"], active: Tensor) -> None:
        wide = stream.double()
        self.n += len(stream)
        self.total += wide.sum(dim=0)
        self.square += float(wide.pow(2).sum())
        self.unsaid += float((wide - restored.double()).pow(2).sum())
        self.n_active += int(active.sum())
        here = active.any(dim=0)
        self.alive = here if self.alive is None else self.alive | here

    def figures(self) -> dict[str, float | int]:
        spread = self.square - float(self.total.pow(2).sum()) / self.n
        means = {name: total / self.n_losses for name, total in self.losses.items()}
        room = means["loss_ablated"] - means["loss_model"]
        return {
            "n_tokens": self.n,
            "explained_variance": 1 - self.unsaid / spread if spread > 0 else math.nan,
            "l0": self.n_active / self.n,
            "loss_recovered": (means["loss_ablated"] - means["loss_sae"]) / room if room > 0 else math.nan,
            **means,
        }


@torch.inference_mode()
def _judge_batch(dictionary: Dictionary, audited: AuditedModel, batch: Sequence[Ids], tally: _Tally) -> None:
    """Three forwards of some texts, padded on the right: what follows a token does not change it."""
    first, longest = first_token(audited), max(map(len, batch))
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    real = torch.zeros(len(batch), longest, dtype=torch.bool)
    for number, text in enumerate(batch):
        ids[number, : len(text)] = torch.tensor(text)
        real[number, first : len(text)] = True
    seen: list[Tensor] = []

    def keep(states: Tensor) -> Tensor:
        seen.append(states[real.to(states.device)].float())
        return states

    def put(new: Tensor) -> Callable[[Tensor], Tensor]:
        def write(states: Tensor) -> Tensor:
            written = states.clone()
            written[real.to(states.device)] = new.to(states)
            return written

        return write

    tally.losses["loss_model"] += _loss(dictionary, audited, ids, real, keep)
    stream = seen[0]
    restored = _restored(dictionary, stream, tally)
    tally.losses["loss_sae"] += _loss(dictionary, audited, ids, real, put(restored))
    tally.losses["loss_ablated"] += _loss(dictionary, audited, ids, real, put(torch.zeros_like(stream)))
    tally.n_losses += int((real[:, :-1] & real[:, 1:]).sum())


@torch.inference_mode()
def _restored(dictionary: Dictionary, stream: Float[Tensor, "n d"], tally: _Tally) -> Float[Tensor, "n d"]:
    """What the latents say of a stream; counted."""
    restored = []
    for part in stream.split(max(1, ENCODED_AT_ONCE // dictionary.n_latents)):
        latents = dictionary.encode(part)
        restored.append(dictionary.decode(latents).to(part))
        tally.add(part.cpu(), restored[-1].cpu(), (latents != 0).cpu())
    return torch.cat(restored)


def _loss(
    dictionary: Dictionary, audited: AuditedModel, ids: Tensor, real: Tensor, see: Callable[[Tensor], Tensor]
) -> float:
    """Summed -log P of every token that follows one that is read, nats."""
    with at_layer(audited.adapter.layers[dictionary.layer], see):
        hidden = audited.adapter.hidden(ids.to(audited.model.device))
    predicts = real[:, :-1] & real[:, 1:]
    rows, targets = hidden[:, :-1][predicts.to(hidden.device)], ids[:, 1:][predicts].tolist()
    return -sum(token_logps(audited.adapter, rows, rows=list(range(len(targets))), tokens=targets))


# --- which texts -----------------------------------------------------------------------------


def _first_texts(audited: AuditedModel, texts: Sequence[str], *, n_tokens: int, language: str) -> list[Ids]:
    """The first texts of a language, as token ids, until they have so many tokens; each has at least two."""
    first, taken, n = first_token(audited), [], 0
    for text in texts:
        ids = audited.encode(text)[: audited.context_length]
        if len(ids) < first + 2:
            continue
        taken.append(ids)
        n += len(ids) - first
        if n >= n_tokens:
            break
    if not taken:
        raise UsageError(f"{language}: no text has two tokens; give longer ones")
    return taken


def _count(texts: Sequence[Ids], first: int, enough: int | None) -> int:
    """How many of the texts it takes until there are enough tokens."""
    n = 0
    for number, ids in enumerate(texts):
        if enough is not None and n >= enough:
            return number
        n += len(ids) - first
    return len(texts)


def _batches(texts: Sequence[Ids]) -> Iterator[list[Ids]]:
    batch: list[Ids] = []
    for ids in sorted(texts, key=lambda one: (len(one), one)):
        if batch and len(ids) * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(ids)
    if batch:
        yield batch
