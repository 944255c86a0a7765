"""Figures with numbers: purity and silhouette are scikit-learn's, chance is what permuted labels
give, pictures are the same bytes every time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from nverbench.cli import main
from nverbench.errors import UsageError
from nverbench.leaderboard.figures import (
    Panel,
    StoredEmbeddings,
    confusion_numbers,
    draw_confusion,
    draw_maps,
    map_numbers,
    panels,
    save,
)
from nverbench.leaderboard.figures.canvas import COLOURS, MARKERS, short, style
from nverbench.leaderboard.figures.separation import (
    Level,
    Structure,
    distances,
    neighbours,
    planar,
    purity,
    sampled,
    scaled,
    silhouette,
    structure,
)
from nverbench.results.store import ResultStore
from support.leaderboards import competitor, said

HOSTILE = [
    "$\\frac{1}{0}$",
    "\u202eevil",
    "a\nb",
    "<svg onload=x>",
    "--><script>x</script>",
    "_^{}",
    "x" * 200,
    "感情",
]


def clouds(
    n: int = 60, *, apart: float = 0.0, seed: int = 0, k: int = 3
) -> tuple[np.ndarray, list[str]]:
    """n points around k centres that are ``apart`` standard deviations from each other, and whose
    they are.
    """
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % k
    centres = apart * np.eye(k, 8)
    return (centres[codes] + rng.standard_normal((n, 8))).astype(np.float32), [
        f"label {c}" for c in codes
    ]


# the numbers


@given(st.integers(0, 2**16), st.integers(2, 5))
def test_the_silhouette_is_that_of_scikit_learn(seed: int, k: int):
    points, labels = clouds(40, apart=2, seed=seed, k=k)
    pairwise = distances(scaled(points))
    codes = np.unique(labels, return_inverse=True)[1]
    assert silhouette(pairwise, codes) == pytest.approx(
        silhouette_score(pairwise, labels, metric="precomputed")
    )


def test_a_label_of_one_clip_has_silhouette_0_as_in_scikit_learn():
    pairwise = distances(scaled(clouds(20)[0]))
    codes = np.array([2, *([0, 1] * 9), 0])
    assert silhouette(pairwise, codes) == pytest.approx(
        silhouette_score(pairwise, codes, metric="precomputed")
    )


def test_neighbours_are_those_of_scikit_learn_without_the_clip_itself():
    points = scaled(clouds(50, apart=3)[0])
    model = KNeighborsClassifier(10, metric="cosine").fit(points, np.zeros(50))
    expected = [set(row) - {i} for i, row in enumerate(model.kneighbors(points, 11)[1])]
    assert [set(row) for row in neighbours(distances(points)).tolist()] == expected


def test_labels_that_lie_apart_are_pure():
    apart = structure(
        distances(scaled(clouds(apart=30)[0][:, :3])), clouds()[1]
    )  # without the features that are noise only
    assert apart.purity.value == 1.0
    assert apart.silhouette.value > 0.7


def test_labels_without_a_meaning_pass_the_quantile_of_chance_as_seldom_as_it_says():
    found = [
        structure(distances(scaled(clouds(40, seed=seed)[0])), clouds(40)[1], permutations=100)
        for seed in range(80)
    ]
    assert sum(s.purity.value > s.purity.high for s in found) <= 7  # 2.5% of 80 is 2
    assert sum(s.silhouette.value > s.silhouette.high for s in found) <= 7


def test_chance_of_purity_is_the_share_of_other_clips_with_the_same_label():
    points, _ = clouds(60)
    labels = ["a"] * 40 + ["b"] * 20
    expected = sum(n * (n - 1) for n in Counter(labels).values()) / (60 * 59)
    found = structure(distances(scaled(points)), labels, permutations=2000)
    assert found.purity.chance == pytest.approx(expected, abs=0.01)
    assert found.purity.chance < found.purity.high


@given(st.permutations(range(30)))
def test_the_order_of_clips_changes_no_number(order: list[int]):
    points, labels = clouds(30, apart=2)
    pairwise, codes = distances(scaled(points)), np.unique(labels, return_inverse=True)[1]
    shuffled = distances(scaled(points[order]))
    assert silhouette(shuffled, codes[order]) == pytest.approx(silhouette(pairwise, codes))
    assert purity(neighbours(shuffled), codes[order]) == pytest.approx(
        purity(neighbours(pairwise), codes)
    )


def test_a_constant_feature_and_a_vector_of_zeros_give_finite_numbers():
    points, labels = clouds(20)
    points[:, 0] = 3
    z = scaled(points)
    z[4] = 0
    found = structure(distances(z), labels)
    assert np.isfinite([found.purity.value, found.silhouette.value]).all()


def test_of_many_clips_a_sample_is_looked_at_the_same_every_time():
    assert len(sampled(5000)) == 2000
    assert (sampled(5000) == sampled(5000)).all()
    assert sampled(7).tolist() == list(range(7))


@pytest.mark.parametrize("clips", [5, 60])
def test_the_map_is_the_same_every_time(clips: int):
    z = scaled(clouds(clips)[0])
    assert planar(z).shape == (clips, 2)
    np.testing.assert_array_equal(planar(z), planar(z))


# the pictures


def panel(labels: list[str], by: str = "emotion") -> Panel:
    rng = np.random.default_rng(0)
    level = Level(0.5, 0.1, 0.2)
    return Panel(
        "net",
        by,
        rng.standard_normal((len(labels), 2)),
        tuple(labels),
        len(labels),
        Structure(level, level, len(set(labels))),
    )


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_is_the_same_bytes_every_time(tmp_path: Path, suffix: str):
    result = competitor("r1", said(0.7))
    for name in ("one", "two"):
        save(draw_confusion(result), tmp_path / f"{name}{suffix}")
        save(
            draw_maps([panel(["a", "b"] * 10), panel(["s", "t"] * 10, "speaker")]),
            tmp_path / f"{name}-maps{suffix}",
        )
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert (tmp_path / f"one-maps{suffix}").read_bytes() == (
        tmp_path / f"two-maps{suffix}"
    ).read_bytes()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_drawn_as_text(tmp_path: Path, text: str):
    result = competitor(
        "r1", said(0.7), backbones=[text], fusion=text, dataset=text, display={"anger": text}
    )
    save(draw_confusion(result), tmp_path / "confusion.svg")
    save(draw_maps([replace(panel([text, "b"] * 10), backbone=text)]), tmp_path / "maps.svg")
    for path in tmp_path.iterdir():
        assert "\u202e" not in path.read_text(encoding="utf-8")
        elements = list(ElementTree.parse(path).getroot().iter())
        assert not {
            name for element in elements for name in element.attrib if name.startswith("on")
        }
        assert not {element.tag for element in elements if element.tag.endswith("script")}


def test_a_long_name_is_cut_and_its_signs_are_plain():
    assert len(short("x" * 100)) == 24
    assert short("$x$") == r"\$x\$"


def test_no_two_of_64_labels_look_alike():
    assert len({style(number) for number in range(64)}) == 64 == len(COLOURS) * len(MARKERS)


@pytest.mark.parametrize("labels", [2, 16, 17, 91])
def test_no_text_of_a_map_lies_over_another_axes(labels: int):
    figure = draw_maps(
        [panel([f"group {i:02d}" for i in range(labels)] * 2, by) for by in ("emotion", "speaker")]
    )
    figure.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not boxes[0].overlaps(boxes[1])
    assert all(
        box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0 and box.y1 <= figure.bbox.height
        for box in boxes
    )


def test_another_suffix_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"expected a name that ends in \.png, \.svg, \.pdf"):
        save(draw_confusion(competitor("r1", said(0.7))), tmp_path / "x.gif")


def test_rows_of_the_confusion_sum_to_100_percent_and_its_diagonal_is_recall():
    result = competitor("r1", said(0.7))
    percent = np.array(confusion_numbers(result)["percent"])
    np.testing.assert_allclose(percent.sum(1), 100, atol=0.02)
    np.testing.assert_allclose(
        np.diag(percent) / 100, list(result.per_class_recall.values()), atol=1e-4
    )


def test_every_backbone_has_a_panel_by_emotion_and_by_speaker_where_speakers_are_known():
    points, labels = clouds(40, apart=4)
    named, unnamed = (
        StoredEmbeddings(name, points, tuple(labels), groups, "speaker")
        for name, groups in (("a", tuple(labels[::-1])), ("b", ()))
    )
    found = panels([named, unnamed])
    assert [(p.backbone, p.by) for p in found] == [
        ("a", "emotion"),
        ("a", "speaker"),
        ("b", "emotion"),
    ]
    assert [n["clips"] for n in map_numbers(found)] == [40, 40, 40]
    assert found[0].structure == found[2].structure


# the command


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main(["figure", *map(str, words)])
    return int(left.value.code or 0)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    predictions = said(0.7)
    ResultStore(tmp_path).write(competitor("aa11", predictions), predictions)
    return tmp_path


def test_the_command_draws_a_confusion_matrix_and_prints_its_numbers(
    out: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("reno-3", "aa", "-o", out / "new" / "x.png", "--out", out) == 0
    assert (out / "new" / "x.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.splitlines()[1].startswith("anger ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("reno-4", "aa", "-o", "x.png"),
            "there is no figure 'reno-4'; did you mean reno-3, reno-2?",
        ),
        (("reno-3", "aa", "-o", "x.gif"), "x.gif: expected a name that ends in .png, .svg, .pdf"),
        (("reno-3", "bb", "-o", "x.png"), "has an id that begins with 'bb'"),
        (("ricoh-3", "aa", "-o", "x.png"), "no dataset named 'bursts' is installed"),
        (("reno-2", "aa", "-o", "x.png"), "no dataset named 'bursts' is installed"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(
    out: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
):
    assert run(*words, "--out", out) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
