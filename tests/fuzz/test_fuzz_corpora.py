"""Corpora: folders with hostile names, links, pipes and damaged listings are read or refused in one
line; what is read can be digested.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench._io import paths as home
from nverbench.data import corpus as corpora
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve
from nverbench.plugin.records import Clip, Dataset, Misfit
from support.foreign_text import TEXTS, lawful, often, spoilt_bytes

DATASETS = {
    name: part
    for name, part in discovery.discover().datasets.parts.items()
    if part.sample is not None
}
PARTS = st.sampled_from(
    [
        "1001",
        "DFA",
        "ANG",
        "XX",
        "03-01-05-01-02-01-12",
        "16a01Wa",
        "Ses01F_impro01",
        "F000",
        "angry",
        "Session1",
        "01",
        "001",
        "anger",
        "_",
        "-",
        ".",
        "é",
        "e\u0301",
        "\u202e",
        "\n",
        "\t",
        " ",
        "\x1b[2J",
        "\udcff",
        "\ud83d",
        "%s",
        "a" * 100,
        "MixedSpeech",
        "\u0663",
        "\uff10\uff11",
        "wav",
        "mp3",
    ]
)
NAMES = st.one_of(
    st.lists(PARTS, min_size=1, max_size=7).map(lambda p: "-".join(p)),
    st.lists(PARTS, min_size=1, max_size=6).map("_".join),
    TEXTS,
)
SUFFIXES = st.sampled_from(
    [".wav", ".WAV", ".mp3", ".txt", ".json", ".csv", "", ".wav.wav", "._a.wav", ".m4a"]
)


def possible(name: str) -> str:
    """A name that a file system can hold."""
    raw = (
        name.replace("/", "|")
        .replace("\x00", "0")
        .encode(
            "utf-8",
            "surrogateescape" if all(not 0xD800 <= ord(c) < 0xDC80 for c in name) else "replace",
        )
    )
    return os.fsdecode(raw[:250]) if raw.strip(b".") else "x"


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small tree of every corpus in its published layout."""
    found = {}
    for name, part in DATASETS.items():
        found[name] = tmp_path_factory.mktemp("tree")
        assert part.sample is not None
        part.sample(found[name])
    return found


def disturbed(root: Path, data: st.DataObject) -> None:
    """Files renamed, removed, added, linked or changed."""
    for _ in range(data.draw(st.integers(1, 4))):
        paths = sorted(p for p in root.rglob("*") if not p.is_symlink())
        if not paths:
            return
        path = data.draw(st.sampled_from(paths))
        beside = (path if path.is_dir() and data.draw(st.booleans()) else path.parent) / possible(
            data.draw(NAMES) + data.draw(SUFFIXES)
        )
        if beside.exists() or beside.is_symlink():
            continue
        match data.draw(
            st.sampled_from(
                [
                    "rename",
                    "rename",
                    "remove",
                    "file",
                    "folder",
                    "link",
                    "loop",
                    "broken",
                    "pipe",
                    "text",
                    "text",
                    "empty",
                    "copy",
                ]
            )
        ):
            case "rename" if path != root:
                path.rename(beside) if not beside.is_relative_to(path) else None
            case "remove":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            case "file":
                beside.write_bytes(data.draw(st.binary(max_size=64)))
            case "folder":
                beside.mkdir()
            case "link":
                beside.symlink_to(path)
            case "loop":
                beside.symlink_to(root)
            case "broken":
                beside.symlink_to("nowhere")
            case "pipe":
                os.mkfifo(beside)
            case "copy" if path.is_file():
                os.link(path, beside)
            case "text" | "empty":
                listed = sorted(
                    p
                    for p in root.rglob("*")
                    if p.suffix in (".txt", ".json", ".csv", ".tsv") and p.is_file()
                ) or [path]
                chosen = data.draw(st.sampled_from(listed))
                if chosen.is_file():
                    content = chosen.read_bytes()[:4000]
                    chosen.unlink()
                    chosen.write_bytes(data.draw(spoilt_bytes(content)))


def check(part: Dataset, root: Path) -> None:
    """The rule for a corpus: its clips and misfits can be digested, printed and cut."""
    items = lawful("corpora: published layouts", lambda: list(part.load(root)))
    for item in items or ():
        text = item.id if isinstance(item, Clip) else f"{item.path}: {item.reason}"
        text.encode("utf-8")
        if isinstance(item, Misfit):
            assert len(item.reason.splitlines()) == 1, item
            assert len(item.reason) < 1000, item
    reference = resolve(part, part.name)
    found = lawful("corpora: published layouts", lambda: corpora.load(part, reference, root))
    assert found is None or (found.digest and len({c.id for c in found.clips}) == len(found.clips))


@pytest.mark.parametrize("name", sorted(DATASETS))
@given(data=st.data())
@often(5)
def test_a_corpus_that_was_disturbed_is_read_or_refused(
    room: Path, trees: dict[str, Path], name: str, data: st.DataObject
) -> None:
    root = room / "corpus"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(trees[name], root, copy_function=os.link)
    disturbed(root, data)
    check(DATASETS[name], root)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_sample_is_read_whole(trees: dict[str, Path], name: str) -> None:
    assert (
        lawful(
            "corpora: published layouts",
            lambda: [item for item in DATASETS[name].load(trees[name]) if isinstance(item, Misfit)],
        )
        == []
    )


LINES = st.one_of(
    st.builds(
        "[{} - {}]\t{}\t{}\t[{}]".format,
        *[st.sampled_from(["6.2901", "8.2357", "-1", "1e5", "9" * 400, "nan", "", "\u0663.\u0665"])]
        * 2,
        st.sampled_from(
            ["Ses01F_impro01_F000", "Ses01F_impro01_M001", "Ses02F_impro01_F000", "x", "../x"]
        ),
        st.sampled_from(["neu", "xxx", "hap", "NEU", "", "zzz"]),
        st.sampled_from(["2.5, 2.5, 2.5", "", "x"]),
    ),
    TEXTS,
    st.sampled_from(
        [
            "C-E2:\tNeutral;\t()",
            "A-E3:\tval 3; act 2; dom  2;\t()",
            "% header",
            "\x1a",
            "\x85",
            "\u2028",
        ]
    ),
)


@pytest.mark.skipif("iemocap-6" not in DATASETS, reason="not installed")
@given(
    st.lists(LINES, max_size=8),
    st.sampled_from(["\n", "\r\n", "\r", "\t"]),
    st.sampled_from(["utf-8", "utf-16", "latin-1"]),
)
@often(15)
def test_turns_of_a_dialogue_are_read_or_named(
    room: Path, trees: dict[str, Path], lines: list[str], end: str, encoding: str
) -> None:
    root = room / "dialogues"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(trees["iemocap-6"], root, copy_function=os.link)
    file = sorted(root.rglob("EmoEvaluation/*.txt"))[0]
    before = file.read_bytes()
    file.unlink()
    file.write_bytes(before + end.join(lines).encode(encoding, "replace"))
    for name in ("iemocap-6", "iemocap-4"):
        check(DATASETS[name], root)


@pytest.mark.parametrize(
    "root",
    [
        "",
        ".",
        "/dev",
        "/dev/null",
        "\x00",
        "a\nb",
        "nothing",
        "x" * 5000,
        "/proc/self/fd",
        "\ud800",
        5,
        None,
        ["/x"],
    ],
)
@pytest.mark.parametrize("name", ["jnv", "iemocap-6", "conversation-demo"])
def test_a_corpus_that_is_no_folder_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Any, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lawful("corpora: data add", lambda: corpora.add(DATASETS[name], Path(str(root)))) is None
    home.home().mkdir(parents=True, exist_ok=True)
    (home.home() / "corpora.json").write_text(
        json.dumps({"paths": {str(DATASETS[name].corpus): root}})
    )
    if DATASETS[name].make is None:
        lawful("corpora: data check", lambda: corpora.load_local(DATASETS[name], name))


@given(st.data())
@often(40)
def test_folders_of_ones_own_are_read_or_refused(
    room: Path, trees: dict[str, Path], data: st.DataObject
) -> None:
    root: Any = room / "own"
    shutil.rmtree(root, ignore_errors=True)
    for label in ("joy", "fear"):
        (root / label / "ann").mkdir(parents=True)
        (root / label / "ann" / "a.wav").write_bytes(b"RIFF" + label.encode())
    disturbed(root, data)
    part = discovery.discover().datasets.parts["folder"]
    found = lawful(
        "corpora: folder",
        lambda: corpora.load(part, resolve(part, f"folder:{root}"), None),
        "folder",
    )
    assert found is None or found.clips
