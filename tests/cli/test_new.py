"""``nverbench new``: packages that are complete, small and true before their author has changed a
line.
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Batch, Clip, Misfit, Output, UsageError
from nverbench.cli import main
from nverbench.cli.common import load_catalog
from nverbench.cli.new import KINDS, filled
from nverbench.plugin import single_file
from nverbench.testing import Subject, backbone_checks
from support.source import lines_of_code

KIND = pytest.mark.parametrize("kind", KINDS)
PYTHON, TOML = 20, 10
"""Lines that a third party has to write at most."""


def ran(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    printed = capsys.readouterr()
    return int(left.value.code or 0), printed.out, printed.err


@pytest.fixture
def package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Writes a package and gives its folder."""

    def write(kind: str, name: str = "mymodel") -> Path:
        code, out, err = ran(capsys, "new", kind, name, "--to", tmp_path)
        assert (code, err) == (0, "")
        (folder,) = tmp_path.iterdir()
        assert str(folder) in out
        return folder

    return write


def part(folder: Path, kind: str) -> Any:
    """The part of a generated package, as ``--plugin`` takes it in."""
    (file,) = folder.glob("*.py")
    shelf: Any = getattr(load_catalog(None, [file]), KINDS[kind])
    return next(
        shelf.parts[name]
        for name, origin in shelf.origins.items()
        if single_file.is_file(origin.distribution)
    )


@KIND
def test_a_package_has_everything_that_is_published_and_nothing_left_open(
    package: Any, kind: str
) -> None:
    folder = package(kind)
    files = {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert sorted(files) == [
        ".github/workflows/check.yml",
        "LICENSE",
        "README.md",
        "nverbench_mymodel.py",
        "pyproject.toml",
        "tests/test_mymodel.py",
    ]
    assert [
        text for text in files.values() if "@NAME@" in text or "@KIND" in text or "@SLUG@" in text
    ] == []
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["entry-points"] == {"nverbench": {"mymodel": "nverbench_mymodel"}}
    assert yaml.safe_load(files[".github/workflows/check.yml"])["jobs"]["check"]["steps"][-1] == {
        "run": "pytest"
    }


@KIND
def test_a_third_party_writes_at_most_20_lines_of_python_and_10_of_toml(
    package: Any, kind: str
) -> None:
    folder = package(kind)
    toml = [line for line in (folder / "pyproject.toml").read_text().splitlines() if line.strip()]
    assert lines_of_code((folder / "nverbench_mymodel.py").read_text()) <= PYTHON
    assert len(toml) <= TOML
    assert len((folder / "tests" / "test_mymodel.py").read_text().splitlines()) == 6


@KIND
def test_a_generated_module_is_taken_in_and_listed(
    package: Any, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = package(kind)
    assert part(folder, kind).name == "mymodel"
    code, out, _ = ran(capsys, "list", KINDS[kind], "--plugin", folder / "nverbench_mymodel.py")
    assert code == 0
    assert "mymodel" in out.split()


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("a-b", "nverbench-a-b"),
        ("mean+max", "nverbench-mean-max"),
        ("v1.5", "nverbench-v1-5"),
        ("x-", "nverbench-x"),
        ("7", "nverbench-7"),
    ],
)
def test_a_name_that_no_distribution_may_have_is_spelled_for_it(
    package: Any, name: str, distribution: str
) -> None:
    folder = package("loss", name)
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    ((entry, module),) = project["project"]["entry-points"]["nverbench"].items()
    assert (folder.name, project["project"]["name"], f"nverbench-{entry}") == (distribution,) * 3
    assert (folder / f"{module}.py").is_file()
    assert part(folder, "loss").name == name


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("backbones", "mymodel", "nverbench new backbones: did you mean backbone?"),
        (
            "fusion",
            "MyModel",
            (
                "a name is lower-case letters, digits, '.', '+' and '-', and starts with a letter"
                " or digit"
            ),
        ),
        ("fusion", "../x", "a name is lower-case letters"),
        ("fusion", "", "a name is lower-case letters"),
        (
            "backbone",
            "wav2vec2-base",
            "backbone wav2vec2-base is already here, brought by nverbench",
        ),
        ("fusion", "cross-entropy", "loss cross-entropy is already here, brought by nverbench"),
        (
            "backbone",
            "backbones",
            "a module nverbench_backbones is already installed; choose another name than backbones",
        ),
    ],
)
def test_a_name_that_will_not_do_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str, said: str
) -> None:
    code, out, err = ran(capsys, "new", kind, name, "--to", tmp_path)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(package: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = package("loss")
    (folder / "nverbench_mymodel.py").write_text("mine\n")
    code, _, err = ran(capsys, "new", "fusion", "mymodel", "--to", folder.parent)
    assert (code, (folder / "nverbench_mymodel.py").read_text()) == (2, "mine\n")
    assert "is already there; choose another name, or give --to FOLDER" in err


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    code, _, err = ran(capsys, "new", "loss", "mymodel", "--to", tmp_path / "file")
    assert code == 2
    assert "cannot be written" in err


def test_a_word_may_hold_a_word() -> None:
    assert (
        filled("nverbench run @RUN@", {"RUN": "--loss @NAME@", "NAME": "mymodel"})
        == "nverbench run --loss mymodel"
    )


# --- what the generated parts do


@pytest.mark.parametrize("check", backbone_checks(), ids=lambda check: check.name)
def test_the_generated_backbone_conforms(package: Any, check: Any) -> None:
    check.run(Subject(part(package("backbone"), "backbone")))


def test_the_generated_dataset_reads_its_sample_and_names_what_does_not_fit(
    package: Any, tmp_path: Path
) -> None:
    dataset, root = part(package("dataset"), "dataset"), tmp_path / "corpus"
    root.mkdir()
    dataset.sample(root)
    clips = list(dataset.load(root))
    assert len({clip.id for clip in clips}) == 36
    assert {(clip.label, clip.speaker) for clip in clips} == {
        (label, f"spk{i}") for label in dataset.labels for i in range(6)
    }
    (root / "yawn").mkdir()
    for path in (root / "README.txt", root / "cry" / "spk1.wav", root / "yawn" / "spk1_1.wav"):
        path.touch()
    strange = [item for item in dataset.load(root) if not isinstance(item, Clip)]
    assert strange == [
        Misfit(name, "expected cry|laugh|sigh/SPEAKER_TAKE.wav")
        for name in ("README.txt", "cry/spk1.wav", "yawn/spk1_1.wav")
    ]


@pytest.mark.parametrize("dims", [(5,), (5, 7), (5, 7, 3)])
def test_the_generated_fusion_gives_logits_and_every_weight_learns(
    package: Any, dims: tuple[int, ...]
) -> None:
    module = part(package("fusion"), "fusion").build(dims, 4, rank=6)
    logits = module(
        Batch(tuple(torch.randn(8, d, generator=torch.Generator().manual_seed(d)) for d in dims))
    ).logits
    assert logits.shape == (8, 4)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize(("kind", "options"), [("fusion", {"rank": 0}), ("loss", {"gamma": -1.0})])
def test_a_generated_part_refuses_an_option_out_of_range(
    package: Any, kind: str, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="mymodel: "):
        part(package(kind), kind).build((3,) if kind == "fusion" else 3, 3, **options)


@pytest.fixture(scope="module")
def focal(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The generated loss."""
    folder = tmp_path_factory.mktemp("focal")
    with pytest.raises(SystemExit):
        main(["new", "loss", "mymodel", "--to", str(folder)])
    return part(folder / "nverbench-mymodel", "loss")


def value(focal: Any, logits: torch.Tensor, target: torch.Tensor, gamma: float) -> torch.Tensor:
    losses = focal.build(logits.shape[1], torch.ones(logits.shape[1]), gamma=gamma)(
        Output(logits), target
    )
    (term,) = losses.terms.values()
    return term


@given(
    logits=st.lists(st.floats(-20, 20), min_size=3, max_size=3),
    gamma=st.floats(0, 5),
    more=st.floats(0.1, 5),
)
def test_the_generated_loss_falls_as_the_true_logit_rises_and_stays_finite(
    focal: Any, logits: list[float], gamma: float, more: float
) -> None:
    one = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
    two = one.detach() + torch.tensor([[0.0, more, 0.0]])
    loss = value(focal, one, torch.tensor([1]), gamma)
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert one.grad is not None
    assert bool(one.grad.isfinite().all())
    assert value(focal, two, torch.tensor([1]), gamma) < loss


def test_the_generated_loss_with_gamma_0_is_cross_entropy_over_the_scored_rows(focal: Any) -> None:
    logits, target = (
        torch.randn(9, 4, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 1, -100, 3, 2, -100, 1, 1, 0]),
    )
    torch.testing.assert_close(
        value(focal, logits, target, 0.0), torch.nn.functional.cross_entropy(logits, target)
    )
