"""A callback that audits checkpoints while transformers' Trainer trains. Imports transformers."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from audit import pipeline
from audit.errors import UsageError
from audit.pipeline import Request
from audit.release.bounds import Outcome
from audit.release.gate import GateResult, gate
from audit.release.outputs import summary
from audit.release.policy import Policy
from audit.runs import RunFolder

log = logging.getLogger(__name__)


class AuditCallback(TrainerCallback):
    """Audits the model every so many steps and once at the end, decides by a policy, and stops training on a FAIL.

        policy = audit.load_policy("policy.toml")
        small = audit.Request(suites=("competence", "stereotype"), languages=("en",), limit=4, circuits="none")
        trainer = Trainer(..., processing_class=tokenizer, callbacks=[audit.AuditCallback(small, policy, every=500)])

    The model is written to a temporary folder with its tokenizer and audited from there, so a second copy of it is in
    memory meanwhile. Each decision is kept in `results`, and in the trainer's log history as numbers:
    `audit_exit_code` (0 PASS, 1 FAIL, 2 INSUFFICIENT EVIDENCE, 3 CONTESTED) and how many cells came to each outcome. A
    small request shows large effects only: what it cannot tell is INSUFFICIENT EVIDENCE and stops nothing.
    """

    def __init__(
        self,
        request: Request,
        policy: Policy,
        *,
        every: int,
        runs: Path = Path("runs"),
        baseline: RunFolder | None = None,
        stop: Callable[[GateResult], bool] = lambda result: result.outcome is Outcome.FAIL,
    ) -> None:
        """What to audit, and when.

        Args:
            request: suites, languages, limit; its model is replaced by the checkpoint.
            policy: decides.
            every: steps between two audits.
            runs: folder that holds the run folders.
            baseline: for rules with a margin.
            stop: whether a decision ends the training.
        """
        if every < 1:
            raise UsageError(f"every={every}: steps between two audits; give 1 or more")
        self.request, self.policy, self.every = request, policy, every
        self.runs, self.baseline, self.stop = runs, baseline, stop
        self.results: list[tuple[int, GateResult]] = []  # (step, decision)

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - transformers' signature
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> TrainerControl:
        """Audit, if it is time."""
        if state.global_step % self.every == 0:
            self._audit(state, control, **kwargs)
        return control

    def on_train_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - transformers' signature
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> TrainerControl:
        """Audit what came of it, unless the last step was audited."""
        if not self.results or self.results[-1][0] != state.global_step:
            self._audit(state, control, **kwargs)
        return control

    def _audit(
        self, state: TrainerState, control: TrainerControl, *, model: Any, processing_class: Any = None, **_: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        if processing_class is None:
            raise UsageError("AuditCallback: the trainer has no tokenizer; give it one: Trainer(processing_class=...)")
        with tempfile.TemporaryDirectory(prefix="plural-audit-") as folder:
            place = Path(folder) / f"step-{state.global_step}"
            model.save_pretrained(place)
            processing_class.save_pretrained(place)
            request = replace(self.request, model=str(place), policy=self.policy.digest)
            run = pipeline.run(request, runs=self.runs)
        result = gate(run, self.policy, baseline=self.baseline)
        self.results.append((state.global_step, result))
        state.log_history.append(_logged(state.global_step, result))
        log.warning("step %d: %s", state.global_step, summary(result))
        if self.stop(result):
            control.should_training_stop = True


def _logged(step: int, result: GateResult) -> dict[str, float]:
    counts = {outcome: sum(cell.outcome is outcome for cell in result.cells) for outcome in Outcome}
    told = {f"audit_{outcome.name.lower()}": float(n) for outcome, n in counts.items()}
    return {"step": step, "audit_exit_code": result.exit_code, **told}
