"""submit -> verify -> reproduce -> verify, on the stranger's tiny world: the same embeddings and
seeds give the same digest.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

REGISTRY = ("--registry", "tiny.yaml")


@pytest.fixture
def submitted(world: Any) -> Path:
    """A submission of Ann's."""
    world.datasets = [replace(d, share="open") for d in world.datasets]
    world.job("--seeds", "3")
    ran = world.run("leaderboard", "submit", world.results[0].stem[:8], "--as", "Ann", *REGISTRY)
    assert ran.code == 0, ran.err
    assert "next: open a pull request that adds this folder, as leaderboard/entries/" in ran.out
    assert "it is shown, not ranked: 3 replicates; a ranked row carries 5" in ran.out
    return Path("submission") / str(world.results[0].stem)


def test_a_run_is_submitted_and_verified(world: Any, submitted: Path) -> None:
    ran = world.run("leaderboard", "verify", submitted, *REGISTRY)
    assert (ran.code, ran.out) == (0, f"{submitted.name}: self-consistent\n")
    ran = world.run("leaderboard", "verify", submitted, "--json", *REGISTRY)
    assert (ran.records[0]["verdict"], ran.records[0]["level"]) == (
        "self-consistent",
        "self-consistent",
    )


def test_one_bad_folder_of_two_is_exit_code_2(world: Any, submitted: Path) -> None:
    record = json.loads((submitted / "result.json").read_text())
    other = submitted.parent / ("0" * 16)
    other.mkdir()
    ran = world.run("leaderboard", "verify", submitted, other, *REGISTRY)
    assert ran.code == 2
    assert [line.partition(" (")[0] for line in ran.out.splitlines()] == [
        f"{submitted.name}: self-consistent",
        f"{'0' * 16}: incomplete",
    ]
    record["seeds"] = 5
    (submitted / "result.json").write_text(json.dumps(record))
    ran = world.run("leaderboard", "verify", submitted, *REGISTRY)
    assert ran.code == 2
    assert ran.out.startswith(f"{submitted.name}: rejected (")


@pytest.mark.parametrize("source", ["embeddings", "audio"])
def test_another_party_gets_the_same_digest(world: Any, submitted: Path, source: str) -> None:
    world.passes = 0
    ran = world.run(
        "reproduce",
        submitted.name[:8],
        "--as",
        "Bob",
        "--from",
        source,
        "--keep",
        "kept",
        *REGISTRY,
    )
    assert ran.code == 0, ran.err
    (kept,) = Path("kept/results").glob("*.json")
    assert [json.loads(p.read_text())["result_digest"] for p in (kept, world.results[0])] == [
        json.loads(kept.read_text())["result_digest"]
    ] * 2
    assert world.passes == (0 if source == "embeddings" else 48)
    assert f"identical: {submitted.absolute() / 'attestations' / 'bob.json'}" in ran.out
    assert "it counts once it is merged" in ran.out
    ran = world.run("leaderboard", "verify", submitted, *REGISTRY)
    assert ran.out == f"{submitted.name}: self-consistent; reproduced by 'Bob'\n"


def test_ones_own_attestation_is_written_and_does_not_count(world: Any, submitted: Path) -> None:
    ran = world.run("reproduce", submitted, "--as", "ann", *REGISTRY)
    assert ran.code == 0
    assert "it does not count: the submitter attests their own result" in ran.out


def test_what_the_maintainers_submit_and_rerun_says_so_and_names_no_other_party(
    world: Any, submitted: Path
) -> None:
    (submitted / "submitter.json").write_text(
        '{"schema_version": 1, "name": "nverbench", "citation": ""}'
    )
    ran = world.run("reproduce", submitted, "--as", "nverbench", *REGISTRY)
    assert "it counts once it is merged" in ran.out
    ran = world.run("leaderboard", "verify", submitted, *REGISTRY)
    assert (
        ran.out
        == f"{submitted.name}: self-consistent; rerun by the maintainers, who submitted it\n"
    )
    (record,) = world.run("leaderboard", "verify", submitted, "--json", *REGISTRY).records
    assert (record["level"], record["attested_by"]) == ("rerun", [])


def test_embeddings_that_are_not_here_are_not_computed_in_passing(
    world: Any, submitted: Path
) -> None:
    from nverbench._io import paths

    world.passes = 0
    for path in paths.embeddings_folder().glob("*/*.embedding"):
        path.unlink()
    ran = world.run("reproduce", submitted, "--as", "Bob", *REGISTRY)
    assert (ran.code, world.passes) == (2, 0)
    assert (
        "48 of 48 embeddings of tiny-spectrum are not in this machine's cache; use --from audio"
        in ran.err
    )


def test_a_backbone_that_hears_otherwise_is_found_out(world: Any, submitted: Path) -> None:
    """The embeddings of the submitter are here, the network gives others: far outside 1e-5."""
    encode = world.encode

    def other(waves: torch.Tensor, lengths: torch.Tensor) -> Any:
        frames, n = encode(waves, lengths)
        return frames.roll(1, dims=2) + 1.0, n

    world.backbones = [replace(world.backbones[0], load=lambda ctx: other)]
    ran = world.run("reproduce", submitted, "--as", "Bob", "--from", "audio", *REGISTRY)
    assert ran.code == 1
    assert "differs: " in ran.out
    assert "does not count: the result differs" in ran.out
    record = json.loads((submitted / "attestations" / "bob.json").read_text())
    assert record["embeddings_differ_by"] > 0.1


def test_a_job_that_cannot_be_planned_the_same_says_what_differs(
    world: Any, submitted: Path
) -> None:
    world.backbones = [replace(world.backbones[0], revision="2")]
    ran = world.run("reproduce", submitted, "--as", "Bob", *REGISTRY)
    assert ran.code == 2
    assert "cannot be run again here: other 'backbones.0.revision, backbones.0.weights'" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("leaderboard", "submit", "zz"), "no result in"),
        (("leaderboard", "submit", "zz", "--citation", "x"), "--citation needs --as NAME"),
        (("leaderboard", "submit", "zz", "--as", " "), "a name has 1 to 80 letters"),
        (("reproduce", "zz", "--as", "Bob"), "no submission of submission begins with 'zz'"),
        (
            ("reproduce", "zz", "--as", "Bob", "--from", "memory"),
            "--from=memory: expected one of embeddings, audio",
        ),
        (("reproduce", "zz", "--as", "x" * 81), "a name has 1 to 80 letters"),
        (("reproduce", "zz"), "Missing option '--as'"),
    ],
)
def test_mistakes_are_said_in_one_line(world: Any, words: tuple[str, ...], said: str) -> None:
    ran = world.run(*words)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_row_on_ones_own_data_is_made_and_stays_open(world: Any) -> None:
    """Its labels are nobody else's, and no path is looked at."""
    lines = [
        f"{p.relative_to(world.root)},{p.stem.partition('-')[0]},{p.parent.name}"
        for p in sorted(world.corpus.glob("spk*/*.wav"))
    ]
    (world.root / "clips.csv").write_text("\n".join(["path,label,speaker", *lines]))
    ran = world.run(
        "run",
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "table:clips.csv",
    )
    assert ran.code == 0, ran.err
    ran = world.run("leaderboard", "submit", world.results[0].stem)
    assert (ran.code, ran.err) == (0, "")
    assert ": incomplete\n" in ran.out
    (folder,) = Path("submission").iterdir()
    assert "clips.csv" not in (folder / "result.json").read_text()
    ran = world.run("leaderboard", "verify", folder)
    assert ran.code == 2
    assert "its labels are not published, and table is a user's own data" in ran.out


def test_a_row_that_could_not_be_verified_is_not_left_lying(world: Any) -> None:
    """What a plugin says of its parts has changed since the run."""
    world.datasets = [replace(d, share="open") for d in world.datasets]
    world.job()
    world.datasets = [replace(d, licence="CC BY 4.0") for d in world.datasets]
    ran = world.run("leaderboard", "submit", world.results[0].stem, *REGISTRY)
    assert ran.code == 2
    assert "would be rejected: licences" in ran.err
    assert not list(Path("submission").glob("*"))
