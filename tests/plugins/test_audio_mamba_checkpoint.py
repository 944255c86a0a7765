"""Audio-Mamba weights: both published layouts are read, and nothing that does not fit or wants to
run code.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nverbench import ArtifactError, LoadContext, UsageError
from nverbench_backbones import audio_mamba
from nverbench_backbones.audio_mamba_checkpoint import check_state, read_checkpoint
from nverbench_backbones.audio_mamba_network import (
    AudioMamba,
    encoder_from_state_dict,
    untrained_encoder,
)
from support.paths import GOLDEN

AUDIO_MAMBA = GOLDEN / "audio-mamba"
WEIGHTS = AUDIO_MAMBA / "micro_state_dict.safetensors"


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return load_file(AUDIO_MAMBA / "micro_golden.safetensors")


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return read_checkpoint(WEIGHTS)


def rows(backbone: AudioMamba, wave: Tensor) -> Tensor:
    return backbone(wave[None], torch.tensor([len(wave)])).frames[0]


@pytest.fixture
def small_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """``load`` takes the golden weights for those of a size of its own."""
    monkeypatch.setitem(audio_mamba.EMBED_DIMS, "micro", 32)
    monkeypatch.setattr(audio_mamba, "DEPTH", 2)


@pytest.mark.usefixtures("small_depth")
@pytest.mark.parametrize("file", ["micro_state_dict.safetensors", "checkpoint-99.pth"])
def test_both_checkpoint_layouts_give_the_golden_embedding(
    golden: dict[str, Tensor], file: str
) -> None:
    backbone = audio_mamba.load("micro", LoadContext("cpu", weights=AUDIO_MAMBA / file))
    torch.testing.assert_close(
        rows(backbone, golden["w0p7.wave"]).mean(0), golden["w0p7.scene"], rtol=0, atol=1e-5
    )
    assert not backbone.training
    assert not any(p.requires_grad for p in backbone.parameters())


def test_both_checkpoint_layouts_hold_the_same_bits(state: dict[str, Tensor]) -> None:
    official = read_checkpoint(AUDIO_MAMBA / "checkpoint-99.pth")
    assert official.keys() == state.keys()
    assert all(torch.equal(official[key], state[key]) for key in state)


@pytest.mark.usefixtures("small_depth")
def test_a_seeded_checkpoint_saved_and_loaded_gives_the_same_rows(
    tmp_path: Path, state: dict[str, Tensor], golden: dict[str, Tensor]
) -> None:
    torch.manual_seed(3)
    encoder = untrained_encoder(32, depth=2)
    unused = {key: value for key, value in state.items() if key.startswith(("pred.", "mask_token"))}
    save_file({**encoder.state_dict(), **unused}, tmp_path / "seeded.safetensors")
    backbone = audio_mamba.load(
        "micro", LoadContext("cpu", weights=tmp_path / "seeded.safetensors")
    )
    expected = AudioMamba(encoder).eval()
    assert torch.equal(rows(backbone, golden["w0p7.wave"]), rows(expected, golden["w0p7.wave"]))


def test_untrained_weights_come_from_the_seed_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (
        audio_mamba.load("tiny", LoadContext("cpu", seed=seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    weights = [
        backbone.encoder.blocks[3].mixer.in_proj.weight for backbone in (first, again, other)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_untrained_tiny_embeds_a_clip() -> None:
    got = rows(
        audio_mamba.load("tiny", LoadContext("cpu"), layout="time"),
        torch.sin(torch.arange(8000) / 5),
    )
    assert got.shape == (13, 960)
    assert bool(torch.isfinite(got).all())


def test_an_unknown_layout_is_refused_in_one_line() -> None:
    with pytest.raises(
        UsageError, match=r"audio-mamba-tiny: layout is 'tf'; expected one of published, time"
    ):
        audio_mamba.load("tiny", LoadContext("cpu"), layout="tf")


def test_an_unknown_dtype_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="dtype 'int8' is not known"):
        audio_mamba.load("tiny", LoadContext("cpu", dtype="int8"))


# --- what is refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("blocks.1.mixer.D"), r"1 keys missing \(blocks.1.mixer.D\)"),
        (lambda s: s.update(extra=torch.zeros(1)), r"1 keys not expected \(extra\)"),
        (
            lambda s: s.update(cls_token=torch.zeros(1, 1, 16)),
            r"of another shape \(cls_token \(1, 1, 16\), expected \(1, 1, 32\)\)",
        ),
        (
            lambda s: s.update(pos_embed=torch.full((1, 251, 32), torch.nan)),
            r"not finite \(pos_embed\)",
        ),
    ],
)
def test_keys_that_do_not_fit_are_named(
    state: dict[str, Tensor], change: object, words: str
) -> None:
    changed = dict(state)
    change(changed)  # type: ignore[operator]  # a parametrised function
    with pytest.raises(ArtifactError, match=words):
        check_state(changed, embed_dim=32, depth=2, where="here")


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(
        ArtifactError,
        match=(
            r"audio-mamba-base: .*micro_state_dict.*keys missing.*of another shape.*embed_dim 768"
        ),
    ):
        audio_mamba.load("base", LoadContext("cpu", weights=WEIGHTS))


def test_a_state_dict_of_something_else_is_refused() -> None:
    with pytest.raises(ArtifactError, match="not an Audio-Mamba encoder"):
        encoder_from_state_dict({"weight": torch.zeros(3)})


class Hostile:
    """Runs a command when it is unpickled by anything that trusts pickles."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_wants_to_run_code_is_refused_and_does_not_run(
    tmp_path: Path, zipped: bool
) -> None:
    file, trace = tmp_path / "checkpoint-99.pth", tmp_path / "executed"
    content = {"model": {"cls_token": torch.zeros(1)}, "args": Hostile(trace)}
    if zipped:
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps({"model": {}, "args": Hostile(trace)}, protocol=2))
    with pytest.raises(ArtifactError, match="asks to run code, which is refused"):
        read_checkpoint(file)
    assert not trace.exists()


def truncated(folder: Path, name: str) -> Path:
    data = (AUDIO_MAMBA / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    return folder / name


@pytest.mark.parametrize("name", ["checkpoint-99.pth", "micro_state_dict.safetensors"])
def test_a_truncated_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ArtifactError, match=r"cannot be read as weights.*download it again"
    ) as caught:
        read_checkpoint(truncated(tmp_path, name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"<html>quota exceeded</html>", b"PK\x03\x04 not really", bytes(4096)]
)
@pytest.mark.parametrize("name", ["checkpoint-99.pth", "weights.safetensors"])
def test_a_file_that_is_not_weights_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read as weights") as caught:
        read_checkpoint(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [{"state_dict": {}}, {"model": {}}, {"model": {"a": 1}}, [1, 2]]
)
def test_a_torch_file_without_a_model_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ArtifactError, match="no state dict under the key `model`"):
        read_checkpoint(tmp_path / "other.pth")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        read_checkpoint(tmp_path / "none.pth")
