"""What long work tells while it goes on: its stage, its rate, the time left; on screen and in a log file."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

# Without a terminal (CI, a pipe) a bar is noise: a line every so many seconds says the same.
PLAIN_SECONDS = 10.0


class Reporter(Protocol):
    """Where the library says how far it is."""

    def stage(self, name: str, total: int | None = None, *, unit: str = "") -> None:
        """A new stage begins, of `total` units of work if that is known; `unit` is their name."""

    def advance(self, units: int) -> None:
        """So many units of the stage are done."""

    def say(self, message: str) -> None:
        """A fact worth a line."""

    def log_to(self, file: Path) -> None:
        """Keep what is told from now on in a file too."""


class Silent:
    """Says nothing."""

    def stage(self, name: str, total: int | None = None, *, unit: str = "") -> None:
        """Nothing."""

    def advance(self, units: int) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Nothing."""

    def log_to(self, file: Path) -> None:
        """Nothing."""


class ConsoleReporter:
    """A progress bar with rate and time left on a terminal, plain lines elsewhere; to a log file too once it is set."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._log: Path | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._name, self._unit, self._done = "", "", 0
        self._total: int | None = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def log_to(self, file: Path) -> None:
        """Write every further line to `file` too, with the time of day."""
        self._log = file
        with contextlib.suppress(OSError):  # what cannot be logged is said when the first line fails
            file.parent.mkdir(parents=True, exist_ok=True)

    def stage(self, name: str, total: int | None = None, *, unit: str = "") -> None:
        """Begin a stage; the last one keeps its place on screen."""
        self._name, self._total, self._unit, self._done = name, total, unit, 0
        self._began = self._told = time.monotonic()
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._task = self._bar.add_task(name, total=total)
        self._line(f"{name}: {total} {unit}".rstrip() if total is not None and unit != "%" else name)

    def advance(self, units: int) -> None:
        """Move the bar; without a terminal, say now and then how far it is."""
        self._done += units
        if self._total is not None and self._done > self._total:  # there turned out to be more than was foreseen
            self._total = self._done
            self._bar.update(self._task, total=self._total)
        self._bar.advance(self._task, units)
        now = time.monotonic()
        if now - self._told >= PLAIN_SECONDS or self._done == self._total:
            self._told = now
            self._line(self._summary(now))

    def say(self, message: str) -> None:
        """One line, above the bar."""
        self._line(message, always=True)

    def _summary(self, now: float) -> str:
        rate = self._done / max(now - self._began, 1e-9)
        if self._total is None:
            return f"{self._name}: {self._done} done, {rate:.1f}/s"
        left = (self._total - self._done) / rate
        if self._unit == "%":
            return f"{self._name}: {self._done} %, {left:.0f} s left"
        return f"{self._name}: {self._done}/{self._total} {self._unit}, {rate:.1f}/s, {left:.0f} s left"

    def _line(self, text: str, *, always: bool = False) -> None:
        if always or not self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        if self._log is not None:
            try:
                with self._log.open("a", encoding="utf-8") as log:
                    log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
            except OSError as error:
                # A log is not worth an audit.
                file, self._log = self._log, None
                self._line(f"{file}: cannot be written ({error.strerror}); going on without a log", always=True)


class _RateColumn(ProgressColumn):
    """Units per second of the stage so far."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
