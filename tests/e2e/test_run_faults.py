"""A disk that is full, a permission that is gone, a file that changes: one line, the documented
exit code, and the same command later goes on.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from nverbench.data.folds.assign import Fold
from nverbench.pipeline import plan
from nverbench.pipeline.embeddings import RunEmbeddings
from nverbench.pipeline.executors import processes
from nverbench.pipeline.executors.processes import ProcessExecutor
from nverbench.results import tracking
from nverbench.training.folds import fit_folds
from nverbench.training.records import TrainingSetup
from support.training import CLASSES, ENTROPY, LINEAR, QUICK, data

log = tracking.log  # the real one: the tiny world puts a stand-in in its place
FULL, REFUSED = errno.ENOSPC, errno.EACCES
CODES = pytest.mark.parametrize("code", [FULL, REFUSED], ids=["full", "refused"])
NOISE = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sqlalchemy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:alembic"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def refuse(broken: pytest.MonkeyPatch, pattern: str, code: int) -> None:
    """Let no file whose path matches come under its name."""
    replace = Path.replace

    def refusing(self: Path, target: Path) -> Path:
        if fnmatch(str(target), pattern):
            raise OSError(code, os.strerror(code))
        return replace(self, target)

    broken.setattr(Path, "replace", refusing)


def digest(ran: Any) -> str:
    (record,) = ran.records
    assert ran.code == 0, ran.err
    found: str = record["result_digest"]
    return found


def straight(world: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of a run that nothing disturbs, in a home and a folder of its own."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("NVERBENCH_HOME", str(world.root / "other-home"))
        world.run("data", "add", "tiny-bursts", world.corpus)
        return digest(world.job("--json", "--out", "other-runs"))


def litter(world: Any) -> list[Path]:
    homes = [Path(os.environ["NVERBENCH_HOME"]), world.root]
    return [path for root in homes for path in root.rglob(".writing-*")]


@CODES
@pytest.mark.parametrize(
    "site", ["*.embedding", "*/results/*.predictions.npz", "*/results/????????????????.json"]
)
def test_a_result_that_cannot_be_written_fails_its_job_in_one_line(
    world: Any, monkeypatch: pytest.MonkeyPatch, site: str, code: int
) -> None:
    with monkeypatch.context() as broken:
        refuse(broken, site, code)
        ran = world.job()
    assert ran.code == 1
    (line,) = [line for line in ran.err.splitlines() if "cannot be written" in line]
    assert (
        f"cannot be written ({os.strerror(code)}); make room or correct the permission, then the same"
        " command goes on from here" in line
    )
    assert (world.results, litter(world)) == ([], [])
    assert digest(world.job("--json")) == straight(world, monkeypatch)


@CODES
def test_the_other_jobs_go_on_where_neither_a_result_nor_its_failure_can_be_written(
    world: Any, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with monkeypatch.context() as broken:
        refuse(broken, "nverbench-runs/*", code)
        ran = world.run("run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml")
    assert ran.code == 1
    assert "0 finished, 0 already finished, 2 failed" in ran.err
    assert world.job("--json").code == 0


@CODES
@pytest.mark.parametrize("site", ["*/speeds.json", "*gaps/*.json"])
def test_a_result_stands_without_what_is_noted_beside_it(
    world: Any, monkeypatch: pytest.MonkeyPatch, site: str, code: int
) -> None:
    with monkeypatch.context() as broken:
        refuse(broken, site, code)
        ran = world.job("--folds", "speaker", "--folds", "random")
    assert ran.code == 0
    assert "2 finished, 0 already finished, 0 failed" in ran.err
    assert f"cannot be written ({os.strerror(code)})" in ran.err
    assert "2 already finished" in world.job("--folds", "speaker", "--folds", "random").err


@pytest.mark.parametrize("place", ["nverbench-runs", "nverbench-runs/results"])
def test_a_file_in_place_of_the_results_is_one_line(world: Any, place: str) -> None:
    (world.root / place).parent.mkdir(exist_ok=True)
    (world.root / place).touch()
    ran = world.job()
    assert ran.code == 1
    assert "cannot be written (" in ran.err
    (world.root / place).unlink()
    assert world.job().code == 0


def test_a_home_that_cannot_be_written_is_one_line_and_exit_2(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world.root / "file").touch()
    monkeypatch.setenv("NVERBENCH_HOME", str(world.root / "file"))
    ran = world.run("data", "add", "tiny-bursts", world.corpus)
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
    assert "bug" not in ran.err


@pytest.mark.parametrize("mark", [pytest.param(None, marks=NOISE)])
def test_a_result_is_told_once_where_it_cannot_be_noted_that_it_was(
    world: Any, monkeypatch: pytest.MonkeyPatch, mark: None
) -> None:
    monkeypatch.setattr(tracking, "log", log)
    uri = f"sqlite:///{world.root}/mlflow.db"
    with monkeypatch.context() as broken:
        refuse(broken, "*.tracked", FULL)
        ran = world.job("--tracking-uri", uri)
    assert ran.code == 0
    assert "cannot be written (No space left on device)" in ran.err
    again = world.run("leaderboard", "push", "--tracking-uri", uri)
    assert again.code == 0
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    assert (
        len(client.search_runs([e.experiment_id for e in client.search_experiments()])) == 5
    )  # one parent, four folds


def test_workers_without_room_for_their_files_cost_the_parallelism_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*words: object, **options: object) -> None:
        raise OSError(FULL, os.strerror(FULL))

    features, target = data(60)
    rows, said = np.arange(60), list[str]()
    cuts = [
        Fold(
            str(i),
            tuple(rows[rows % 3 == i][:10]),
            tuple(rows[rows % 3 == i][10:]),
            tuple(rows[rows % 3 != i]),
            False,
        )
        for i in range(2)
    ]
    monkeypatch.setenv("NVERBENCH_FIT", "processes")
    with monkeypatch.context() as broken, ProcessExecutor(2, said.append) as workers:
        broken.setattr(processes.np, "save", full)
        (fitted,) = fit_folds(
            TrainingSetup(LINEAR, {}, ENTROPY, {}, QUICK, CLASSES),
            [features],
            target,
            cuts,
            1,
            workers=workers,
        )
    assert len(fitted) == 2
    assert "so that folds are trained one by one" in said[0]


def test_a_file_that_changes_after_planning_fails_the_job_and_the_next_run_is_another_row(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = digest(world.job("--json", "--out", "before"))
    clip, planned = world.corpus / "spk0" / "high-0.wav", plan.plan

    def changing(*words: Any) -> Any:
        made = planned(*words)
        quieter(clip)
        return made

    with monkeypatch.context() as broken:
        broken.setattr(plan, "plan", changing)
        ran = world.job()
    assert ran.code == 2
    assert f"{clip}: the file changed while the job was running; run it again" in ran.err
    assert digest(world.job("--json")) == straight(world, monkeypatch) != first


def test_a_file_that_changes_while_others_are_embedded_is_not_kept_under_its_old_digest(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, encode = world.corpus / "spk7" / "mid-1.wav", world.encode  # the last one
    content, heard = clip.read_bytes(), []

    def changing(waves: Any, lengths: Any) -> Any:
        if not heard:
            heard.append(quieter(clip))
        return encode(waves, lengths)

    world.backbones = [world.backbone("tiny-spectrum", load=lambda ctx: changing, batch=1)]
    ran = world.job()
    assert ran.code == 2
    assert f"{clip}: the file changed while it was embedded; run it again" in ran.err
    clip.write_bytes(content)
    world.backbones = [world.backbone("tiny-spectrum", batch=1)]
    assert digest(world.job("--json")) == straight(world, monkeypatch)


def test_a_file_that_changes_between_embedding_and_training_fails_the_job_by_name(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = straight(world, monkeypatch)
    clip, prepare = world.corpus / "spk0" / "high-0.wav", RunEmbeddings.prepare
    world.run("data", "add", "tiny-bursts", world.corpus)

    def changing(*words: Any) -> None:
        prepare(*words)
        quieter(clip)

    with monkeypatch.context() as broken:
        broken.setattr(RunEmbeddings, "prepare", changing)
        ran = world.job()
    assert (ran.code, world.results) == (2, [])
    assert f"{clip}: the file changed while the job was running; run it again" in ran.err
    assert digest(world.job("--json")) != before


def test_a_file_that_changes_once_training_has_begun_is_another_row_next_time(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = straight(world, monkeypatch)
    clip, build, changed = (
        world.corpus / "spk0" / "high-0.wav",
        world.fusions[0].build,
        list[Path](),
    )

    def changing(dims: Any, classes: int) -> Any:
        if not changed:
            changed.append(clip)
            quieter(clip)
        return build(dims, classes)

    world.fusions[0] = replace(world.fusions[0], build=changing)
    world.run("data", "add", "tiny-bursts", world.corpus)
    monkeypatch.setenv("NVERBENCH_FIT", "one")
    assert (
        digest(world.job("--json")) == before
    )  # of the content that was embedded, whose digest it carries
    assert changed == [clip]
    assert digest(world.job("--json")) != before


def test_a_fusion_that_does_not_fit_the_memory_fails_its_job_and_the_rest_goes_on(
    world: Any,
) -> None:
    def hungry(dims: Any, classes: int) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    world.fusions[0] = replace(world.fusions[0], build=hungry)
    ran = world.run("run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml")
    assert ran.code == 1
    assert "does not fit the memory of cpu; take narrower features" in ran.err
    assert "1 finished, 0 already finished, 1 failed" in ran.err


def quieter(clip: Path) -> None:
    samples, rate = soundfile.read(clip)
    soundfile.write(clip, samples * 0.5, rate, subtype="PCM_16")
