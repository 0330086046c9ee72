"""Training an SAE on a user's own texts: sae-lens' trainer and architectures, fed with the audited model's activations.

Every language has an equal say, whatever the size of its file. The model runs only up to the layer that is read, on
rows of texts packed to one length. What is trained on is a function of the recipe alone: a stopped training goes on
from its last checkpoint and ends with the weights it would have had.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import filelock
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from audit.errors import DictionaryError, ResourceError, UsageError
from audit.features.activations import at_layer, first_token
from audit.features.saes import (
    CONFIG,
    RECIPE,
    WEIGHTS,
    Dictionary,
    hook_name,
    import_sae_lens,
    load,
    quiet_sae_lens,
)
from audit.features.texts import Texts, read_texts
from audit.models import AuditedModel
from audit.models.adapter import find_adapter
from audit.progress import Reporter, Silent
from audit.runs import cache_folder, content_key, whole_or_absent

Architecture = Literal["batchtopk", "topk", "jumprelu"]
Forward = Literal["auto", "float32", "bfloat16"]
__all__ = ["ARCHITECTURES", "Recipe", "Texts", "choose_forward", "packed_rows", "read", "read_texts", "train"]

ARCHITECTURES: tuple[Architecture, ...] = ("batchtopk", "topk", "jumprelu")
FORWARDS: tuple[Forward, ...] = ("auto", "float32", "bfloat16")

# Tokens that are read, shuffled among each other and trained on before the next are read.
BLOCK_TOKENS = 50_000
# Lines that stay together, so that a row holds text that belongs together although the file is shuffled.
PASSAGE_LINES = 8
CHECKPOINT_SECONDS = 60.0
WARM_UP_TOKENS = 60_000
# The threshold by which latents are active after training is a running mean over about so many tokens.
THRESHOLD_TOKENS = 30_000
# A latent that was silent for so many steps is pulled towards what the others leave unexplained.
DEAD_AFTER = 100
FORWARD_TOKENS = 4096
SPEED_TOKENS, SPEED_REPEATS = 2048, 2
# Norms so many times the median's are massive activations, not the stream's common scale.
OUTLYING = 5.0
# bfloat16 is chosen where it takes at most this share of float32's time, and moves the stream by at most this share of
# its variance.
WORTHWHILE, HARMLESS = 0.8, 1e-3


class _ReadEnoughError(Exception):
    """Ends a forward at the layer that was read; never leaves this module."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides a training, besides the model and the texts."""

    layer: int
    n_latents: int = 4096
    l0: int = 64  # latents active per token, on average
    n_tokens: int = 1_000_000  # trained on, repetitions counted
    passes: int = 1  # how often a block is trained on before the next is read
    seed: int = 0
    architecture: Architecture = "batchtopk"
    context: int = 128  # tokens per row, special ones not counted
    batch: int = 1024  # tokens per step
    learning_rate: float = 1e-3
    forward: Forward = "auto"  # precision of the model while it is read; "auto" measures, "float32" is the model's own


def train(
    model: AuditedModel, recipe: Recipe, texts: Texts, *, out: Path, reporter: Reporter | None = None
) -> Dictionary:
    """Train an SAE and write it to `out`, in sae-lens' format, with its recipe beside it.

    A training that was stopped goes on from its checkpoint in the cache when asked for again. A folder that holds the
    result of the same recipe is left as it is.

    Raises:
        UsageError: the recipe does not fit the model or the texts.
        DictionaryError: `out` holds something else; the training diverged.
        ResourceError: sae-lens is not installed; the disk is full.
    """
    import_sae_lens()
    report = reporter or Silent()
    _require_fit(model, recipe, texts)
    key = _key(model, recipe, texts)
    if (out / RECIPE).is_file() and json.loads((out / RECIPE).read_text(encoding="utf-8")).get("key") == key:
        return load(out, model=model)
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise DictionaryError(f"{out}: holds something else; give a new folder")
    checkpoint = cache_folder() / "sae-training" / f"{key}.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(checkpoint.with_suffix(".lock")):
        for half_written in checkpoint.parent.glob(f".{checkpoint.name}.*"):  # by a training that was killed
            half_written.unlink(missing_ok=True)
        if recipe.forward == "auto":
            recipe = dataclasses.replace(recipe, forward=_kept_choice(model, recipe, texts, checkpoint, report))
        stated = _stated(model, recipe, texts)
        trainer = _trained(model, recipe, texts, checkpoint=checkpoint, report=report)
        _write(trainer, out, recipe={**stated, "key": key})
        for file in (checkpoint, checkpoint.with_suffix(".json")):
            file.unlink(missing_ok=True)
    return load(out, model=model)


def choose_forward(
    model: AuditedModel, recipe: Recipe, texts: Texts, *, reporter: Reporter | None = None
) -> Literal["float32", "bfloat16"]:
    """The precision in which the model is read: bfloat16 where it is faster on this machine and moves little.

    Processors with matrix units for bfloat16 gain two- to threefold; on others it is slower than float32.
    """
    if model.record.dtype != "float32":
        return "float32"  # the model's own precision, whatever it is, is read as it is
    rows = next(_blocks(model, recipe, texts, start=0))
    rows = rows[: max(1, SPEED_TOKENS // rows.shape[1])]
    exact, in_half = model, _in_bfloat16(model)
    seconds, streams = {}, {}
    for name, one in (("float32", exact), ("bfloat16", in_half)):
        streams[name] = read(one, recipe.layer, rows)
        seconds[name] = min(_seconds(one, recipe.layer, rows) for _ in range(SPEED_REPEATS))
    moved = (streams["bfloat16"] - streams["float32"]).pow(2).sum()
    spread = (streams["float32"] - streams["float32"].mean(dim=0)).pow(2).sum()
    share, time_share = float(moved / spread), seconds["bfloat16"] / max(seconds["float32"], 1e-9)
    chosen: Literal["float32", "bfloat16"] = "bfloat16" if time_share <= WORTHWHILE and share <= HARMLESS else "float32"
    (reporter or Silent()).say(
        f"reading the model in {chosen}: bfloat16 takes {time_share:.2f} of float32's time "
        f"and moves the stream by {share:.1e} of its variance"
    )
    return chosen


def _seconds(model: AuditedModel, layer: int, rows: Int[Tensor, "n length"]) -> float:
    """Of the processor, not of the clock: others may be at work on the machine."""
    began = time.process_time()
    read(model, layer, rows)
    return time.process_time() - began


def _kept_choice(
    model: AuditedModel, recipe: Recipe, texts: Texts, checkpoint: Path, report: Reporter
) -> Literal["float32", "bfloat16"]:
    """The choice of a training that was stopped: measured again it might fall otherwise, and change the result."""
    file = checkpoint.with_suffix(".json")
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept: Literal["float32", "bfloat16"] = json.loads(file.read_text(encoding="utf-8"))["forward"]
        return kept
    chosen = choose_forward(model, recipe, texts, reporter=report)
    with whole_or_absent(file) as temporary:
        temporary.write_text(json.dumps({"forward": chosen}), encoding="utf-8")
    return chosen


@torch.inference_mode()
def read(model: AuditedModel, layer: int, rows: Int[Tensor, "n length"]) -> Float[Tensor, "tokens d"]:
    """The residual stream after a layer at every token of rows of one length, but the leading special ones; float32.

    Layers above are not run.
    """
    kept: list[Tensor] = []

    def stop(states: Tensor) -> Tensor:
        kept.append(states[:, first_token(model) :].flatten(end_dim=1).float().cpu())
        raise _ReadEnoughError

    with at_layer(model.adapter.layers[layer], stop):
        for some in rows.split(max(1, FORWARD_TOKENS // rows.shape[1])):
            with suppress(_ReadEnoughError):
                model.adapter.hidden(some.to(model.model.device))
    return torch.cat(kept)


# --- which tokens ----------------------------------------------------------------------------


def packed_rows(model: AuditedModel, lines: Sequence[str], recipe: Recipe) -> Int[Tensor, "n context"]:
    """A language's text as rows of `recipe.context` tokens: passages of a few lines, shuffled, one after the other."""
    passages = [lines[top : top + PASSAGE_LINES] for top in range(0, len(lines), PASSAGE_LINES)]
    random.Random(recipe.seed).shuffle(passages)  # noqa: S311 - no secret
    ids: list[int] = []
    for passage in passages:
        ids += model.tokenizer("\n".join(passage) + "\n", add_special_tokens=False, split_special_tokens=True).input_ids
    n = len(ids) // recipe.context
    return torch.tensor(ids[: n * recipe.context]).view(n, recipe.context)


def rows_per_block(n_languages: int, context: int) -> int:
    """Rows of each language in a block."""
    return max(1, round(BLOCK_TOKENS / (n_languages * context)))


def _blocks(model: AuditedModel, recipe: Recipe, texts: Texts, *, start: int) -> Iterator[Int[Tensor, "n length"]]:
    """Blocks of rows from block `start` on, each with as many rows of every language; without end.

    A language whose rows are used up begins again, in another order.
    """
    rows = {language: packed_rows(model, texts.lines[language], recipe) for language in sorted(texts.lines)}
    for language, some in rows.items():
        if not len(some):
            raise UsageError(
                f"{language}.txt: fewer than {recipe.context} tokens; give more text, or a shorter context"
            )
    each = rows_per_block(len(rows), recipe.context)
    begin = torch.tensor(model.begin, dtype=torch.long)
    block = start
    while True:
        picked = []
        for language, some in rows.items():
            for number in range(block * each, (block + 1) * each):
                turn, place = divmod(number, len(some))
                order = _generator(recipe.seed, language, turn)
                picked.append(some[torch.randperm(len(some), generator=order)[place]])
        whole = torch.stack(picked)
        yield torch.cat([begin.expand(len(whole), -1), whole], dim=1)
        block += 1


def _generator(*seeds: int | str) -> torch.Generator:
    digest = hashlib.sha256("/".join(map(str, seeds)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _batches(
    model: AuditedModel, recipe: Recipe, texts: Texts, *, start: int
) -> Iterator[tuple[int, list[Float[Tensor, "batch d"]]]]:
    """(block, its activations in batches, shuffled over languages and positions), from block `start` on."""
    reader = _in_bfloat16(model) if recipe.forward == "bfloat16" else model
    for block, rows in enumerate(_blocks(model, recipe, texts, start=start), start=start):
        stream = read(reader, recipe.layer, rows)
        batches: list[Tensor] = []
        for turn in range(recipe.passes):
            order = torch.randperm(len(stream), generator=_generator(recipe.seed, "shuffle", block, turn))
            batches += [stream[part] for part in order.split(recipe.batch) if len(part) == recipe.batch]
        yield block, batches


def _in_bfloat16(model: AuditedModel) -> AuditedModel:
    half = copy.deepcopy(model.model).to(torch.bfloat16)
    return dataclasses.replace(model, model=half, adapter=find_adapter(half))


# --- sae-lens' trainer -----------------------------------------------------------------------


def _trained(model: AuditedModel, recipe: Recipe, texts: Texts, *, checkpoint: Path, report: Reporter) -> Any:
    """A trainer that has seen all its tokens."""
    trainer = _new_trainer(model, recipe)
    start = _resume(trainer, checkpoint)
    if start:
        report.say(f"going on after {trainer.n_training_samples} tokens")
    report.stage("training the SAE", recipe.n_tokens, unit="tokens")
    report.advance(min(trainer.n_training_samples, recipe.n_tokens))
    saved = time.monotonic()
    for block, batches in _batches(model, recipe, texts, start=start):
        if not batches:
            raise UsageError(
                f"{recipe.batch} tokens per step are more than a block has; give more text or a smaller batch"
            )
        if trainer.activation_scaler.whitening is None:
            trainer.activation_scaler.whitening = _standardised(torch.cat(batches))
        for batch in batches:
            loss = _step(trainer, batch)
            report.advance(min(recipe.batch, recipe.n_tokens - trainer.n_training_samples + recipe.batch))
            if trainer.n_training_samples >= recipe.n_tokens:
                return trainer
        if not loss < float("inf"):
            raise DictionaryError(
                f"training diverged after {trainer.n_training_samples} tokens; lower the learning rate"
            )
        if time.monotonic() - saved >= CHECKPOINT_SECONDS:
            _save(trainer, checkpoint, next_block=block + 1)
            saved = time.monotonic()
    raise AssertionError("blocks have no end")


def _step(trainer: Any, batch: Tensor) -> float:
    """One step, as sae-lens' own loop takes it; ours exists for the checkpoints between blocks and the progress."""
    trainer.maybe_reset_sparsity()
    output = trainer.step(batch)
    trainer.n_training_steps += 1
    return float(output.loss.detach())


def _new_trainer(model: AuditedModel, recipe: Recipe) -> Any:
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    steps = -(-recipe.n_tokens // recipe.batch)
    config = SAETrainerConfig(
        total_training_samples=steps * recipe.batch,
        train_batch_size_samples=recipe.batch,
        lr=recipe.learning_rate,
        lr_warm_up_steps=min(WARM_UP_TOKENS // recipe.batch, steps // 5),
        lr_decay_steps=steps // 5,
        device="cpu",
        dead_feature_window=min(DEAD_AFTER, max(1, steps // 3)),
        # Longer than any training here: the windows feed a log that is not kept.
        feature_sampling_window=steps + 1,
        logger=LoggingConfig(log_to_wandb=False),
    )
    if config.lr_end is None:
        config.lr_end = recipe.learning_rate / 10
    with torch.random.fork_rng(devices=[]), quiet_sae_lens():
        torch.manual_seed(recipe.seed)
        return SAETrainer(cfg=config, sae=_new_sae(model, recipe, steps), data_provider=iter(()))


def _new_sae(model: AuditedModel, recipe: Recipe, steps: int) -> Any:
    import sae_lens
    from sae_lens.saes.sae import SAEMetadata

    common: dict[str, Any] = {
        "d_in": model.model.config.get_text_config(decoder=True).hidden_size,
        "d_sae": recipe.n_latents,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "metadata": SAEMetadata(
            model_name=model.record.ref,
            hook_name=hook_name(recipe.layer),
            context_size=recipe.context,
            prepend_bos=bool(model.begin),
        ),
    }
    match recipe.architecture:
        case "batchtopk":
            # The threshold that takes the place of the batch after training must settle within the training.
            rate = min(0.5, max(recipe.batch / THRESHOLD_TOKENS, 10 / steps))
            config = sae_lens.BatchTopKTrainingSAEConfig(k=recipe.l0, topk_threshold_lr=rate, **common)
            return sae_lens.BatchTopKTrainingSAE(config)
        case "topk":
            return sae_lens.TopKTrainingSAE(sae_lens.TopKTrainingSAEConfig(k=recipe.l0, **common))
        case _:
            config = sae_lens.JumpReLUTrainingSAEConfig(
                jumprelu_sparsity_loss_mode="quadratic",
                target_l0=float(recipe.l0),
                jumprelu_init_threshold=0.1,
                jumprelu_bandwidth=0.5,
                jumprelu_ste_to_input=True,
                l0_warm_up_steps=steps // 4,
                **common,
            )
            return sae_lens.JumpReLUTrainingSAE(config)


def _standardised(stream: Float[Tensor, "n d"]) -> Any:
    """The affine map under which an SAE is trained, kept where sae-lens keeps its whitening, which folds it back.

    Almost all of the stream's norm is one constant vector, which is taken away. Of what is left, a single value can
    hold half of the variance, although later layers hardly read it (their norms weigh it down): each value is divided
    by the square root of its deviation, halfway between the stream's own units and equal say. Then all are scaled to a
    median norm of sqrt(d). Tokens whose norms are several times the median's, of which there are a few in ten
    thousand, have no say in this.
    """
    from sae_lens.training.activation_scaler import ActivationWhitening

    mean = stream.median(dim=0).values
    centred = stream - mean
    norms = centred.norm(dim=-1)
    centred = centred[norms <= OUTLYING * norms.median()]
    scale = centred.std(dim=0).clamp(min=1e-6).sqrt()
    scale = scale * (centred / scale).norm(dim=-1).median() / stream.shape[1] ** 0.5
    return ActivationWhitening(mean=mean, matrix=torch.diag(1 / scale), inverse_matrix=torch.diag(scale))


# --- checkpoints -----------------------------------------------------------------------------


def _save(trainer: Any, checkpoint: Path, *, next_block: int) -> None:
    optimizer, whitening = trainer.optimizer.state_dict(), trainer.activation_scaler.whitening
    tensors = {f"sae.{name}": value for name, value in trainer.sae.state_dict().items()}
    tensors |= {
        f"adam.{number}.{name}": value for number, state in optimizer["state"].items() for name, value in state.items()
    }
    tensors |= {
        f"trainer.{name}": getattr(trainer, name) for name in ("act_freq_scores", "n_forward_passes_since_fired")
    }
    tensors |= {f"scaler.{name}": getattr(whitening, name) for name in ("mean", "matrix", "inverse_matrix")}
    plain = {
        "next_block": next_block,
        "param_groups": optimizer["param_groups"],
        "lr_scheduler": trainer.lr_scheduler.state_dict(),
        "coefficients": {name: one.state_dict() for name, one in trainer.coefficient_schedulers.items()},
        **{
            name: getattr(trainer, name) for name in ("n_training_steps", "n_training_samples", "n_frac_active_samples")
        },
    }
    with whole_or_absent(checkpoint) as temporary:
        copies = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
        save_file(copies, temporary, metadata={"state": json.dumps(plain)})


def _resume(trainer: Any, checkpoint: Path) -> int:
    """Put a trainer where its checkpoint left it; the block with which it goes on. A damaged file counts as absent."""
    from sae_lens.training.activation_scaler import ActivationWhitening

    try:
        with safe_open(checkpoint, framework="pt") as file:
            plain = json.loads(file.metadata()["state"])
        tensors = load_file(checkpoint)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return 0

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    trainer.sae.load_state_dict(part("sae."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in part("adam.").items():
        number, _, field = name.partition(".")
        state.setdefault(int(number), {})[field] = value
    trainer.optimizer.load_state_dict({"state": state, "param_groups": plain["param_groups"]})
    trainer.lr_scheduler.load_state_dict(plain["lr_scheduler"])
    for name, one in plain["coefficients"].items():
        trainer.coefficient_schedulers[name].load_state_dict(one)
    for name, value in part("trainer.").items():
        setattr(trainer, name, value)
    for name in ("n_training_steps", "n_training_samples", "n_frac_active_samples"):
        setattr(trainer, name, plain[name])
    trainer.activation_scaler.whitening = ActivationWhitening(**part("scaler."))
    return int(plain["next_block"])


# --- the result ------------------------------------------------------------------------------


def _write(trainer: Any, out: Path, *, recipe: Mapping[str, Any]) -> None:
    """The folder, whole or absent: weights as float16, biases and thresholds as float32, configuration, recipe."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise ResourceError(f"{out}: cannot be written ({error.strerror}); choose another folder") from None
    try:
        _save_inference(trainer, scratch)
        (scratch / RECIPE).write_text(json.dumps(recipe, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        for path, mode in [(scratch, 0o755), *((file, 0o644) for file in scratch.iterdir())]:
            path.chmod(mode)
        with suppress(OSError):
            out.rmdir()  # an empty folder of that name may be there
        scratch.replace(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _save_inference(trainer: Any, folder: Path) -> None:
    """In sae-lens' format, in the model's own units: the scaling folded back, directions of length one.

    Matrices are kept as float16. Biases and thresholds stay float32: they are few, and as large as the stream itself.
    """
    import sae_lens

    sae, whitening = trainer.sae, trainer.activation_scaler.whitening
    with quiet_sae_lens(), torch.no_grad():
        sae.fold_activation_whitening(whitening.mean, whitening.matrix, whitening.inverse_matrix)
        trainer.set_final_sae_metadata()
        sae.save_inference_model(folder)
        final = sae_lens.SAE.load_from_disk(folder)
        if final.cfg.architecture() != "topk":
            final.fold_W_dec_norm()
        weights = {
            name: (value.half() if value.ndim == 2 else value).contiguous()
            for name, value in final.state_dict().items()
        }
        if not all(bool(value.isfinite().all()) for value in weights.values()):
            raise DictionaryError("trained weights are not finite in float16; lower the learning rate")
        save_file(weights, folder / WEIGHTS)
        config = final.cfg.to_dict()
        (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _stated(model: AuditedModel, recipe: Recipe, texts: Texts) -> dict[str, Any]:
    record = model.record
    return {
        "model": {
            "ref": record.ref,
            "name": record.name,
            "licence": record.licence,
            "weights_sha256": record.weights_sha256,
            "dtype": record.dtype,
        },
        "recipe": dataclasses.asdict(recipe),
        "texts": {
            language: {"sha256": texts.sha256[language], "lines": len(texts.lines[language])}
            for language in sorted(texts.lines)
        },
        "versions": _versions(),
    }


def _key(model: AuditedModel, recipe: Recipe, texts: Texts) -> str:
    content = {"recipe": dataclasses.asdict(recipe), "texts": dict(texts.sha256)}
    return content_key(model.record, versions=_versions(), content=content)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("sae-lens", "torch", "transformers")}


def _require_fit(model: AuditedModel, recipe: Recipe, texts: Texts) -> None:
    if not 0 <= recipe.layer < model.adapter.n_layers:
        last = model.adapter.n_layers - 1
        raise UsageError(f"layer {recipe.layer}: {model.record.name} has layers 0 to {last}")
    if recipe.architecture not in ARCHITECTURES:
        raise UsageError(f"{recipe.architecture}: no such architecture; choose one of {', '.join(ARCHITECTURES)}")
    if recipe.forward not in FORWARDS:
        raise UsageError(f"{recipe.forward}: no such precision; choose one of {', '.join(FORWARDS)}")
    if not 0 < recipe.l0 < recipe.n_latents:
        raise UsageError(f"{recipe.l0} active of {recipe.n_latents} latents: give fewer active ones than there are")
    if recipe.passes < 1:
        raise UsageError(f"{recipe.passes} passes: a block is trained on at least once")
    if recipe.n_tokens < recipe.batch:
        raise UsageError(f"{recipe.n_tokens} tokens are less than one step ({recipe.batch}); give more tokens")
    if recipe.context + len(model.begin) > model.context_length:
        raise UsageError(f"rows of {recipe.context} tokens: {model.record.name} reads {model.context_length}")
    if recipe.context + len(model.begin) <= first_token(model):
        raise UsageError(f"rows of {recipe.context} tokens: nothing is left to read; give a longer context")
    if not texts.lines:
        raise UsageError("no texts; give one file per language")
