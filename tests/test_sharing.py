"""What is shared among processes is what one process would have found, and whatever ends a process loses nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from audit import sharing
from audit.errors import UnsupportedModelError
from audit.runs import ShardCache
from audit.sharing import Job, processes_for, share

ON_CPU = SimpleNamespace(model=SimpleNamespace(device=torch.device("cpu")))


@pytest.fixture
def cache(tmp_path) -> ShardCache:
    return ShardCache(tmp_path / "shards")


@pytest.fixture
def two(monkeypatch) -> None:
    """Two processes, whatever this machine has."""
    monkeypatch.setattr(sharing, "processes_for", lambda _audited: 2)


def key_of(number: int) -> str:
    return f"{number:064d}"


def kept_jobs(cache: ShardCache, n: int) -> list[Job]:
    """Each leaves its number and the process that did it; of size 3."""

    def call(number: int):
        return lambda: cache.kept(key_of(number), lambda: {"number": number, "by": os.getpid()})

    return [Job(do=call(number), group=str(number // 4), size=3) for number in range(n)]


def test_other_processes_do_all_jobs_and_each_is_told_once(cache, two):
    told: list[int] = []
    share(kept_jobs(cache, 20), cache=cache, load=lambda: ON_CPU, done=told.append)
    found = [cache.read(key_of(number)) for number in range(20)]
    assert [one["number"] for one in found] == list(range(20))
    assert os.getpid() not in {one["by"] for one in found}
    assert told == [3] * 20


def test_what_is_held_is_not_done_again_and_nothing_is_loaded_for_it(cache, two):
    for job in kept_jobs(cache, 4):
        job.do()
    told: list[int] = []
    share(kept_jobs(cache, 4), cache=cache, load=None, done=told.append)
    assert told == [3] * 4


def test_looking_whether_something_is_held_makes_nothing(cache):
    (job,) = kept_jobs(cache, 1)
    assert not cache.holds(job.do)
    assert not cache.folder.exists()
    job.do()
    assert cache.holds(job.do)


def test_a_job_that_fails_elsewhere_fails_where_it_is_asked_for_and_the_others_are_done(cache, two):
    jobs = kept_jobs(cache, 6)

    def failing():
        def make():
            raise UnsupportedModelError("layers of this model cannot be replayed")

        return cache.kept(key_of(99), make)

    share([*jobs, Job(do=failing, group="other")], cache=cache, load=lambda: ON_CPU, done=lambda _: None)
    assert all(cache.holds(job.do) for job in jobs)
    with pytest.raises(UnsupportedModelError, match="cannot be replayed"):
        failing()


def test_where_one_process_does_them_all_an_error_is_its_own(cache, monkeypatch):
    monkeypatch.setattr(sharing, "processes_for", lambda _audited: 1)

    def failing():
        raise UnsupportedModelError("no")

    with pytest.raises(UnsupportedModelError, match="no"):
        share([Job(do=failing)], cache=cache, load=lambda: ON_CPU, done=lambda _: None)


def failing_unless(parent: int, cache: ShardCache, number: int):
    """A call that takes the process with it, but for the one that is asked in the end."""

    def make():
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)  # as by the system where memory is short
        return {"number": number}

    return lambda: cache.kept(key_of(number), make)


def test_a_process_that_is_killed_loses_its_job_alone(cache, two):
    jobs = kept_jobs(cache, 12)
    deadly = failing_unless(os.getpid(), cache, 99)
    share([Job(do=deadly, group="deadly"), *jobs], cache=cache, load=lambda: ON_CPU, done=lambda _: None)
    assert all(cache.holds(job.do) for job in jobs)
    assert not cache.holds(deadly)
    assert deadly() == {"number": 99}


def test_stopped_by_hand_no_process_is_left(cache, two):
    slow = [Job(do=lambda number=number: cache.kept(key_of(number), _slowly), size=1) for number in range(20)]

    def stop(_size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        share(slow, cache=cache, load=lambda: ON_CPU, done=stop)
    assert multiprocessing.active_children() == []


def _slowly() -> dict[str, int]:
    time.sleep(0.2)
    return {}


SCRIPT = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
import torch
from audit import sharing
from audit.runs import ShardCache
sharing.processes_for = lambda _: 2
cache = ShardCache(Path(sys.argv[1]))
def slowly():
    time.sleep(0.1)
    return {}
jobs = [sharing.Job(do=lambda n=n: cache.kept(f"{n:064d}", slowly)) for n in range(300)]
sharing.share(jobs, cache=cache, load=lambda: None, done=lambda _: print("done", flush=True))
"""


def test_processes_end_when_the_one_that_forked_them_was_killed(tmp_path):
    place = tmp_path / "shards"
    given = [sys.executable, "-c", SCRIPT, str(place)]
    with subprocess.Popen(given, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        process.kill()
    time.sleep(1.5)
    before = len(list(place.rglob("*.json")))
    time.sleep(1.0)
    assert len(list(place.rglob("*.json"))) == before < 300


@pytest.mark.parametrize(
    ("taken", "group", "number"),
    [
        ([0, 0, 0, 0, 0, 0], "", 0),  # the first of all
        ([1, 0, 0, 0, 0, 0], "a", 1),  # its own group
        ([1, 0, 0, 0, 0, 0], "", 2),  # a second process begins another group
        ([1, 0, 1, 1, 0, 0], "b", 4),  # its group is done: one that nobody has begun
        ([1, 0, 1, 1, 1, 1], "c", 1),  # every group is begun: help with any
        ([1, 1, 1, 1, 1, 1], "a", None),
    ],
)
def test_a_process_keeps_to_its_group_then_begins_another_then_helps(taken, group, number):
    jobs = [Job(do=list, group=of) for of in "aabbcc"]
    array = multiprocessing.get_context("fork").Array("b", taken)
    assert sharing._take(jobs, array, group) == number
    assert list(array) == [1 if place == number else flag for place, flag in enumerate(taken)]


def test_as_many_processes_as_torch_has_threads_and_memory_has_room_for(monkeypatch):
    import psutil

    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    for gigabytes, n in ((64, 8), (7, 3), (1, 1)):
        there = SimpleNamespace(available=gigabytes * 2**30)
        monkeypatch.setattr(psutil, "virtual_memory", lambda there=there: there)
        assert processes_for(ON_CPU) == n
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert processes_for(ON_CPU) == 1


def test_no_fork_with_an_accelerator_another_system_or_away_from_the_main_thread(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert processes_for(SimpleNamespace(model=SimpleNamespace(device=torch.device("cuda")))) == 1
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(processes_for(ON_CPU)))
    thread.start()
    thread.join()
    assert found == [1]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert processes_for(ON_CPU) == 1
