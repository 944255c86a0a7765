"""The folder of entries: the rows of the leaderboard with their levels, and the reported problems."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from nverbench.errors import ResultError
from nverbench.leaderboard.rows import NOT_RERUN, RANKED, rows
from nverbench.leaderboard.submissions import Verifier, load_entries
from nverbench.leaderboard.submissions.attest import MAINTAINERS, write
from nverbench.leaderboard.submissions.read import read
from nverbench.leaderboard.submissions.reproduce import attested
from support.submissions import Desk, content, predictions_of, put, put_predictions


def verifier(desk: Desk) -> Verifier:
    return Verifier(desk.rules, desk.catalog)


def attest(folder: Path, by: str = "Bob") -> None:
    bundle = read(folder)
    write(folder, attested(bundle, bundle.result, source="audio", by=by, same=True, apart=0.0))


def test_no_folder_holds_no_entries(desk: Desk) -> None:
    assert load_entries(desk.root / "nothing", verifier(desk)) == ([], [])


def test_levels_follow_attestations_and_only_rows_that_were_rerun_are_ranked(desk: Desk) -> None:
    attest(desk.submit(seeds=5))
    desk.submit(1, backbones=("ant",), seeds=5)
    found, problems = load_entries(desk.root / "entries", verifier(desk))
    assert problems == []
    assert sorted((f.level, f.attested_by) for f in found) == [
        ("reproduced", ("Bob",)),
        ("self-consistent", ()),
    ]
    ranked = {row.filed.level: (row.rank, row.unranked) for row in rows(found)}
    assert ranked == {"reproduced": (1, ""), "self-consistent": (None, NOT_RERUN)}


@pytest.mark.parametrize(
    ("submitter", "names", "level", "others"),
    [
        (MAINTAINERS, [MAINTAINERS], "rerun", ()),
        (
            MAINTAINERS.upper(),
            [MAINTAINERS],
            "rerun",
            (),
        ),  # never another party, in whatever spelling
        (MAINTAINERS, [MAINTAINERS, "Bob"], "reproduced", ("Bob",)),
        ("Ann", [MAINTAINERS], "reproduced", (MAINTAINERS,)),
        ("Ann", ["Ann"], "self-consistent", ()),
        (MAINTAINERS, [], "self-consistent", ()),
        (None, [MAINTAINERS], "self-consistent", ()),
    ],
)
def test_a_rerun_by_the_maintainers_of_their_own_row_is_ranked_and_never_called_another_partys(
    desk: Desk, submitter: str | None, names: list[str], level: str, others: tuple[str, ...]
) -> None:
    folder = desk.submit(submitter=submitter, seeds=5)
    for name in names:
        attest(folder, name)
    for _ in range(2):  # the second time from memory
        (one,), _ = load_entries(desk.root / "entries", verifier(desk))
        assert (one.level, one.attested_by) == (level, others)
    (row,) = rows([one])
    assert (row.rank is not None) == (level in RANKED)


def test_who_submitted_a_row_and_what_to_cite_is_filed_with_it(desk: Desk) -> None:
    desk.submit(submitter=None)
    (desk.submit(1, backbones=("ant",)) / "submitter.json").write_text(
        '{"schema_version": 1, "name": "Ann", "citation": "Ann 2026"}'
    )
    for _ in range(2):  # the second time from memory
        found, _ = load_entries(desk.root / "entries", verifier(desk))
        assert sorted((f.submitter, f.citation) for f in found) == [("", ""), ("Ann", "Ann 2026")]


def test_reproduced_rows_of_one_field_are_compared(desk: Desk) -> None:
    for seed, backbone in enumerate(("ant", "bee")):
        attest(desk.submit(seed, backbones=(backbone,), seeds=5))
    found, _ = load_entries(desk.root / "entries", verifier(desk))
    placed = rows(found)
    assert all(row.rank is not None for row in placed)
    assert sum(row.behind is not None for row in placed) == 1


def test_rejected_and_incomplete_folders_are_named_and_left_out(desk: Desk) -> None:
    good, bad, open_ = (
        desk.submit(),
        desk.submit(backbones=("ant",)),
        desk.submit(datasets=("secret",)),
    )
    changed = content(bad)
    changed["scores"]["uar"]["value"] += 0.01
    put(bad, changed)
    desk.without_corpora()
    (desk.root / "entries" / "README.md").write_text("not a folder")
    found, problems = load_entries(desk.root / "entries", verifier(desk))
    assert [f.result.id for f in found] == [good.name]
    assert sorted(p.partition(" (")[0] for p in problems) == sorted(
        [f"{bad.name}: rejected", f"{open_.name}: incomplete"]
    )


def test_predictions_are_read_on_demand_and_get_their_labels_from_the_local_copy(
    desk: Desk,
) -> None:
    folder = desk.submit(datasets=("secret",))
    (row,), _ = load_entries(desk.root / "entries", verifier(desk))
    got = row.predictions()
    assert sorted(got.target.tolist()) == [0] * 16 + [1] * 16 + [2] * 16
    assert set(got.groups) == {f"group {i:02d}" for i in range(1, 9)}
    assert got.ids == sorted(got.ids)
    shutil.rmtree(folder)
    with pytest.raises(ResultError):
        row.predictions()


def test_a_second_look_checks_nothing_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    attest(desk.submit())
    first = load_entries(desk.root / "entries", verifier(desk))

    def never(self: Any, folder: Path) -> Any:
        raise AssertionError("it was checked before")

    monkeypatch.setattr(Verifier, "judge", never)
    again = load_entries(desk.root / "entries", verifier(desk))
    assert [(f.result, f.level, f.attested_by) for f in again[0]] == [
        (f.result, f.level, f.attested_by) for f in first[0]
    ]


@pytest.mark.parametrize(
    "what",
    [
        "a file",
        "an attestation",
        "the registry",
        "the lock",
        "a corpus is gone",
        "the memory is damaged",
    ],
)
def test_a_change_is_checked_again(desk: Desk, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from nverbench._io.paths import home
    from nverbench._io.state import write_state

    folder = desk.submit()
    load_entries(desk.root / "entries", verifier(desk))
    looked: list[Path] = []
    judge = Verifier.judge
    monkeypatch.setattr(
        Verifier, "judge", lambda self, folder: (looked.append(folder), judge(self, folder))[1]
    )
    if what == "a file":
        put(folder, {**content(folder), "created": "2026"})
    elif what == "an attestation":
        attest(folder)
    elif what == "the registry":
        object.__setattr__(desk.rules, "weights", {})
    elif what == "the lock":
        write_state("lock", "weights", "cow", "f" * 64)
    elif what == "a corpus is gone":
        desk.without_corpora()
    else:
        (home() / "submissions.json").write_text("[")
    load_entries(desk.root / "entries", verifier(desk))
    assert looked == [folder]


def test_a_linked_folder_is_named_and_not_followed(desk: Desk) -> None:
    folder = desk.submit(to="elsewhere")
    (desk.root / "entries").mkdir()
    (desk.root / "entries" / folder.name).symlink_to(folder)
    assert load_entries(desk.root / "entries", verifier(desk))[0] == []


def test_a_submission_whose_labels_are_not_those_of_its_peers_is_left_out(desk: Desk) -> None:
    """Two clips of one speaker exchange all but their keys, so that every number stays: only peers
    and the corpus know.
    """
    for backbone in ("ant", "bee"):
        desk.submit(backbones=(backbone,))
    odd = desk.submit(2, losses=("other",))
    desk.without_corpora()
    arrays = predictions_of(odd)
    other = next(
        i
        for i in range(1, 48)
        if arrays.groups[i] == arrays.groups[0] and arrays.target[i] != arrays.target[0]
    )
    for column in (arrays.target, arrays.probabilities.swapaxes(0, 1)):
        column[[0, other]] = column[[other, 0]]
    put_predictions(odd, arrays, digests=True)
    assert desk.verify(odd).verdict == "self-consistent"
    found, problems = load_entries(desk.root / "entries", verifier(desk))
    assert odd.name not in {f.result.id for f in found}
    assert "not those of 2 other submissions" in problems[0]
