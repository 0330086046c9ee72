"""What looking for circuits costs: time in plain forwards, and memory.

    python -m bench.circuits [--json] [--full | --quick] [--memory] [--out FILE] [--models NAME ...] [--threads N ...]

The unit F is that of `bench.peers`: one plain transformers forward of the base prompts of the sixteen reference pairs,
whole and unpadded, with the logits of every position, in the same process, before or after each repeat. One thread is
counted in CPU seconds, as the peers are; more threads in wall seconds, so the machine has to be idle. `F_last` is the
same forward with the logits of the last position alone.

Ours goes through the public functions with all their checks. Each analysis runs in a process of its own, forked from
one that has the model loaded: its peak memory is its own. Without --full, patches are timed in some layers, spread
evenly, and scaled; the recording of both runs is not scaled. --memory adds how memory grows with pairs, sets of nodes
and length (five minutes more). Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch

from audit.circuits.edges import edge_scores
from audit.circuits.pairs import Pair, Start, batches
from audit.circuits.patching import Batch, Nodes, check, effects_of, single_nodes
from audit.circuits.replay import Replay
from audit.circuits.screening import screen
from audit.models import AuditedModel
from bench.pairs import ANSWER, FOIL, PAIRS
from bench.results import ROOT, about, put

MODELS = ("smollm2-135m", "gemma-3-270m")
THREADS = (1, 2)
STEPS = 5
REPEATS = 3
FORWARDS = 1  # after each repeat; before the first they would hide its peak memory
QUICK_LAYERS = 2

Mode = Literal["quick", "normal", "full"]
Seconds = tuple[float, float]  # wall, CPU


@dataclass(frozen=True, kw_only=True)
class Task:
    """One analysis. Either it patches nodes, or it follows gradients."""

    name: str
    start: Start = "difference"
    nodes: Literal["heads", "MLPs", "all"] | None = None
    gradients: Literal["screening", "edges"] | None = None
    layers: int | None = None  # so many are timed unless --full, an even number; None: all
    repeats: int = REPEATS  # unless --full, which repeats everything


TASKS = (
    Task(name="heads, all positions", nodes="heads", layers=10, repeats=2),
    Task(name="heads, last position", nodes="heads", start="last", layers=8),
    Task(name="MLPs, all positions", nodes="MLPs"),
    Task(name="heads and MLPs, all positions", nodes="all", layers=2),
    Task(name="heads, all positions, no shared prefix", nodes="heads", start="whole", layers=2, repeats=2),
    Task(name="screening of heads and MLPs, 5 steps", gradients="screening"),
    Task(name="edges, EAP-IG, 5 steps", gradients="edges"),
    Task(name="edges, EAP-IG, 5 steps, no shared prefix", gradients="edges", start="whole", repeats=1),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--out", type=Path, help="results file to write the part `circuits` of")
    parser.add_argument("--full", action="store_true", help="time every patch and repeat everything: about 20 minutes")
    parser.add_argument(
        "--quick", action="store_true", help="one repeat, one thread, smallest samples: is it all right?"
    )
    parser.add_argument("--memory", action="store_true", help="measure memory curves as well")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME")
    parser.add_argument("--threads", nargs="+", type=int, metavar="N")
    parser.add_argument("--worker", choices=("costs", "memory"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    mode: Mode = "full" if given.full else "quick" if given.quick else "normal"
    threads = given.threads or (THREADS[:1] if given.quick else THREADS)
    if given.worker:
        for row in worker(given.worker, model=given.models[0], n_threads=threads[0], mode=mode):
            print(json.dumps(row), flush=True)
        return
    result = measure(given.models, threads, mode=mode, memory=given.memory)
    if given.out:
        put(given.out, "circuits", result)
    if given.json:
        print(json.dumps(result, indent=1))
    elif not given.out:
        from bench.table import memory, ours

        shown = (ours, memory) if given.memory else (ours,)
        print("\n\n".join(table({"circuits": result}) for table in shown))


def measure(models: Sequence[str], threads: Sequence[int], *, mode: Mode, memory: bool) -> dict[str, Any]:
    """What was measured where: rows of costs and, if asked for, points of memory curves."""
    began = time.perf_counter()
    costs = [row for model in models for n in threads for row in _ask("costs", model, n, mode)]
    curves = _ask("memory", models[0], 1, mode) if memory else []
    _tell(f"{time.perf_counter() - began:.0f} s")
    unit = f"F: one plain forward of the {len(PAIRS)} base prompts, unpadded, logits of every position, same process"
    return {"about": {**about(), "mode": mode, "unit": unit}, "rows": costs, "memory": curves}


def _ask(part: str, model: str, n_threads: int, mode: Mode) -> list[dict[str, Any]]:
    """Rows of a worker: a fresh process, which loads the model."""
    command = [sys.executable, "-m", "bench.circuits", "--worker", part, "--models", model, "--threads", str(n_threads)]
    command += [] if mode == "normal" else [f"--{mode}"]
    _tell(f"{model}, {n_threads} thread{'s' * (n_threads > 1)}: {part}")
    settings = {**os.environ, "OMP_NUM_THREADS": str(n_threads), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - ourselves  # noqa: E501
    return [json.loads(line) for line in done.stdout.splitlines()]


def worker(part: str, *, model: str, n_threads: int, mode: Mode) -> Iterator[dict[str, Any]]:
    """The rows of one model at one number of threads."""
    torch.set_num_threads(1)  # threads that have worked before a fork hang after it
    bench = Bench(AuditedModel.load(model))
    _ = bench.plain_margins  # once, for all processes to come
    same = {"model": model, "threads": n_threads}
    if part == "memory":
        for point in points(mode):
            yield _apart(lambda point=point: {**same, **vars(point), **bench.peaks(point)}, n_threads=1)  # type: ignore[misc]
        return
    for task in TASKS:
        row = _apart(lambda task=task: {**same, **bench.cost(task, mode=mode)}, n_threads=n_threads)  # type: ignore[misc]
        _tell(f"  {row['analysis']}: {row['total_in_F']:.1f} F, {row['peak_rss_gb']:.2f} GB")
        yield row


def _apart(work: Callable[[], dict[str, Any]], *, n_threads: int) -> dict[str, Any]:
    """Do work in a forked process, whose memory is its own.

    Raises:
        RuntimeError: it ended without a result; its own words are on stderr.
    """
    fork = multiprocessing.get_context("fork")
    receiving, sending = fork.Pipe(duplex=False)

    def run() -> None:
        torch.set_num_threads(n_threads)
        sending.send(work())

    process = fork.Process(target=run)
    process.start()
    sending.close()
    try:
        result: dict[str, Any] = receiving.recv()
    except EOFError:
        raise RuntimeError("the measuring process ended without a result") from None
    finally:
        process.join()
    return result


class Bench:
    """A model, the reference pairs as its tokens, and a stopwatch."""

    def __init__(self, audited: AuditedModel) -> None:
        self.audited, self.replay = audited, Replay(audited.adapter)
        self.pairs = [
            Pair(
                item=f"pair-{number}",
                base=audited.encode(base),
                counterpart=audited.encode(counterpart),
                answers=((self._word(ANSWER),), (self._word(FOIL),)),
            )
            for number, (base, counterpart) in enumerate(PAIRS)
        ]
        # Without padding: a plain forward for every length that occurs (one, for these pairs and SmolLM2).
        lengths = sorted({len(pair.base) for pair in self.pairs})
        self._prompts = [torch.tensor([p.base for p in self.pairs if len(p.base) == length]) for length in lengths]

    def _word(self, text: str) -> tuple[int, ...]:
        return self.audited.encode(text)[len(self.audited.begin) :]

    # --- time ---------------------------------------------------------------------------------

    def cost(self, task: Task, *, mode: Mode) -> dict[str, Any]:
        """What an analysis costs, in seconds and F, and its peak memory."""
        n_threads = torch.get_num_threads()
        clock = 1 if n_threads == 1 else 0  # of wall and CPU seconds, the one that counts
        sets = self._sets(task)
        n_timed = {"full": None, "normal": task.layers, "quick": QUICK_LAYERS}[mode]
        taken = sets if n_timed is None else _of_layers(sets, spread(self.audited.adapter.n_layers, n_timed))
        scale = len(sets) / len(taken) if taken else 1.0
        plain, loaded = self.plain_margins, self._resident_bytes()
        runs, units = list[Seconds](), list[list[Seconds]]()
        for _ in range({"full": REPEATS, "normal": task.repeats, "quick": 1}[mode]):
            recording, batch = _timed(lambda: self._record(task.start, plain))
            working, _ = _timed(lambda b=batch: self._work(task, b, taken))  # type: ignore[misc]
            del batch
            if not runs:
                peak = _peak_bytes()  # before plain forwards, which need much for their logits
            runs.append((recording[0] + scale * working[0], recording[1] + scale * working[1]))
            units.append([_timed(self.plain_forward)[0] for _ in range(FORWARDS)])
        last, _ = _timed(lambda: self.plain_forward(last=True))
        # A repeat's unit: the forwards just before and after it.
        around = [[*(units[number - 1] if number else ()), *units[number]] for number in range(len(units))]
        ratios = [
            run[clock] / statistics.median(one[clock] for one in some) for run, some in zip(runs, around, strict=True)
        ]
        return {
            "analysis": task.name,
            "n_patches": len(sets) or None,
            "n_timed": len(taken) or None,
            "total_in_F": statistics.median(ratios),
            "least_in_F": min(ratios),
            "most_in_F": max(ratios),
            "repeats": len(ratios),
            "seconds": statistics.median(run[clock] for run in runs),
            "F_seconds": statistics.median(one[clock] for some in units for one in some),
            "F_last_seconds": last[clock],
            "clock": ("wall", "CPU")[clock],
            "peak_rss_gb": peak / 1e9,
            "above_model_gb": (peak - loaded) / 1e9,
        }

    @torch.no_grad()
    def plain_forward(self, *, last: bool = False) -> None:
        """One F, or the same with the logits of the last position alone."""
        for ids in self._prompts:
            self.audited.model(ids, use_cache=False, logits_to_keep=1 if last else 0)

    @cached_property
    def _nodes(self) -> list[Nodes]:
        return single_nodes(self.audited.adapter.n_layers, self.audited.adapter.n_heads)

    def _sets(self, task: Task) -> list[Nodes]:
        wanted = {None: (), "heads": (False,), "MLPs": (True,), "all": (False, True)}[task.nodes]
        return [nodes for nodes in self._nodes if bool(nodes[:, -1].any()) in wanted]

    @cached_property
    @torch.no_grad()
    def plain_margins(self) -> torch.Tensor:
        """Of the pairs, from forwards that share nothing with what is measured: a run has them from its scoring.

        One prompt at a time, which takes little memory.
        """
        answer, foil = self._word(ANSWER)[0], self._word(FOIL)[0]
        last = [
            self.audited.model(torch.tensor([p.base]), use_cache=False, logits_to_keep=1).logits for p in self.pairs
        ]
        return torch.stack([logits[0, -1, answer] - logits[0, -1, foil] for logits in last])

    def _resident_bytes(self) -> int:
        """What this process holds with all weights in memory: a forked one holds none before it has read them."""
        for weights in self.audited.model.parameters():
            weights.sum()
        return int(psutil.Process().memory_info().rss)

    def _record(self, start: Start, plain: torch.Tensor) -> Batch:
        batch = Batch.of(self.replay, self.pairs, start=start)
        check(batch, plain)
        return batch

    def _work(self, task: Task, batch: Batch, sets: Sequence[Nodes]) -> None:
        if task.gradients == "screening":
            screen(batch, steps=STEPS)
        elif task.gradients == "edges":
            edge_scores(batch, steps=STEPS)
        else:
            effects_of(batch, sets)

    # --- memory -------------------------------------------------------------------------------

    def peaks(self, point: Point) -> dict[str, Any]:
        """Peak memory of one analysis of made-up pairs, batched as a run batches them."""
        loaded = self._resident_bytes()
        pairs = self._made_up(point.pairs, point.tokens)
        sets = self._made_up_sets(point.sets)
        for some in batches(pairs, start=point.start):
            batch = Batch.of(self.replay, some, start=point.start)
            if point.analysis == "patches":
                effects_of(batch, sets)
            elif point.analysis == "screening":
                screen(batch, steps=STEPS)
            else:
                edge_scores(batch, steps=STEPS)
        peak = _peak_bytes()
        _tell(f"  {point}: {peak / 1e9:.2f} GB")
        return {"peak_rss_gb": peak / 1e9, "above_model_gb": (peak - loaded) / 1e9}

    def _made_up(self, n: int, tokens: int) -> list[Pair]:
        """Reference pairs with other first tokens: as many as asked for, of any length, no two with a common prefix."""
        kept = min(pair.shared for pair in self.pairs) - 1
        body = [token for pair in self.pairs for token in pair.base]  # any tokens: memory does not depend on which
        out = []
        for number in range(n):
            pair = self.pairs[number % len(self.pairs)]
            n_new = tokens - (len(pair.base) - kept)
            random = np.random.default_rng(number)
            new = tuple(int(token) for token in random.choice(body, n_new))
            out.append(
                Pair(
                    item=f"made-up-{number}",
                    base=new + pair.base[kept:],
                    counterpart=new + pair.counterpart[kept:],
                    answers=pair.answers,
                )
            )
        return out

    def _made_up_sets(self, n: int) -> list[Nodes]:
        """Random sets of nodes of the two top layers: quickly run, and one layer at a time needs no more memory."""
        random = np.random.default_rng(0)
        out = []
        for _ in range(n):
            nodes = np.zeros_like(self._nodes[0])
            nodes[-2:] = random.random(nodes[-2:].shape) < 0.3
            out.append(nodes)
        return out


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of the memory curves."""

    analysis: Literal["patches", "screening", "edges"]
    pairs: int = 16
    sets: int = 64
    tokens: int = 13  # of a prompt
    start: Start = "difference"


def points(mode: Mode) -> Iterator[Point]:
    """Pairs, sets of nodes, length of the shared beginning, and length of all that is patched, grown one by one."""
    sizes = {"quick": (16, 64), "normal": (16, 64, 256), "full": (16, 64, 256, 1024)}[mode]
    most_pairs = {"quick": 16, "normal": 64, "full": 256}[mode]  # of edges, which take the longest
    lengths = {"quick": (13, 52), "normal": (13, 52, 208), "full": (13, 52, 208)}[mode]
    for n in sizes:
        yield Point(analysis="patches", pairs=n)
        yield Point(analysis="screening", pairs=n, sets=0)
        if n <= most_pairs:
            yield Point(analysis="edges", pairs=n, sets=0)
    for n in sizes[1:]:
        if n != Point.sets:
            yield Point(analysis="patches", sets=n)
    for start, n_pairs in (("difference", 16), ("whole", 4)):
        for tokens in lengths:
            for analysis in ("patches", "screening", "edges"):
                known = start == "difference" and tokens == Point.tokens
                slow = analysis == "edges" and start == "whole" and tokens > 52 and mode != "full"
                if not known and not slow:
                    sets = Point.sets if analysis == "patches" else 0
                    yield Point(analysis=analysis, pairs=n_pairs, sets=sets, tokens=tokens, start=start)  # type: ignore[arg-type]


def spread(n_layers: int, n: int) -> list[int]:
    """An even number of the layers, evenly spread and symmetric: on average they lie as deep as all layers do.

    A patch costs in proportion to the layers above it, so the mean cost of theirs is that of all. All nodes of a layer
    are taken together: they enter side by side, as in a whole run, and batches stay as large.
    """
    if n >= n_layers:
        return list(range(n_layers))
    lower = [int((number + 0.5) * n_layers / n) for number in range(n // 2)]
    return [*lower, *(n_layers - 1 - layer for layer in reversed(lower))]


def _of_layers(sets: Sequence[Nodes], layers: Sequence[int]) -> list[Nodes]:
    return [nodes for nodes in sets if nodes[list(layers)].any()]


def _timed(work: Callable[[], Any]) -> tuple[Seconds, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (time.perf_counter() - wall, time.process_time() - cpu), result


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
