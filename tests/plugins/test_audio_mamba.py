"""Audio-Mamba against tensors of the published code, and the laws every backbone keeps."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nverbench import PartError
from nverbench_backbones import audio_mamba, audio_mamba_network, nverbench_backbones
from nverbench_backbones.audio_mamba_checkpoint import expected_shapes, read_checkpoint
from nverbench_backbones.audio_mamba_network import (
    AudioMamba,
    AudioMambaEncoder,
    encoder_from_state_dict,
    sincos_positions,
)
from support.paths import GOLDEN

AUDIO_MAMBA = GOLDEN / "audio-mamba"
WEIGHTS = AUDIO_MAMBA / "micro_state_dict.safetensors"
EDGES = (201, 640, 31839, 31840, 31999, 63840)
LENGTHS = (201, 800, 11200, 31680, 31839, 31840, 31999, 32000, 63840, 84800)


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return load_file(AUDIO_MAMBA / "micro_golden.safetensors")


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return read_checkpoint(WEIGHTS)


@pytest.fixture(scope="module")
def micro(state: dict[str, Tensor]) -> AudioMamba:
    return AudioMamba(encoder_from_state_dict(state)).eval()


def rows(backbone: AudioMamba, *waves: Tensor) -> list[Tensor]:
    """The valid rows of each clip of one zero-padded batch."""
    padded = torch.nn.utils.rnn.pad_sequence(list(waves), batch_first=True)
    frames, lengths, _ = backbone(padded, torch.tensor([len(wave) for wave in waves]))
    return [clip[:n] for clip, n in zip(frames, lengths, strict=True)]


def close(got: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance)


# --- the published numbers


@pytest.mark.parametrize("clip", ["w0p7", "w2p0", "w5p3"])
def test_rows_and_scene_are_those_of_the_published_code(
    micro: AudioMamba, golden: dict[str, Tensor], clip: str
) -> None:
    (got,) = rows(micro, golden[f"{clip}.wave"])
    close(got, golden[f"{clip}.features"], 1e-4)
    close(got.mean(0), golden[f"{clip}.scene"], 1e-5)


@pytest.mark.parametrize("clip", ["w0p7", "w2p0"])
def test_the_log_mel_is_that_of_the_published_code(
    micro: AudioMamba, golden: dict[str, Tensor], clip: str
) -> None:
    close(micro.log_mel(golden[f"{clip}.wave"]), golden[f"{clip}.logmel"], 2e-4)


@pytest.mark.parametrize("clip", ["w0p7", "w2p0"])
def test_tokens_are_those_of_the_published_code(
    micro: AudioMamba, golden: dict[str, Tensor], clip: str
) -> None:
    mel = golden[f"{clip}.logmel"]
    chunks = torch.nn.functional.pad(mel, (0, 0, 0, -len(mel) % 200)).reshape(-1, 200, 80)
    with torch.no_grad():
        close(micro.encoder(chunks), golden[f"{clip}.tokens"], 1e-4)


@pytest.mark.parametrize("samples", EDGES)
def test_clips_at_the_edges_of_a_chunk_are_those_of_the_published_code(
    micro: AudioMamba, golden: dict[str, Tensor], samples: int
) -> None:
    meta = json.loads((AUDIO_MAMBA / "micro_meta.json").read_text())[f"edge_{samples}"]
    (got,) = rows(micro, golden["w5p3.wave"][:samples])
    assert list(got.shape) == meta["features"]
    close(got.mean(0), golden[f"edge{samples}.scene"], 1e-5)


def test_a_batch_of_two_is_that_of_the_published_code(
    micro: AudioMamba, golden: dict[str, Tensor]
) -> None:
    got = rows(micro, *golden["batch2.wave"])
    close(torch.stack([clip.mean(0) for clip in got]), golden["batch2.scene"], 1e-5)


def test_positions_are_those_of_the_published_code(state: dict[str, Tensor]) -> None:
    close(sincos_positions(32), state["pos_embed"], 4e-6)


# --- the laws of a backbone


@pytest.mark.parametrize("samples", LENGTHS)
def test_a_clip_gives_one_row_per_four_frames_begun(
    micro: AudioMamba, golden: dict[str, Tensor], samples: int
) -> None:
    (got,) = rows(micro, golden["w5p3.wave"][:samples])
    assert got.shape == (-(-(1 + samples // 160) // 4), 160)
    assert bool(torch.isfinite(got).all())


def test_a_row_of_a_batch_is_the_clip_alone(micro: AudioMamba, golden: dict[str, Tensor]) -> None:
    clips = [golden["w5p3.wave"][:n] for n in LENGTHS]
    for together, clip in zip(rows(micro, *clips), clips, strict=True):
        close(together, rows(micro, clip)[0], 1e-5)


@pytest.mark.parametrize("slice_", [1, 2, 5])
def test_how_many_chunks_go_together_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, micro: AudioMamba, golden: dict[str, Tensor], slice_: int
) -> None:
    clips = [golden["w5p3.wave"], golden["w0p7.wave"], golden["w5p3.wave"].flip(0)]
    expected = rows(micro, *clips)
    monkeypatch.setattr(audio_mamba_network, "SLICE", slice_)
    for got, want in zip(rows(micro, *clips), expected, strict=True):
        close(got, want, 1e-5)


def test_what_lies_in_the_padding_changes_nothing(
    micro: AudioMamba, golden: dict[str, Tensor]
) -> None:
    wave = golden["w2p0.wave"]
    zeros, noise = torch.zeros(2, 40000), torch.ones(2, 40000)
    zeros[:, :32000] = noise[:, :32000] = wave
    lengths = torch.tensor([32000, 40000])
    assert torch.equal(micro(zeros, lengths).frames[0], micro(noise, lengths).frames[0])


def test_rows_past_a_clips_length_are_zero(micro: AudioMamba, golden: dict[str, Tensor]) -> None:
    waves = golden["w5p3.wave"].repeat(2, 1)
    frames, lengths, _ = micro(waves, torch.tensor([640, 84800]))
    assert lengths.tolist() == [2, 133]
    assert not frames[0, 2:].any()


def test_the_same_clip_twice_gives_the_same_bits(
    micro: AudioMamba, golden: dict[str, Tensor]
) -> None:
    assert torch.equal(rows(micro, golden["w2p0.wave"])[0], rows(micro, golden["w2p0.wave"])[0])


@pytest.mark.parametrize("samples", [201, 16000, 32000])
def test_digital_silence_is_exact_zeros_after_standardisation(
    micro: AudioMamba, samples: int
) -> None:
    assert not micro.log_mel(torch.zeros(samples)).any()
    assert bool(torch.isfinite(rows(micro, torch.zeros(samples))[0]).all())


def test_a_clip_too_short_to_reflect_is_refused(micro: AudioMamba) -> None:
    with pytest.raises(PartError, match="at least 201 samples per clip, got 200"):
        micro(torch.zeros(1, 400), torch.tensor([200]))


@pytest.mark.parametrize("samples", [16000, 84800])
def test_layout_time_is_one_row_per_time_patch(
    state: dict[str, Tensor], golden: dict[str, Tensor], samples: int
) -> None:
    backbone = AudioMamba(encoder_from_state_dict(state), layout="time").eval()
    mel = backbone.log_mel(golden["w5p3.wave"][:samples])
    chunks = torch.nn.functional.pad(mel, (0, 0, 0, -len(mel) % 200)).reshape(-1, 200, 80)
    with torch.no_grad():
        expected = torch.cat(
            [backbone.encoder(chunk[None])[0, 1:].reshape(50, 160) for chunk in chunks]
        )
    close(rows(backbone, golden["w5p3.wave"][:samples])[0], expected[: -(-len(mel) // 4)], 1e-5)


@pytest.mark.parametrize("layout", ["published", "time"])
@pytest.mark.parametrize("samples", [201, 14400, 31999, 32000, 84800])
def test_the_padding_is_that_of_the_rows_that_the_network_gives(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor], layout: str, samples: int
) -> None:
    """With tokens that say whether they cover the clip, rows say how much of each block does."""

    def marked(self: AudioMambaEncoder, mel: Tensor) -> Tensor:
        tokens = (self.patches(mel) == 1).float().mean(-1, keepdim=True)  # (c, 250, 1)
        return torch.nn.functional.pad(tokens.expand(-1, -1, 32), (0, 0, 1, 0))

    backbone = AudioMamba(encoder_from_state_dict(state), layout=layout).eval()
    monkeypatch.setattr(AudioMambaEncoder, "forward", marked)
    monkeypatch.setattr(
        audio_mamba_network.LogMel,
        "forward",
        lambda self, wave: torch.ones(1 + len(wave) // 160, 80),
    )
    (got,) = rows(backbone, torch.ones(samples))
    covered = got.mean(0).reshape(5, 32)[:, 0]
    found = audio_mamba_network.padding_of(samples, layout)
    close(1 - covered, torch.tensor(found.blocks), 1e-6)
    assert 0 <= found.unused < 1


def test_a_clip_of_0_9_s_is_half_padding_in_the_published_layout_and_hardly_in_time() -> None:
    published, time = (
        audio_mamba_network.padding_of(14400, layout) for layout in audio_mamba.LAYOUTS
    )
    assert published.share == pytest.approx(0.48, abs=0.005)
    assert published.blocks[3:] == (1.0, 1.0)
    assert published.unused == pytest.approx(0.47, abs=0.01)
    assert time.share < 0.02
    assert time.unused == 0


def test_half_precision_stays_close_to_full(
    state: dict[str, Tensor], micro: AudioMamba, golden: dict[str, Tensor]
) -> None:
    half = AudioMamba(encoder_from_state_dict(state), dtype="bfloat16").eval()
    got, exact = rows(half, golden["w0p7.wave"])[0], rows(micro, golden["w0p7.wave"])[0]
    assert got.dtype == torch.float32
    assert 0 < float((got - exact).norm() / exact.norm()) < 0.05


# --- sizes and records


@pytest.mark.parametrize(
    ("size", "total", "used"),
    [
        ("tiny", 4_808_704, 4_710_912),
        ("small", 17_985_472, 17_716_224),
        ("base", 69_443_392, 68_610_048),
    ],
)
def test_parameter_counts_are_those_of_the_paper(size: str, total: int, used: int) -> None:
    embed_dim = audio_mamba.EMBED_DIMS[size]
    shapes = expected_shapes(embed_dim, 12)
    with torch.device("meta"):
        encoder = AudioMambaEncoder(embed_dim, 12)
    assert len(shapes) == 143
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == total
    assert audio_mamba.WEIGHT_BYTES[size] == 4 * total
    assert sum(p.numel() for p in encoder.parameters()) == used
    assert all(shapes[key] == tuple(value.shape) for key, value in encoder.state_dict().items())


@pytest.mark.parametrize(("size", "dim"), [("tiny", 960), ("small", 1920), ("base", 3840)])
def test_records_say_what_a_loaded_backbone_gives(size: str, dim: int) -> None:
    record = {b.name: b for b in nverbench_backbones()}[f"audio-mamba-{size}"]
    assert (record.frame_dim, record.dim, record.pool, record.min_samples, record.batch) == (
        dim,
        dim,
        "mean",
        201,
        8,
    )
    assert not record.is_time_local({"layout": "published"})
    assert record.is_time_local({"layout": "time"})
    assert "layout=time" in record.time_local_hint
    assert record.weights is not None
    assert f"nverbench weights add {record.name} PATH" in record.weights.how


@pytest.mark.parametrize("size", audio_mamba.EMBED_DIMS)
def test_whoever_lacks_the_weights_is_told_the_folder_and_all_three_paths_in_it(size: str) -> None:
    (record,) = (b for b in audio_mamba.backbones() if b.name == f"audio-mamba-{size}")
    assert record.weights is not None
    assert record.weights.address.endswith("/1l6_8e1TFEfnobwUMIbA7-aKw2FwlBhho")
    assert record.weights.how.startswith(f"download ssam_{size}_")
    assert all(
        f"ssam_{other}_200_16x4_4x256_fp16_r1/checkpoints/checkpoint-99.pth" in record.weights.how
        for other in audio_mamba.EMBED_DIMS
    )
