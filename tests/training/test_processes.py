"""Trainings in several processes: the same bits as one by one, and no job is lost to a part that
cannot be pickled or to a worker that dies.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench import Fusion, Loss
from nverbench.data.folds.assign import Fold
from nverbench.errors import FitError
from nverbench.pipeline.executors.processes import WORTH_STARTING, ProcessExecutor
from nverbench.training.folds import fit_folds, submit_folds
from nverbench.training.records import FoldPredictions, TrainingSetup, TrainingTasks
from support.training import ENTROPY, data, plan, training

ROWS = 90


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessExecutor]:
    with ProcessExecutor(2) as made:
        yield made


def folds(number: int = 3) -> list[Fold]:
    parts = np.array_split(np.random.default_rng(3).permutation(ROWS), number)
    made = []
    for i, test in enumerate(parts):
        rest = [r for r in range(ROWS) if r not in set(test.tolist())]
        made.append(
            Fold(str(i), tuple(rest[12:]), tuple(rest[:12]), tuple(sorted(test.tolist())), False)
        )
    return made


def fitted(
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    workers: ProcessExecutor,
    made: TrainingSetup | None = None,
) -> list[FoldPredictions]:
    monkeypatch.setenv("NVERBENCH_FIT", way)
    features, target = data(ROWS)
    return [
        f
        for replicate in fit_folds(made or plan(), [features], target, folds(), 2, workers=workers)
        for f in replicate
    ]


def test_processes_give_the_bits_of_one_by_one_in_the_same_order(
    monkeypatch: pytest.MonkeyPatch, workers: ProcessExecutor
) -> None:
    one, many = (fitted(way, monkeypatch, workers) for way in ("one", "processes"))
    assert [f.curves for f in many] == [f.curves for f in one]
    assert all(
        np.array_equal(a.probabilities, b.probabilities) for a, b in zip(one, many, strict=True)
    )


def test_parts_that_cannot_travel_are_trained_here(
    monkeypatch: pytest.MonkeyPatch, workers: ProcessExecutor
) -> None:
    closure = Fusion(
        name="net",
        arity=(1, None),
        build=lambda dims, classes: training().fusion.build(dims, classes),
    )
    assert len(fitted("processes", monkeypatch, workers, training(closure))) == 6


def test_a_worker_that_dies_costs_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    monkeypatch.setenv("NVERBENCH_TEST_PARENT", str(parent))
    made = replace(plan(), loss=Loss(name="deadly", build=deadly), loss_options={})
    said: list[str] = []
    with ProcessExecutor(2, said.append) as own:
        assert len(fitted("processes", monkeypatch, own, made)) == 6
    assert len(said) == 1
    assert "died" in said[0]


def deadly(classes: int, counts: Any) -> Any:
    """A loss whose worker is killed, as one without memory would be; harmless in the parent."""
    if str(os.getpid()) != os.environ["NVERBENCH_TEST_PARENT"]:
        os._exit(9)
    return ENTROPY.build(classes, counts)


def test_a_training_that_fails_in_a_worker_fails_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        ProcessExecutor(2) as own,
        pytest.raises(FitError, match=r"is not a finite number|not finite numbers"),
    ):
        fitted("processes", monkeypatch, own, plan(lr=1e30))


def test_workers_are_used_once_the_first_training_has_shown_that_it_pays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submitted: list[int] = []

    class Spied(ProcessExecutor):
        def worth_starting(self, seconds: float) -> bool:
            return seconds > 0

        def submit(self, trainings: TrainingTasks) -> None:
            submitted.append(len(trainings.tasks))

    assert len(fitted("auto", monkeypatch, Spied(2))) == 6
    assert submitted == [5]


def test_workers_that_run_get_everything_and_more_than_one_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NVERBENCH_FIT", "auto")
    features, target = data(ROWS)
    with ProcessExecutor(2) as own:
        assert not own.wants_work
        fitted("processes", monkeypatch, own)
        assert own.wants_work
        monkeypatch.setenv("NVERBENCH_FIT", "auto")
        ends = [submit_folds(plan(), [features], target, folds(), 2, workers=own) for _ in range(2)]
        first, second = ([f for replicate in end() for f in replicate] for end in ends)
    assert [f.curves for f in first] == [f.curves for f in second]


def test_a_job_that_fails_leaves_the_next_one_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVERBENCH_FIT", "processes")
    features, target = data(ROWS)
    with ProcessExecutor(2) as own:
        bad, good = (
            submit_folds(made, [features], target, folds(), 2, workers=own)
            for made in (plan(lr=1e30), plan())
        )
        with pytest.raises(FitError):
            bad()
        assert len(good()) == 2
        assert own._pool is not None


def test_two_jobs_survive_the_death_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVERBENCH_TEST_PARENT", str(os.getpid()))
    monkeypatch.setenv("NVERBENCH_FIT", "processes")
    features, target = data(ROWS)
    said: list[str] = []
    with ProcessExecutor(2, said.append) as own:
        plans = replace(plan(), loss=Loss(name="deadly", build=deadly), loss_options={}), plan()
        ends = [submit_folds(made, [features], target, folds(), 2, workers=own) for made in plans]
        assert [len(end()) for end in ends] == [2, 2]
    assert len(said) == 1


def test_workers_are_not_started_for_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ProcessExecutor(2)
    fitted("auto", monkeypatch, own)
    assert own._pool is None
    assert [own.worth_starting(s) for s in (WORTH_STARTING / 2, WORTH_STARTING * 2)] == [
        False,
        True,
    ]
    assert not ProcessExecutor(1).worth_starting(1e9)


def test_workers_have_nothing_to_say(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with ProcessExecutor(2) as own:
        fitted("processes", monkeypatch, own)
        fitted(
            "processes",
            monkeypatch,
            own,
            replace(plan(), protocol=plan().protocol.model_copy(update={"scaling": "none"})),
        )
    assert capfd.readouterr().err == ""


def test_every_training_is_ticked_once(
    monkeypatch: pytest.MonkeyPatch, workers: ProcessExecutor
) -> None:
    ticks: list[int] = []
    monkeypatch.setenv("NVERBENCH_FIT", "processes")
    features, target = data(ROWS)
    fit_folds(plan(), [features], target, folds(), 2, ticks.append, workers)
    assert sum(ticks) == 6


def test_workers_start_under_the_command_line_too() -> None:
    code = (
        "import runpy; runpy.run_module('nverbench', run_name='__mp_main__'); print('did not run')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "did not run"


KILLED = """
import os, signal
from nverbench.pipeline.executors.processes import new_pool
pool = new_pool(2)
print(*{pool.submit(os.getpid).result() for _ in range(20)}, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_parent_that_was_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=120
    )
    workers = [int(word) for word in done.stdout.split()]
    assert workers, done.stderr
    deadline = time.monotonic() + 30
    while any(map(lives, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(lives, workers))


def lives(process: int) -> bool:
    """Whether it runs; one that ended and that nobody asked after does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
