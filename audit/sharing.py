"""Work that ends in the cache, shared among processes.

For matrices of an audit's size two threads of torch get 1.5 to 1.9 times as much done as one (bench/results.json), two
processes of one thread each twice as much. So jobs are done by forked processes, which have the loaded model without a
copy of it and leave what they find in the cache. Whoever gave the jobs makes the same calls afterwards, and finds
everything there: what a process could not do is then done, or fails with its own error, where it is asked for.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from audit.models import AuditedModel
from audit.runs import ShardCache

# Free memory that one more process must find. Measured on gemma-3-270m: looking for circuits takes most, 1.4 GB.
BYTES_EACH = 2 * 2**30


@dataclass(frozen=True, kw_only=True)
class Job:
    """One call whose result the cache holds afterwards.

    Args:
        do: makes it; no harm if it is called more than once.
        group: jobs of one group share what was recorded on the way, so a process keeps to its group while it can.
        size: how much is told to be done when it is.
    """

    do: Callable[[], object]
    group: str = ""
    size: int = 1


def share(
    jobs: Sequence[Job], *, cache: ShardCache, load: Callable[[], AuditedModel], done: Callable[[int], None]
) -> None:
    """Do what the cache does not hold yet.

    Args:
        jobs: what is to be done, in any order.
        cache: where all of them leave what they find.
        load: gives the model; called only if something is to be done, and before processes are forked.
        done: told the size of each job that is done, or was.

    Raises:
        whatever a job raises, where this process does them all; processes keep their errors to themselves.
    """
    todo = []
    for job in jobs:
        if cache.holds(job.do):
            done(job.size)
        else:
            todo.append(job)
    n = min(processes_for(load()), len(todo)) if todo else 0
    if n > 1:
        _fork(todo, n, done)
    else:
        for job in todo:
            job.do()
            done(job.size)


def processes_for(audited: AuditedModel) -> int:
    """As many as torch has threads (OMP_NUM_THREADS) and as memory has room for.

    1 where a fork is not safe: with the model on an accelerator, outside Linux, or away from the main thread.
    """
    if sys.platform != "linux" or audited.model.device.type != "cpu":
        return 1
    if threading.current_thread() is not threading.main_thread():
        return 1
    import psutil

    room = int(psutil.virtual_memory().available // BYTES_EACH)
    return max(1, min(torch.get_num_threads(), room))


def _fork(jobs: Sequence[Job], n: int, done: Callable[[int], None]) -> None:
    context = multiprocessing.get_context("fork")
    taken = context.Array("b", len(jobs))
    children, readers = [], []
    try:
        for _ in range(n):
            here, there = context.Pipe(duplex=False)
            child = context.Process(target=_work, args=(jobs, taken, there, os.getpid()), daemon=True)
            with warnings.catch_warnings():
                # Python 3.12 warns of forks beside threads; torch's have nothing to do then, and no child uses them.
                warnings.simplefilter("ignore", DeprecationWarning)
                child.start()
            there.close()
            children.append(child)
            readers.append(here)
        while readers:
            for reader in multiprocessing.connection.wait(readers):
                assert isinstance(reader, multiprocessing.connection.Connection)
                try:
                    done(jobs[int(reader.recv_bytes())].size)
                except EOFError:
                    readers.remove(reader)
    finally:
        for child in children:
            child.terminate()
            child.join()


def _work(jobs: Sequence[Job], taken: Any, there: Any, parent: int) -> None:
    """Runs in a forked process until nothing is left or its parent is gone; never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its children
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        torch.set_num_threads(1)
        group = ""
        while os.getppid() == parent:
            number = _take(jobs, taken, group)
            if number is None:
                break
            group = jobs[number].group
            jobs[number].do()
            there.send_bytes(str(number).encode())
    except Exception:  # noqa: S110 - told where the call is made again, by the process that can tell it
        pass
    finally:
        os._exit(0)  # no exit handlers: they are the parent's


def _take(jobs: Sequence[Job], taken: Any, group: str) -> int | None:
    """The next job: of the same group, else of one that nobody has begun, else any."""
    with taken.get_lock():
        free = [number for number, flag in enumerate(taken) if not flag]
        if not free:
            return None
        begun = {jobs[number].group for number, flag in enumerate(taken) if flag}
        mine = [number for number in free if jobs[number].group == group]
        fresh = [number for number in free if jobs[number].group not in begun]
        number = (mine or fresh or free)[0]
        taken[number] = 1
        return number
