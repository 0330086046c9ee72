"""What scoring costs, in plain forwards of the same sequences in the same process.

    python -m bench.observe [--model NAME] [--json]

A plain forward is the model's own logits of every prompt with every answer, in left-padded batches of eight: what an
evaluation harness does. The ratio survives a change of machine; seconds do not.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch

from audit.models import AuditedModel
from audit.observe import score, score_plainly
from audit.suites import load_suite

# Suite -> how many asks: enough to fill batches, few enough for the plain way to end.
SAMPLES = {"stereotype": 48, "culture": 8, "values": 32, "dilemma": 16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    given = parser.parse_args()
    audited = AuditedModel.load(given.model)
    rows = [{"suite": name, **compare(audited, name, size)} for name, size in SAMPLES.items()]
    about = {
        "model": audited.record.name,
        "torch": version("torch"),
        "transformers": version("transformers"),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }
    if given.json:
        print(json.dumps({**about, "rows": rows}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    for row in rows:
        print(f"{row['suite']:12} {row['ours']:6.1f} s  plain {row['plain']:6.1f} s  ratio {row['ratio']:.2f}")


def compare(audited: AuditedModel, suite: str, size: int) -> dict[str, Any]:
    """Seconds of both ways on the same asks, and the largest difference of a log-probability."""
    asks = [ask for item in load_suite(suite, languages=["en"]).items for ask in item.asks][:size]
    ours, fast = timed(lambda: score(audited, asks))
    plain, slow = timed(lambda: score_plainly(audited, asks))
    apart = max(abs(one[r].logp - other[r].logp) for one, other in zip(fast, slow, strict=True) for r in one)
    return {"asks": len(asks), "ours": ours, "plain": plain, "ratio": ours / plain, "largest_difference": apart}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds and the result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
