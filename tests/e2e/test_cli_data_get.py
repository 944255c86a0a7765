"""``nverbench data get``: from a server on this machine to a corpus in its place, whatever goes
wrong on the way.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nverbench import Source
from nverbench._io import download, paths, state
from nverbench.data import download as corpus_downloads
from nverbench.data import missing
from support.http_server import Fault, Shelf, serving


def packed(corpus: Path, below: str = "bursts-1.0/") -> bytes:
    """The stranger's corpus as its authors would zip it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(corpus.rglob("*.wav")):
            archive.write(path, below + path.relative_to(corpus).as_posix())
    return buffer.getvalue()


@pytest.fixture
def shelf(world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """The corpus is not on this machine, but on that one."""
    monkeypatch.setattr(download, "PAUSE", 0.0)
    (paths.home() / "corpora.json").unlink()
    with serving(**{"bursts.zip": packed(world.corpus)}) as found:
        declare(world, found)
        yield found


def declare(world: Any, shelf: Shelf, *, licence: str = "CC BY 4.0", **facts: Any) -> None:
    """The dataset with that source."""
    source = Source(**{"address": f"{shelf.address}/bursts.zip", "licence": licence, **facts})
    world.datasets = [replace(world.datasets[0], sources=(source,))]


def place() -> Path:
    return paths.corpus_folder("tiny-bursts")


def left() -> list[str]:
    """What lies under downloads and corpora beside the corpus itself and locks."""
    found = [*(paths.home() / "downloads").rglob("*"), *(paths.home() / "corpora").glob("*")]
    return sorted(
        p.name
        for p in found
        if p.suffix != ".lock" and p not in (place(), paths.home() / "downloads" / "corpora")
    )


def sha(shelf: Shelf) -> str:
    return hashlib.sha256(shelf.files["/bursts.zip"]).hexdigest()


def test_get_fetches_unpacks_registers_and_the_corpus_runs(world: Any, shelf: Shelf) -> None:
    declare(world, shelf, sha256=sha(shelf), size=len(shelf.files["/bursts.zip"]))
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 0
    first, second, third, *_ = ran.out.splitlines()
    assert (
        first == f"corpus tiny-bursts: {shelf.address}/bursts.zip,"
        f" {len(shelf.files['/bursts.zip']) / 1e6:.1f} MB, licence CC BY 4.0"
    )
    assert second == "  consent of the speakers: unknown"
    assert third.startswith("tiny-bursts: 48 clips, 3 classes, 8 speakers, digest ")
    assert ran.out.splitlines()[-1] == f"corpus tiny-bursts is here: {place()}"
    assert len(list(place().rglob("*.wav"))) == 48
    assert left() == []
    assert world.job().code == 0


def test_the_digest_is_that_of_the_folder_it_was_packed_from(world: Any, shelf: Shelf) -> None:
    got = re.search(r"digest (\w+)", world.run("data", "get", "tiny-bursts").out)
    (paths.home() / "corpora.json").unlink()
    added = re.search(r"digest (\w+)", world.run("data", "add", "tiny-bursts", world.corpus).out)
    assert got is not None
    assert added is not None
    assert got[1] == added[1]


@pytest.mark.parametrize("below", ["", "bursts-1.0/"])
def test_a_corpus_may_be_packed_with_or_without_a_folder_around_it(
    world: Any, shelf: Shelf, below: str
) -> None:
    shelf.files["/bursts.zip"] = packed(world.corpus, below)
    assert world.run("data", "get", "tiny-bursts").code == 0
    assert (place() / "spk0").is_dir()


def test_what_is_here_is_not_fetched_again(world: Any, shelf: Shelf) -> None:
    world.run("data", "get", "tiny-bursts")
    shelf.asked.clear()
    ran = world.run("data", "get", "tiny-bursts")
    assert (ran.code, ran.out) == (0, f"corpus tiny-bursts is already here: {place()}\n")
    assert shelf.asked == []


def test_keep_archive_keeps_it_and_says_where(world: Any, shelf: Shelf) -> None:
    ran = world.run("data", "get", "tiny-bursts", "--keep-archive")
    kept = re.search(r"the archive is kept: (\S+)", ran.err)
    assert kept is not None
    assert Path(kept[1]).read_bytes() == shelf.files["/bursts.zip"]


@pytest.mark.parametrize("name", ["vocal-demo", "folder"])
def test_what_needs_no_download_says_so(world: Any, name: str) -> None:
    ran = world.run("data", "get", name)
    assert (ran.code, ran.out) == (0, f"dataset {name} needs no download; just run it\n")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"address": "https://example.org/form", "how": "sign the form"},
            "no program can fetch https://example.org/form; sign the form",
        ),
        (
            {"address": "on request from its authors"},
            "no program can fetch on request from its authors; nverbench data add tiny-bursts PATH",
        ),
        ({"address": "https://zenodo.org/records/1 (A.zip)"}, "no program can fetch"),
        ({"address": "http://example.org/a.zip"}, "no program can fetch"),
    ],
)
def test_what_no_program_can_fetch_says_what_a_person_can_do(
    world: Any, shelf: Shelf, facts: dict[str, str], words: str
) -> None:
    declare(world, shelf, **facts)
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_a_dataset_without_a_source_says_what_a_person_can_do(world: Any, shelf: Shelf) -> None:
    world.datasets = [replace(world.datasets[0], sources=())]
    assert (
        "no program can fetch an unknown source; nverbench data add"
        in world.run("data", "get", "tiny-bursts").err
    )


def test_a_run_without_the_corpus_names_the_command_that_gets_it(world: Any, shelf: Shelf) -> None:
    assert "corpus tiny-bursts is missing" in (ran := world.job("--download")).err
    assert "nverbench data get tiny-bursts" in ran.err
    assert shelf.asked == []
    by_hand = replace(
        world.datasets[0],
        sources=(Source(address="https://example.org/a.zip", how="sign the form"),),
    )
    assert missing.missing_corpus("x", by_hand, None).command == "sign the form"
    assert (
        missing.missing_corpus("x", by_hand, Source(address="https://example.org/b.zip")).command
        == "sign the form"
    )


# --- the licence


NC = "CC BY-NC 4.0"


@pytest.mark.parametrize(
    "licence",
    [
        NC,
        "Creative Commons NonCommercial",
        "custom, non-commercial",
        "for research only",
        "research use only",
    ],
)
def test_a_non_commercial_licence_must_be_accepted(world: Any, shelf: Shelf, licence: str) -> None:
    declare(world, shelf, licence=licence)
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 2
    assert (
        ran.err
        == f"nverbench: corpus tiny-bursts: nothing was fetched: its licence ({licence}) forbids"
        " commercial use; give --accept-licence to accept it\n"
    )
    assert shelf.asked == []
    assert world.run("data", "get", "tiny-bursts", "--accept-licence").code == 0


def test_an_acceptance_is_remembered_with_its_text_and_date_until_the_text_changes(
    world: Any, shelf: Shelf
) -> None:
    declare(world, shelf, licence=NC)
    shelf.faults = [Fault(status=404)]
    assert world.run("data", "get", "tiny-bursts", "--accept-licence").code == 2
    ((licence, date),) = state.read_state("accepted")["tiny-bursts"].items()
    assert licence == NC
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
    declare(world, shelf, licence=NC + " and no derivatives")
    assert world.run("data", "get", "tiny-bursts").code == 2
    declare(world, shelf, licence=NC)
    assert world.run("data", "get", "tiny-bursts").code == 0


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2), ("", 130)])
def test_on_a_terminal_it_is_asked(
    world: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    declare(world, shelf, licence=NC)
    typed = io.StringIO(answer)
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", typed)
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == code
    assert "Do you accept it? [y/N]" in ran.err
    assert bool(shelf.asked) == (code == 0)


def test_the_licence_of_the_dataset_counts_beside_that_of_its_source(
    world: Any, shelf: Shelf
) -> None:
    world.datasets = [replace(world.datasets[0], licence=NC)]
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 2
    assert f"licence CC BY 4.0; {NC}" in ran.out


# --- digests


def test_another_archive_than_pinned_is_refused_and_removed(world: Any, shelf: Shelf) -> None:
    declare(world, shelf, sha256="0" * 64)
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 2
    assert f"expected sha256 {'0' * 64}, got sha256 {sha(shelf)}" in ran.err
    assert (place().exists(), [n for n in left() if n.endswith("zip")]) == (False, [])


def test_the_pin_of_the_registry_counts(world: Any, shelf: Shelf) -> None:
    pin = (
        f"  datasets: {{tiny-bursts: {{source: '{shelf.address}/bursts.zip', licence: CC0, sha256:"
        f" '{'0' * 64}'}}}}"
    )
    (world.root / "pins.yaml").write_text(f"pins:\n{pin}\n")
    ran = world.run("data", "get", "tiny-bursts", "--registry", "pins.yaml")
    assert "licence CC0" in ran.out
    assert f"expected sha256 {'0' * 64}" in ran.err
    (world.root / "pins.yaml").write_text(f"pins:\n{pin.replace('sha256', 'digest')}\n")
    ran = world.run("data", "get", "tiny-bursts", "--registry", "pins.yaml")
    assert "expected digest 000000000000 as the registry pins" in ran.err
    assert (place().exists(), left()) == (False, [])


def lose_corpus() -> None:
    import shutil

    shutil.rmtree(place())


def test_the_first_archive_seen_is_enforced(world: Any, shelf: Shelf) -> None:
    first = sha(shelf)
    world.run("data", "get", "tiny-bursts")
    lose_corpus()
    shelf.files["/bursts.zip"] = packed(world.corpus, "bursts-1.1/")
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 2
    assert f"expected sha256 {first} as this machine first saw, got {sha(shelf)}" in ran.err
    assert (place().exists(), left()) == (False, [])
    line = re.search(r"delete the line (\S+) in", ran.err)
    assert line is not None
    lock = paths.home() / "lock.json"
    notes = json.loads(lock.read_text())
    del notes["archives"][line[1]]
    lock.write_text(json.dumps(notes))
    assert world.run("data", "get", "tiny-bursts").code == 0


def test_a_host_that_packs_anew_is_not_held_to_its_bytes(
    world: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "codeload.github.com" in corpus_downloads.DRIFTING
    monkeypatch.setattr(corpus_downloads, "DRIFTING", ("127.0.0.1",))
    world.run("data", "get", "tiny-bursts")
    lose_corpus()
    shelf.files["/bursts.zip"] = packed(world.corpus, "bursts-1.1/")
    assert world.run("data", "get", "tiny-bursts").code == 0
    assert "archives" not in state.read_state("lock")


# --- what goes wrong


def zip_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zip_of(**{"../evil": b""}), "leads out of the folder"),
        (zip_of(a=b"x"), "no labelled clip was found in the archive"),
        (zip_of(**{"top/a": b"x"}), "no labelled clip was found in the archive"),
        (b"<html>", "got a web page"),
        (zip_of(a=b"x" * 999)[:-30], "damaged"),
    ],
    ids=["escapes", "another corpus", "another corpus in a folder", "a page", "truncated"],
)
def test_a_wrong_archive_is_one_line_and_nothing_is_remembered(
    world: Any, shelf: Shelf, content: bytes, words: str
) -> None:
    good, shelf.files["/bursts.zip"] = shelf.files["/bursts.zip"], content
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert (place().exists(), left()) == (False, [])
    assert (state.read_state("corpora"), state.read_state("lock")) == ({}, {})
    shelf.files["/bursts.zip"] = good
    assert world.run("data", "get", "tiny-bursts").code == 0


def test_a_download_that_failed_is_resumed_by_the_same_command(world: Any, shelf: Shelf) -> None:
    total = len(shelf.files["/bursts.zip"])
    shelf.faults = [Fault(cut=total // 2)] + [Fault(status=503)] * 4
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 2
    assert "the same command goes on from there" in ran.err
    shelf.served = 0
    assert world.run("data", "get", "tiny-bursts").code == 0
    assert shelf.served < total // 2 + download.CHUNK
    assert left() == []


STEPS = {
    "while unpacking": ("nverbench._io.archive._copy", 5),
    "while loading": ("nverbench.data.corpus.load", 1),
    "before it is in its place": ("pathlib.Path.rename", 2),
    "before the archive is remembered": ("nverbench._io.state.write_state", 1),
    "before the corpus is remembered": ("nverbench._io.state.write_state", 2),
}


@pytest.mark.parametrize(("where", "count"), STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("kill", [KeyboardInterrupt, SystemError], ids=["interrupted", "crashed"])
def test_cut_off_at_any_step_the_same_command_goes_on(
    world: Any,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    count: int,
    kill: type[BaseException],
) -> None:
    calls = 0
    module, name = where.rsplit(".", 1)
    from pkgutil import resolve_name

    real = getattr(resolve_name(module), name)

    def dies(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            raise kill
        return real(*args, **named)

    with monkeypatch.context() as dying:
        dying.setattr(where, dies)
        assert world.run("data", "get", "tiny-bursts").code == (
            130 if kill is KeyboardInterrupt else 1
        )
    assert calls == count
    assert "corpora" not in state.read_state("corpora").get("paths", {})
    shelf.asked.clear()
    assert world.run("data", "get", "tiny-bursts").code == 0
    assert len(list(place().rglob("*.wav"))) == 48
    assert (shelf.asked, left()) == ([], [])  # the archive was whole


def test_what_a_killed_process_left_is_cleaned(world: Any, shelf: Shelf) -> None:
    half = paths.corpus_folder(".getting-tiny-bursts") / ".unpacking-x" / "tree"
    half.mkdir(parents=True)
    older = paths.home() / "downloads" / "corpora" / "tiny-bursts-0123456789ab"
    other = paths.home() / "downloads" / "corpora" / "tiny-bursts-10-0123456789ab"
    older.mkdir(parents=True)
    other.mkdir(parents=True)
    assert world.run("data", "get", "tiny-bursts").code == 0
    assert left() == [other.name]


def test_a_folder_in_its_place_that_is_another_corpus_is_left_alone(
    world: Any, shelf: Shelf
) -> None:
    place().mkdir(parents=True)
    (place() / "mine").write_text("x")
    ran = world.run("data", "get", "tiny-bursts")
    assert ran.code == 2
    assert str(place()) in ran.err
    assert (place() / "mine").exists()


GET = """
import sys
from pathlib import Path
from nverbench import Clip, Dataset, LabelCard, Source
from nverbench.data.download import get_corpus
def load(root):
    return [Clip(f"{p.parent.name}/{p.stem}", p, p.stem.partition("-")[0], p.parent.name) for p in sorted(root.glob("spk*/*.wav"))]
card = LabelCard(kind="portrayed", setting="synthetic")
dataset = Dataset(name="tiny-bursts", corpus="tiny-bursts", load=load, label_card=card)
corpus = get_corpus(dataset, Source(address=sys.argv[1]), say=lambda line: print(line, flush=True))
print(len(corpus.clips), corpus.digest)
"""


def test_two_processes_fetch_once_and_a_killed_one_is_followed_up(world: Any, shelf: Shelf) -> None:
    script = [sys.executable, "-c", GET, f"{shelf.address}/bursts.zip"]
    environment = {**os.environ, "NO_PROXY": "*"}
    shelf.faults = [Fault(stall=len(shelf.files["/bursts.zip"]) // 2)]
    first = subprocess.Popen(script, stdout=subprocess.PIPE, text=True, env=environment)
    assert shelf.reached.wait(60)
    second, third = (
        subprocess.Popen(script, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    )
    for process in (second, third):
        assert process.stdout is not None
        assert (
            process.stdout.readline()
            == "corpus tiny-bursts: another process is fetching it; waiting for it\n"
        )
    first.kill()
    first.communicate()
    said = [p.communicate(timeout=60)[0].strip() for p in (second, third)]
    assert said[0] == said[1]
    assert said[0].startswith("48 ")
    assert len(shelf.asked) == 2  # one of them went on, the other found it there
    assert left() == []
