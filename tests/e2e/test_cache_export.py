"""``nverbench cache export``: what the cache holds, for others; their rows are keys that only a
holder of the audio can compute.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nverbench.cli.common import load_catalog
from nverbench.data import corpus as corpora
from nverbench.plugin.options import PartRef
from nverbench.results.publishing import keys


def shared(world: Any, share: str) -> None:
    world.datasets = [replace(d, share=share, licence="CC BY-NC 4.0") for d in world.datasets]


@pytest.mark.parametrize("share", ["open", "labels-only"])
def test_exported_rows_are_the_embeddings_of_the_clips_whose_keys_they_carry(
    world: Any, share: str
) -> None:
    shared(world, share)
    world.job()
    world.passes = 0
    ran = world.run("cache", "export", "tiny-spectrum", "tiny-bursts", "-o", "out/shared.npz")
    assert (ran.code, world.passes) == (0, 0)
    assert "48 clips, 8 dimensions, licence CC BY-NC 4.0 (tiny-bursts)" in ran.out
    corpus = corpora.load(world.datasets[0], PartRef("tiny-bursts"), world.corpus)
    files = [clip.path for clip in corpus.clips]
    assert world.run("embed", "tiny-spectrum", *files, "-o", "own.npz").code == 0
    with np.load("out/shared.npz") as got, np.load("own.npz") as own:
        assert set(got.files) == {"embeddings", "ids", "licence", "dataset", "digest", "backbone"}
        assert (str(got["dataset"]), str(got["digest"]), str(got["backbone"])) == (
            "tiny-bursts",
            corpus.digest,
            "tiny-spectrum",
        )
        assert str(got["licence"]) == "CC BY-NC 4.0 (tiny-bursts)"
        row = {key: i for i, key in enumerate(got["ids"].tolist())}
        order = [row[key] for key in keys(corpus, corpus.clips)]
        assert sorted(row) == list(row)  # the order of keys, which says nothing about clips
        np.testing.assert_array_equal(got["embeddings"][order], own["embeddings"])


def test_an_export_is_what_the_npz_backbone_reads(world: Any) -> None:
    from nverbench_backbones.npz import lookup

    shared(world, "open")
    world.job()
    world.run("cache", "export", "tiny-spectrum", "tiny-bursts", "-o", "shared.npz")
    with np.load("shared.npz") as got:
        ids = got["ids"].tolist()
        np.testing.assert_array_equal(lookup(ids[::-1], path="shared.npz"), got["embeddings"][::-1])


def test_an_export_holds_no_name(world: Any) -> None:
    shared(world, "open")
    world.job()
    world.run("cache", "export", "tiny-spectrum", "tiny-bursts", "-o", "shared.npz")
    with np.load("shared.npz") as got:
        said = str({name: got[name].tolist() for name in got.files if name != "embeddings"})
    assert [word for word in ("spk", "high-", ".wav", str(world.root)) if word in said] == []


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (
            "tiny-bursts",
            "corpus tiny-bursts does not allow embeddings to leave this machine (share: none);"
            " nothing is written",
        ),
        (
            "table:clips.csv",
            "table:clips.csv holds your own recordings; nothing is written. Add --names for a file"
            " that stays on this machine",
        ),
        (
            "folder:bursts",
            "folder:bursts holds your own recordings; nothing is written. Add --names for a file"
            " that stays on this machine",
        ),
    ],
)
def test_a_corpus_that_shares_nothing_is_refused_in_one_line(
    world: Any, dataset: str, said: str
) -> None:
    shared(world, "none")
    world.job()
    ran = world.run("cache", "export", "tiny-spectrum", dataset, "-o", "shared.npz")
    assert (ran.code, ran.out, ran.err) == (2, "", f"nverbench: {said}\n")
    assert not (world.root / "shared.npz").exists()


def own_table(world: Any) -> list[str]:
    """Writes a table of the corpus' clips with ids of its own; returns the ids."""
    corpus = corpora.load(world.datasets[0], PartRef("tiny-bursts"), world.corpus)
    rows = [f"take-{i:02d},{c.path},{c.label},{c.speaker}" for i, c in enumerate(corpus.clips)]
    text = "\n".join(["id,path,label,speaker", *rows])
    (world.root / "own.csv").write_text(text, encoding="utf-8")
    return [row.split(",")[0] for row in rows]


def test_own_recordings_are_exported_under_their_own_ids(world: Any) -> None:
    ids = own_table(world)
    words = ("--fusion", "tiny-linear", "--dataset", "table:own.csv", "--protocol", "quick")
    words = (*words, "--registry", "tiny.yaml")
    assert world.run("run", "--backbone", "tiny-spectrum", *words).code == 0
    ran = world.run("cache", "export", "tiny-spectrum", "table:own.csv", "-o", "own.npz", "--names")
    assert ran.code == 0, ran.err
    with np.load("own.npz") as got:
        assert got["ids"].tolist() == ids
        assert got["embeddings"].shape == (48, 8)


def test_ids_of_a_corpus_that_is_not_ones_own_are_not_exported(world: Any) -> None:
    shared(world, "open")
    world.job()
    ran = world.run("cache", "export", "tiny-spectrum", "tiny-bursts", "-o", "x.npz", "--names")
    assert ran.code == 2
    assert "nverbench cache keys tiny-bursts -o keys.csv" in ran.err


@pytest.mark.parametrize("dataset", ["tiny-bursts", "table:own.csv"])
def test_the_key_of_every_clip_is_written_beside_its_id(world: Any, dataset: str) -> None:
    own_table(world)
    assert world.run("cache", "keys", dataset, "-o", "keys.csv").code == 0
    header, *lines = (world.root / "keys.csv").read_text(encoding="utf-8").splitlines()
    part = load_catalog(None, None).dataset(dataset.partition(":")[0])
    corpus = corpora.load_local(part, dataset)
    assert header == "id,key"
    expected = zip((c.id for c in corpus.clips), keys(corpus, corpus.clips), strict=True)
    assert [tuple(line.split(",")) for line in lines] == list(expected)


def test_clips_that_were_never_embedded_are_counted_with_the_command_that_computes_them(
    world: Any,
) -> None:
    shared(world, "open")
    ran = world.run("cache", "export", "tiny-spectrum", "tiny-bursts", "-o", "shared.npz")
    assert ran.code == 2
    assert (
        "48 of 48 clips of tiny-bursts are not in the cache for tiny-spectrum; this computes them:"
        " nverbench run " in ran.err
    )
    assert world.run(*ran.err.strip().partition("nverbench run ")[2].split(), "--help").code in (
        0,
        2,
    )
    command = ran.err.strip().partition(": nverbench ")[2].split()
    assert world.run(*command, "--protocol", "quick", "--registry", "tiny.yaml").code == 0
    assert (
        world.run("cache", "export", "tiny-spectrum", "tiny-bursts", "-o", "shared.npz").code == 0
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["tiny-spectrum", "tiny-bursts", "-o", "shared.txt"],
            "shared.txt: expected a name that ends in .npz",
        ),
        (
            ["tiny-spectrum:project=4", "tiny-bursts", "-o", "s.npz"],
            "are fitted on the training part of a run",
        ),
        (["npz:own.npz", "tiny-bursts", "-o", "s.npz"], "holds stored features"),
        (
            ["tiny-spectrum", "jnv", "-o", "s.npz"],
            "corpus jnv is missing: source https://ss-takashi",
        ),
        (["tiny-spectrun", "tiny-bursts", "-o", "s.npz"], "did you mean tiny-spectrum?"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    world: Any, words: list[str], said: str
) -> None:
    shared(world, "open")
    ran = world.run("cache", "export", *words)
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
