"""A whole audit: the same files give the same report, every bad file is named in it, and a clean
corpus has nothing to act on.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from nverbench.data.audit import AuditResult, as_json
from nverbench.data.audit.plots import draw
from nverbench.data.audit.report import text
from nverbench.errors import FoldError
from support.audio import RATE, Tree, burst, written


def dumped(found: AuditResult) -> str:
    return json.dumps(as_json(found.report), allow_nan=False)


def pixels(path: Path) -> tuple[int, int]:
    """Width and height of a png, from its header."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def test_a_clean_corpus_has_nothing_to_act_on(tree: Tree):
    tree.fill(speakers=6, labels="abc", takes=2)
    report = tree.audit().report
    assert report.verdicts == ()
    assert "nothing found" in text(report)
    assert [m.reason for m in report.measured] == [None] * 36


def test_the_same_audit_twice_in_another_order_and_with_another_pool_is_the_same_json(tree: Tree):
    tree.fill(speakers=6, labels="abc", takes=2)
    first = dumped(tree.audit())
    tree.order = lambda paths: sorted(paths, reverse=True)
    assert dumped(tree.audit(processes=2)) == first
    moved = Tree(tree.root.rename(tree.root.with_name("elsewhere")))
    assert dumped(moved.audit()) == first
    assert str(tree.root.parent) not in first


def test_a_file_that_vanishes_between_load_and_decode_is_named(tree: Tree):
    paths = tree.fill(speakers=5, labels="ab", takes=1)

    def watch(stage: str, total: int) -> object:
        if stage == "decode":
            paths[3].unlink()
        return lambda steps: None

    report = tree.audit(watch=watch).report
    (gone,) = [m for m in report.measured if m.reason is not None]
    assert gone.id == "s1/b-0"
    assert "cannot be decoded" in str(gone.reason)
    assert report.verdicts[0].severity == 3
    assert report.verdicts[0].clips == ("s1/b-0",)


def test_every_bad_file_of_a_corpus_is_named_and_none_stops_it(tree: Tree):
    tree.fill(speakers=5, labels="ab", takes=3)
    s0: Path = tree.root / "s0"
    waves: dict[str, NDArray[np.float32]] = {
        "silent": np.zeros(RATE, np.float32),
        "nan": np.full(RATE, np.nan, np.float32),
        "tiny": burst(91)[:800] * 0.5,
        "quiet": burst(92) * np.float32(0.02),
        "clipped": np.clip(burst(93) * 5, -1, 1),
        "empty": np.zeros(0, np.float32),
    }
    for name, wave in waves.items():
        written(s0 / f"a-{name}.wav", wave, subtype="FLOAT")
    (s0 / "a-nothing.wav").write_bytes(b"")
    (s0 / "b-text.wav").write_text("RIFF, honestly")
    (s0 / "b-cut.wav").write_bytes((tree.root / "s1" / "a-1.wav").read_bytes()[:9000])
    report = tree.audit(shortest=[("needs-half-a-second", 0.5), ("needs-nothing", 0.0)]).report
    sentences = {v.sentence.partition(" ")[2]: v.clips for v in report.verdicts}
    named = {clip for clips in sentences.values() for clip in clips}
    assert named >= {f"s0/a-{name}" for name in waves} | {"s0/a-nothing", "s0/b-cut"}
    unusable = next(
        clips
        for sentence, clips in sentences.items()
        if sentence.startswith("clips cannot be used")
    )
    # a finding names five; b-text is the sixth
    assert unusable == ("s0/a-empty", "s0/a-nan", "s0/a-nothing", "s0/a-silent", "s0/b-cut")
    assert report.sizes.backbones == {
        "needs-half-a-second": 2,
        "needs-nothing": 0,
    }  # tiny and empty
    dumped(tree.audit())


def test_a_known_defect_is_heard_and_said_to_be_known(tree: Tree):
    tree.fill(speakers=5, labels="ab", takes=2)
    written(tree.root / "s0" / "a-silent.wav", np.zeros(RATE))
    tree.defects = {"s0/a-silent": "silent"}
    report = tree.audit().report
    (verdict,) = [v for v in report.verdicts if v.clips == ("s0/a-silent",)]
    assert verdict.severity == 1
    assert report.clips == 21
    assert sum(row.clips for row in report.folds.rows) == 20


def test_a_planted_duration_is_the_verdict(tree: Tree):
    tree.fill(
        speakers=6,
        labels="ab",
        takes=5,
        seconds=lambda label, n: 0.3 + 0.02 * (n % 5) + 0.4 * (label == "b"),
    )
    report = tree.audit(shuffles=20).report
    (verdict,) = [v for v in report.verdicts if "without hearing a voice" in v.sentence]
    assert "duration 1.000" in verdict.sentence
    assert verdict.severity == 2


def test_speakers_with_a_rate_of_their_own_and_gaps_are_counted(tree: Tree):
    paths = tree.fill(speakers=6, labels="ab", takes=2)
    for path in paths[:4]:
        written(path, soundfile.read(path)[0], 2 * RATE)
    paths[-1].unlink()
    paths[-2].unlink()
    balance = tree.audit().report.balance
    assert balance.own_rate == ("s0",)
    assert balance.rates == {"16000": 18, "32000": 4}
    assert balance.gaps == {"s5": ("b",)}
    assert balance.classes == {"a": 12, "b": 10}


def test_a_corpus_that_cannot_be_cut_is_audited_all_the_same(tree: Tree):
    tree.fill(speakers=2, labels="ab", takes=1)
    tree.folds = ("leave-one-group-out", "official")
    assert [row.clips for row in tree.audit().report.folds.rows] == [2, 2]
    tree.folds = ("official",)
    report = tree.audit().report
    assert report.folds.reason is not None
    assert "no folds" in report.verdicts[0].sentence
    assert "none were looked for" in text(report)
    with pytest.raises(FoldError):
        tree.audit(kind="speaker")


def test_random_folds_share_speakers_and_say_so(tree: Tree):
    tree.fill(speakers=5, labels="ab", takes=5)
    report = tree.audit(kind="random").report
    assert report.folds.groups_across == 5
    assert any("known speakers only" in v.sentence for v in report.verdicts)


def test_a_corpus_without_one_usable_clip_is_reported(tree: Tree):
    for path in tree.fill(speakers=2, labels="ab", takes=1):
        path.write_text("nothing")
    found = tree.audit()
    assert len(found.report.measured) == 4
    assert "usable 0 of 4" in text(found.report)
    dumped(found)


def test_pictures_are_pngs_of_a_readable_size_the_same_bytes_each_time(tree: Tree, tmp_path: Path):
    tree.fill(speakers=6, labels="abc", takes=2)
    (tree.root / "s0" / "a-0.wav").unlink()
    found = tree.audit()
    drawn = {}
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        drawn[name] = draw(found, tmp_path / name, lambda label: f"class {label} $x")
    assert [p.name for p in drawn["first"]] == [
        "duration.png",
        "level.png",
        "clips.png",
        "confounds.png",
    ]
    for one, other in zip(*drawn.values(), strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert min(pixels(one)) >= 280
        assert max(pixels(one)) <= 2000


def test_labels_are_displayed_carefully_and_kept_in_the_json(tree: Tree):
    tree.fill(speakers=5, labels="ab", takes=1)
    (tree.root / "s0" / "a-0.wav").unlink()
    found = tree.audit()
    assert "portrayed a" in text(found.report, lambda label: f"portrayed {label}")
    assert "portrayed" not in dumped(found)
