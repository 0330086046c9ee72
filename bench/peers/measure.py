"""What every peer's script shares: the task as tensors, the metric, the unit of cost, and how a row is written.

The unit F is one plain transformers forward of the sixteen clean prompts, in the peer's own process, timed before,
between and after the peer's work. Times are CPU seconds of one thread: other work on the machine lengthens both alike.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.pairs import ANSWER, FOIL, PAIRS

HEADS_ALL, HEADS_LAST, MLPS = "heads, all positions", "heads, last position", "MLPs, all positions"
# Every patch of a sweep is one forward of the same cost, so one layer in ten is timed and the time scaled.
LAYER_STRIDE = 10


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one analysis by one tool cost, or why that is not known."""

    tool: str
    version: str
    analysis: str
    n_patches: int | None = None  # interventions the whole analysis makes; None where it makes none
    n_timed: int | None = None  # of those, how many were run; the time is scaled by the rest
    total_in_F: float | None = None  # noqa: N815 - F is the unit's name
    cpu_seconds: float | None = None  # of the whole analysis
    F_seconds: float | None = None  # median of the plain forwards around it
    peak_rss_gb: float | None = None  # of the process until then, model included; 1 GB = 10^9 bytes
    second_copy: bool = False  # the process also held a second copy of the model, to measure F: part of peak_rss_gb
    quoted: bool = False  # a figure from an earlier measurement, not from this run
    note: str = ""
    failure: str = ""  # one line; then no figure is given
    effects: Sequence[float] | None = None  # metric(patched) - metric(clean) of the timed patches, mean over pairs


class Bench:
    """One model, the task's tokens, and a stopwatch that measures F around whatever it times."""

    def __init__(self, model: Any, tokenizer: Any, *, tool: str, version: str, rows: Path, second_copy: bool) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._tool, self._version, self._rows, self._second_copy = tool, version, rows, second_copy
        self.clean = self._ids([clean for clean, _ in PAIRS])
        self.corrupted = self._ids([corrupted for _, corrupted in PAIRS])
        self.answer, self.foil = (int(self._ids([word])) for word in (ANSWER, FOIL))
        self.plain_forward()  # the first one also allocates

    def _ids(self, texts: list[str]) -> torch.Tensor:
        # A ragged list is refused here: the task has one length for this tokenizer or is not this task.
        return torch.tensor(self.tokenizer(texts, add_special_tokens=False)["input_ids"])

    @property
    def layers(self) -> list[int]:
        """The layers whose patches are timed."""
        return list(range(0, self.model.config.num_hidden_layers, LAYER_STRIDE))

    @property
    def n_heads(self) -> int:
        """Query heads of a layer."""
        return int(self.model.config.num_attention_heads)

    def difference(self, logits: torch.Tensor) -> torch.Tensor:
        """logit(answer) - logit(foil) after each prompt; logits [pairs, positions, vocabulary] -> [pairs]."""
        last = logits[:, -1]
        return last[:, self.answer] - last[:, self.foil]

    def distance(self, logits: torch.Tensor) -> float:
        """Largest difference between a tool's logits of the clean prompts and transformers', for the two answers.

        Raises:
            RuntimeError: too large for rounding: the tool would be measured on another model.
        """
        with torch.no_grad():
            apart = self.difference(logits) - self.difference(self.model(self.clean, use_cache=False).logits)
        largest = float(apart.abs().max())
        if largest > 1e-3:
            raise RuntimeError(f"its logit differences are {largest:.2g} from those of transformers")
        return largest

    def plain_forward(self) -> float:
        """CPU seconds of one F."""
        with torch.no_grad():
            began = time.process_time()
            self.model(self.clean, use_cache=False)
            return time.process_time() - began

    def sweep(self, analysis: str, patch: Callable[[int], Sequence[float]], *, per_layer: int, note: str = "") -> None:
        """Time `patch(layer)`, which makes `per_layer` patches and gives their effects, on some layers; write a row."""
        units, seconds, effects = self._units(), 0.0, list[float]()
        for layer in self.layers:
            began = time.process_time()
            effects += patch(layer)
            seconds += time.process_time() - began
            units += self._units()
        n_timed = per_layer * len(self.layers)
        n_patches = per_layer * int(self.model.config.num_hidden_layers)
        scaled = seconds * n_patches / n_timed
        self._write(
            analysis,
            scaled,
            units,
            n_patches=n_patches,
            n_timed=n_timed,
            note=note,
            effects=[float(e) for e in effects],
        )

    def once(self, analysis: str, work: Callable[[], Any], *, note: str = "") -> Any:
        """Time work that is one piece, write the row, and give back what the work gave."""
        units = self._units()
        began = time.process_time()
        result = work()
        seconds = time.process_time() - began
        self._write(analysis, seconds, units + self._units(), note=note)
        return result

    def refused(self, analysis: str, failure: str) -> None:
        """Write a row for an analysis that the tool does not do on this model."""
        self._append(Row(tool=self._tool, version=self._version, analysis=analysis, failure=failure))

    def _units(self) -> list[float]:
        return [self.plain_forward() for _ in range(3)]

    def _write(self, analysis: str, seconds: float, units: list[float], **more: Any) -> None:
        unit = statistics.median(units)
        row = Row(
            tool=self._tool,
            version=self._version,
            analysis=analysis,
            total_in_F=seconds / unit,
            cpu_seconds=seconds,
            F_seconds=unit,
            peak_rss_gb=_peak_bytes() / 1e9,
            second_copy=self._second_copy,
            **more,
        )
        self._append(row)

    def _append(self, row: Row) -> None:
        with self._rows.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")


def open_bench(tool: str, *, version: str, second_copy: bool = False) -> Bench:
    """The bench that a peer's script works on, from its command line: --model FOLDER --rows FILE.

    Args:
        tool: as the rows will name it.
        version: of the tool.
        second_copy: the tool makes its own model beside the one that measures F.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--model", required=True, type=Path, help="folder with config.json, model.safetensors, tokenizer.json"
    )
    parser.add_argument("--rows", required=True, type=Path, help="file to append one JSON line per analysis to")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32)
    model.eval().requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    return Bench(model, tokenizer, tool=tool, version=version, rows=given.rows, second_copy=second_copy)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB
