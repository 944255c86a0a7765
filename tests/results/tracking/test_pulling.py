"""``push`` and ``pull``: results come back from a server unchanged; the server is not trusted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench.cli import main
from nverbench.errors import TrackingError
from nverbench.results.predictions import Predictions
from nverbench.results.pseudonyms import Names
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result
from nverbench.results.tracking import pull, push
from nverbench.results.tracking.client import FINISHED, RemoteRun, Server, connect
from support.tracking_results import GROUPS, IDS, folder, predictions, result


def mine() -> Result:
    """A local result, with private names."""
    names = Names(
        texts={"secretfile": "0123"},
        clips={},
        groups={f"spk{g}": f"group {g + 1:02d}" for g in range(GROUPS)},
        folds={},
    )
    return result(names=names, per_group_accuracy={"spk0": 0.5})


def filed(root: Path) -> ResultStore:
    """A folder with a local result (clip ids, names of people) and a published one."""
    made = folder(root, result(IDS[1]))
    p = predictions()
    groups = [f"spk{int(g[-2:]) - 1}" for g in p.groups]
    made.write(
        mine(),
        Predictions(
            [f"clip{i}" for i in range(len(p.ids))],
            groups,
            p.target,
            p.folds,
            p.probabilities,
            p.keys,
        ),
    )
    return made


def files(root: Path) -> dict[str, bytes]:
    """Everything in a folder but records of uploads."""
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in root.rglob("*")
        if p.is_file() and p.suffix != ".tracked" and p.name != ".telling"
    }


def test_what_was_pushed_is_pulled_in_its_published_form(uri: str, tmp_path: Path) -> None:
    here, there = filed(tmp_path / "a"), ResultStore(tmp_path / "b")
    push(here, uri, print)
    printed: list[str] = []
    done = pull(there, uri, printed.append)
    assert (done.written, done.here, done.damaged, printed) == (2, 0, 0, [])
    for job in IDS[:2]:
        assert read_result(there.path(job)) == read_result(here.path(job)).published()
        assert (
            Predictions.read(there.predictions_path(job)).keys
            == Predictions.read(here.predictions_path(job)).keys
        )
    assert read_result(there.path(IDS[0])).names is None
    assert b"spk" not in b"".join(files(tmp_path / "b").values())


def test_pushing_and_pulling_again_changes_nothing(uri: str, tmp_path: Path) -> None:
    here, there = filed(tmp_path / "a"), ResultStore(tmp_path / "b")
    assert push(here, uri, print).told == 2
    pull(there, uri, print)
    before = files(tmp_path / "b")
    assert (pull(there, uri, print).here, files(tmp_path / "b")) == (2, before)
    assert (push(here, uri, print).told, push(there, uri, print).told) == (
        0,
        0,
    )  # a pulled result is the one the server has


def test_a_push_that_was_stopped_goes_on(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = filed(tmp_path)
    real, left = Server.attach, [1]

    def attach(self: Server, run: str, place: Path) -> None:
        if not left:
            raise ConnectionError("gone")
        left.pop()
        real(self, run, place)

    with monkeypatch.context() as patched:
        patched.setattr(Server, "attach", attach)
        with pytest.raises(
            TrackingError, match=r"results are safe in .*, the same command goes on from here"
        ):
            push(here, uri, print)
    done = push(here, uri, print)
    assert (done.told, done.known) == (1, 1)
    server = connect(uri)
    assert len(list(server.runs(FINISHED, server.experiments()))) == 2
    assert len(list(server.runs("", server.experiments()))) == 6


def test_a_damaged_result_costs_a_push_one_line(uri: str, tmp_path: Path) -> None:
    here = filed(tmp_path)
    here.path(IDS[1]).write_text("{")
    here.write(result(IDS[2]), predictions())
    here.predictions_path(IDS[2]).write_bytes(b"PK")
    printed: list[str] = []
    done = push(here, uri, printed.append)
    assert (done.told, done.damaged, len(printed)) == (1, 2, 2)


def test_a_result_that_is_here_is_never_touched(uri: str, tmp_path: Path) -> None:
    push(folder(tmp_path / "a", result()), uri, print)
    other = result(licence="another")
    there = folder(tmp_path / "b", other)
    before = files(tmp_path / "b")
    printed: list[str] = []
    assert pull(there, uri, printed.append).here == 1
    assert files(tmp_path / "b") == before
    assert "the one here is kept" in printed[0]


def artifacts(uri: str) -> tuple[RemoteRun, Path]:
    """The only job of a local store, and where its files lie."""
    server = connect(uri)
    (run,) = server.runs(FINISHED, server.experiments())
    return run, Path(run.artifacts.removeprefix("file://"))


def retag(uri: str, run: RemoteRun, key: str, value: str) -> None:
    connect(uri).write(run.run, tags={key: value})


def rewrite(place: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the JSON of a result, with a digest that fits again."""
    path = place / f"{IDS[0]}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(Result.model_validate(content).sealed().model_dump_json())


def edit(place: Path, **arrays: Any) -> None:
    """Change arrays of the predictions."""
    path = place / f"{IDS[0]}.predictions.npz"
    with np.load(path) as file:
        kept = {name: file[name] for name in file.files}
    np.savez(path, **{**kept, **arrays})


PRIVATE = Names(
    texts={}, clips={}, groups={"ann": "group 1", "bob": "group 2"}, folds={}
).model_dump()
DAMAGE: dict[str, tuple[Callable[[str, RemoteRun, Path], object], str]] = {
    "changed by hand": (
        lambda u, t, p: (p / f"{IDS[0]}.json").write_text(
            (p / f"{IDS[0]}.json").read_text().replace("MIT", "GPL")
        ),
        "result_digest",
    ),
    "unknown key": (
        lambda u, t, p: (p / f"{IDS[0]}.json").write_text(
            (p / f"{IDS[0]}.json").read_text().replace('"id"', '"x": 1, "id"')
        ),
        "Extra",
    ),
    "no json": (lambda u, t, p: (p / f"{IDS[0]}.json").unlink(), "cannot be read"),
    "no predictions": (
        lambda u, t, p: (p / f"{IDS[0]}.predictions.npz").unlink(),
        "cannot be read",
    ),
    "predictions are no archive": (
        lambda u, t, p: (p / f"{IDS[0]}.predictions.npz").write_bytes(b"x"),
        "no .npz",
    ),
    "pickled predictions": (
        lambda u, t, p: edit(p, ids=np.array([{}], dtype=object)),
        "cannot be read",
    ),
    "fewer clips": (
        lambda u, t, p: edit(p, probabilities=np.zeros((1, 3, 2), np.float32)),
        "probabilities",
    ),
    "other replicates": (
        lambda u, t, p: edit(p, probabilities=np.zeros((2, 2 * GROUPS, 2), np.float32)),
        "probabilities",
    ),
    "clip ids": (
        lambda u, t, p: edit(p, keys=np.array([f"clip {i}" for i in range(2 * GROUPS)])),
        "a key per clip",
    ),
    "another id within": (lambda u, t, p: rewrite(p, lambda c: c.update(id=IDS[2])), "its result"),
    "private names": (lambda u, t, p: rewrite(p, lambda c: c.update(names=PRIVATE)), "private"),
    "a path as id": (
        lambda u, t, p: retag(u, t, "nverbench.id", "../../../tmp/x"),
        "expected an id of 16",
    ),
    "an id with a newline": (
        lambda u, t, p: retag(u, t, "nverbench.id", IDS[0] + "\n"),
        "expected an id of 16",
    ),
    "too large": (lambda u, t, p: os.truncate(p / f"{IDS[0]}.json", 65 << 20), "at most 64 MiB"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_run_costs_one_line_and_writes_nothing(
    name: str, uri: str, tmp_path: Path
) -> None:
    push(folder(tmp_path / "a"), uri, print)
    damage, reason = DAMAGE[name]
    damage(uri, *artifacts(uri))
    printed: list[str] = []
    done = pull(ResultStore(tmp_path / "b"), uri, printed.append)
    assert (done.written, done.damaged, len(printed)) == (0, 1, 1)
    assert reason in printed[0]
    assert "\n" not in printed[0]
    assert files(tmp_path / "b") == {}


def test_an_archive_that_unpacks_to_too_much_is_not_read(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(folder(tmp_path / "a"), uri, print)
    monkeypatch.setattr("nverbench.results.tracking.pull_results.LARGEST_ARRAYS", 2000)
    printed: list[str] = []
    assert pull(ResultStore(tmp_path / "b"), uri, printed.append).damaged == 1
    assert "unpack to more than" in printed[0] or "at most" in printed[0]


def test_a_server_cannot_name_a_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("private")
    server = Server(None, "https://tracking.example", None)
    with pytest.raises(TrackingError, match="artifacts lie in a folder of the server"):
        server.fetch(
            RemoteRun("run", "1", "FINISHED", tmp_path.as_uri(), {}, {}), "x", tmp_path / "y"
        )
    assert not (tmp_path / "y").exists()


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(w) for w in words])
    return int(left.value.code or 0)


def test_the_commands_say_what_they_did(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filed(tmp_path / "a")
    assert run("leaderboard", "push", "--tracking-uri", uri, "--out", tmp_path / "a") == 0
    assert "2 results uploaded to" in capsys.readouterr().out
    assert run("leaderboard", "pull", "--tracking-uri", uri, "--out", tmp_path / "b") == 0
    assert "2 results written to" in capsys.readouterr().out


def test_a_damaged_run_makes_pull_exit_with_2(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push(folder(tmp_path / "a"), uri, print)
    (artifacts(uri)[1] / f"{IDS[0]}.json").write_text("{}")
    assert run("leaderboard", "pull", "--tracking-uri", uri, "--out", tmp_path / "b") == 2
    printed = capsys.readouterr()
    assert "1 damaged and not taken" in printed.out
    assert printed.err.count("\n") == 1


def test_a_database_that_is_not_there_is_not_made_by_pull(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("leaderboard", "pull", "--tracking-uri", f"sqlite:///{tmp_path}/none.db") == 2
    assert "no MLflow database is there" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()


def test_an_empty_folder_has_nothing_to_push(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("leaderboard", "push", "--out", tmp_path) == 2
    assert "nverbench run makes some" in capsys.readouterr().err
