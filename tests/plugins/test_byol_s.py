"""BYOL-S against a computation written out with torch's functions, and the laws every backbone
keeps.
"""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nverbench import ArtifactError, LoadContext, PartError
from nverbench_backbones.byol_s import BYOL_S, load
from nverbench_backbones.byol_s_network import AudioNTT2020, ByolS
from support.paths import SHARED

SHARED = SHARED / "weights" / "byol-s"
REAL = SHARED / "default512_BYOLAs64x96-2107281850-e100-bs256-lr0003-rs42.pth"
needs_real = pytest.mark.skipif(
    not REAL.is_file(), reason="the real checkpoint is not in ../shared/weights/byol-s"
)
LENGTHS = (1120, 1279, 1280, 11200, 32000)


def seeded_state() -> dict[str, Tensor]:
    """A state dict whose batch norms have seen data."""
    generator = torch.Generator().manual_seed(5)
    state = AudioNTT2020().state_dict()
    drawn = {
        key: torch.randn(value.shape, generator=generator) * 0.05
        for key, value in state.items()
        if value.is_floating_point()
    }
    drawn |= {
        key: value.abs() + 0.5
        for key, value in drawn.items()
        if "running_var" in key or key.endswith(("1.weight", "5.weight", "9.weight"))
    }
    return state | drawn


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("byol-s") / "seeded.pth"
    torch.save(seeded_state(), path)
    return path


@pytest.fixture(scope="module")
def backbone(checkpoint: Path) -> ByolS:
    return load(LoadContext("cpu", weights=checkpoint))


def clip(samples: int) -> Tensor:
    time = torch.arange(samples) / 16000
    return 0.3 * torch.sin(2 * math.pi * (200 + 400 * time) * time) + 0.01 * torch.randn(
        samples, generator=torch.Generator().manual_seed(samples)
    )


def rows(network: ByolS, wave: Tensor) -> Tensor:
    frames, lengths, _ = network(wave[None], torch.tensor([len(wave)]))
    return frames[0, : lengths[0]]


def mel_filters() -> Tensor:
    """64 HTK triangles over 513 bins, from the formula."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (60.0, 7800.0))
    points = 700 * (10 ** (torch.linspace(low, high, 66, dtype=torch.float64) / 2595) - 1)
    bins = torch.linspace(0, 8000, 513, dtype=torch.float64)[:, None]
    rising = (bins - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - bins) / (points[2:] - points[1:-1])
    return torch.minimum(rising, falling).clamp(min=0)  # (513, 64)


def embedding_written_out(wave: Tensor, state: dict[str, Tensor]) -> Tensor:
    s = {key: value.double() for key, value in state.items()}
    padded = functional.pad(wave.double()[None, None], (512, 512), mode="reflect")[0, 0]
    window = functional.pad(
        torch.hann_window(400, dtype=torch.float64), (312, 312)
    )  # centred in 1024
    power = torch.fft.rfft(padded.unfold(0, 1024, 160) * window).abs().square()  # (T, 513)
    mel = ((power @ mel_filters() + 2**-23).log() + 5.4919195) / 5.0389895  # (T, 64)
    x = mel.t()[None, None]
    for i in (0, 4, 8):
        x = functional.conv2d(x, s[f"features.{i}.weight"], s[f"features.{i}.bias"], padding=1)
        n = f"features.{i + 1}."
        x = functional.batch_norm(
            x, s[n + "running_mean"], s[n + "running_var"], s[n + "weight"], s[n + "bias"]
        )
        x = functional.max_pool2d(functional.relu(x), 2)
    steps = [
        functional.relu(
            torch.cat([x[0, :, m, j] for m in range(8)]) @ s["fc.0.weight"].T + s["fc.0.bias"]
        )
        for j in range(x.shape[3])
    ]
    out = functional.relu(torch.stack(steps) @ s["fc.3.weight"].T + s["fc.3.bias"])  # (t, 512)
    return out.mean(0) + out.amax(0)


@pytest.mark.parametrize("samples", [1120, 16000])
def test_the_embedding_equals_the_computation_written_out(backbone: ByolS, samples: int) -> None:
    got = rows(backbone, clip(samples))
    torch.testing.assert_close(
        (got.mean(0) + got.amax(0)).double(),
        embedding_written_out(clip(samples), seeded_state()),
        rtol=1e-4,
        atol=1e-4,
    )


@needs_real
def test_the_real_checkpoint_is_the_pinned_one_and_embeds_as_written_out() -> None:
    assert BYOL_S.weights is not None
    assert (hashlib.sha256(REAL.read_bytes()).hexdigest(), REAL.stat().st_size) == (
        BYOL_S.weights.sha256,
        BYOL_S.weights.size,
    )
    got = rows(load(LoadContext("cpu", weights=REAL)), clip(16000))
    expected = embedding_written_out(clip(16000), torch.load(REAL, weights_only=True))
    torch.testing.assert_close((got.mean(0) + got.amax(0)).double(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("samples", LENGTHS)
def test_there_is_one_row_per_eight_frames(backbone: ByolS, samples: int) -> None:
    got = rows(backbone, clip(samples))
    assert got.shape == ((1 + samples // 160) // 8, 512)
    assert bool(torch.isfinite(got).all())


def test_a_row_of_a_batch_is_the_clip_alone(backbone: ByolS) -> None:
    clips = [clip(n) for n in LENGTHS]
    padded = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True, padding_value=9.0)
    frames, lengths, _ = backbone(padded, torch.tensor(LENGTHS))
    assert all(
        torch.equal(frames[i, : lengths[i]], rows(backbone, wave)) for i, wave in enumerate(clips)
    )


def test_silence_is_finite(backbone: ByolS) -> None:
    assert bool(torch.isfinite(rows(backbone, torch.zeros(8000))).all())


def test_a_clip_too_short_for_three_poolings_is_refused(backbone: ByolS) -> None:
    with pytest.raises(
        PartError,
        match=f"at least {BYOL_S.min_samples} samples per clip, got {BYOL_S.min_samples - 1}",
    ):
        backbone(torch.zeros(1, 2000), torch.tensor([BYOL_S.min_samples - 1]))


def test_untrained_weights_come_from_the_seed_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (
        rows(load(LoadContext("cpu", seed=seed)), clip(3200)) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda s: s.pop("features.5.num_batches_tracked"),
            r"1 keys missing \(features.5.num_batches_tracked\)",
        ),
        (lambda s: s.pop("fc.3.bias"), r"1 keys missing \(fc.3.bias\)"),
        (
            lambda s: s.update({"fc.9.weight": torch.zeros(2)}),
            r"1 keys not expected \(fc.9.weight\)",
        ),
        (
            lambda s: s.update({"fc.3.bias": torch.full((512,), torch.nan)}),
            r"1 keys not finite \(fc.3.bias\)",
        ),
        (lambda s: s.update({"fc.3.bias": torch.zeros(512).to_sparse()}), "holds no state dict"),
        (
            lambda s: s.update({"fc.0.weight": torch.zeros(2048, 512)}),
            r"fc.0.weight \(2048, 512\), expected \(512, 512\)",
        ),
    ],
)
def test_keys_that_do_not_fit_are_named(tmp_path: Path, change: object, words: str) -> None:
    state = seeded_state()
    change(state)  # type: ignore[operator]  # a parametrised function
    torch.save(state, tmp_path / "changed.pth")
    with pytest.raises(ArtifactError, match=words):
        load(LoadContext("cpu", weights=tmp_path / "changed.pth"))


class Hostile:
    """Runs a command when it is unpickled by anything that trusts pickles."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_wants_to_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    torch.save({"fc.0.weight": Hostile(tmp_path / "executed")}, tmp_path / "hostile.pth")
    with pytest.raises(ArtifactError, match="asks to run code, which is refused"):
        load(LoadContext("cpu", weights=tmp_path / "hostile.pth"))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"<html></html>", bytes(512)])
def test_a_file_that_is_not_weights_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.pth").write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read as weights") as caught:
        load(LoadContext("cpu", weights=tmp_path / "other.pth"))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        load(LoadContext("cpu", weights=tmp_path / "none.pth"))
