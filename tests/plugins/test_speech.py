"""Speech transformers: every key accounted for, clips independent of each other, and no network."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from nverbench import LoadContext, PartError
from nverbench_backbones import speech
from nverbench_backbones.speech import CHECKPOINTS, Checkpoint
from nverbench_backbones.speech_network import SpeechEncoder, default_config, quiet, untrained

CHECKPOINT = {c.name: c for c in CHECKPOINTS}
every_checkpoint = pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=list(CHECKPOINT))
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def small_model(checkpoint: Checkpoint, seed: int = 0) -> Any:
    config = getattr(transformers, checkpoint.config_class)(**SMALL)
    return untrained(checkpoint, config, LoadContext("cpu", seed=seed)).eval()


def saved(checkpoint: Checkpoint, folder: Path) -> Path:
    """A folder with a small model."""
    small_model(checkpoint).save_pretrained(folder)
    return folder


def loaded(checkpoint: Checkpoint, folder: Path) -> SpeechEncoder:
    return speech.load(checkpoint, LoadContext("cpu", weights=folder))


def clip(samples: int) -> Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples)) + 0.02


@every_checkpoint
def test_a_saved_model_comes_back_with_the_same_numbers(tmp_path: Path, checkpoint: Checkpoint) -> None:
    wave = clip(8000)
    frames, lengths, layers = loaded(checkpoint, saved(checkpoint, tmp_path))(wave[None], torch.tensor([8000]))
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=checkpoint.normalize)
    prepared = extractor(wave.numpy(), sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        expected = small_model(checkpoint)(prepared, output_hidden_states=True)
    torch.testing.assert_close(frames, expected.last_hidden_state, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layers, torch.stack(expected.hidden_states, dim=1), rtol=1e-5, atol=1e-5)
    assert frames.shape == (1, 24, 32)
    assert lengths.tolist() == [24]


@pytest.mark.parametrize("stated", [True, False])
@every_checkpoint
def test_the_folders_preprocessor_decides_over_the_table(tmp_path: Path, checkpoint: Checkpoint, stated: bool) -> None:
    folder = saved(checkpoint, tmp_path)
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": stated, "sampling_rate": 16000}))
    assert loaded(checkpoint, folder).normalize is stated


def test_normalisation_is_that_of_the_published_feature_extractor() -> None:
    seen: list[Tensor] = []

    class Recorder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, wave: Tensor, output_hidden_states: bool) -> Any:
            seen.append(wave[0])
            return transformers.modeling_outputs.BaseModelOutput(hidden_states=(wave[:, :, None],))

    wave = clip(900)
    SpeechEncoder(Recorder(), normalize=True)(torch.nn.functional.pad(wave, (0, 300), value=5.0)[None], torch.tensor([900]))
    expected = transformers.Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm([wave.numpy()], None)[0]
    np.testing.assert_allclose(seen[0].numpy(), expected, rtol=1e-5, atol=1e-6)


@every_checkpoint
def test_a_row_of_a_batch_is_the_clip_alone_to_the_bit(tmp_path: Path, checkpoint: Checkpoint) -> None:
    backbone = loaded(checkpoint, saved(checkpoint, tmp_path))
    lengths = (400, 5000, 16000)
    clips = [clip(n) for n in lengths]
    frames, valid, layers = backbone(torch.nn.utils.rnn.pad_sequence(clips, batch_first=True, padding_value=3.0), torch.tensor(lengths))
    assert layers is not None
    for i, wave in enumerate(clips):
        alone = backbone(wave[None], torch.tensor([len(wave)]))
        assert alone.layers is not None
        assert torch.equal(frames[i, : valid[i]], alone.frames[0])
        assert torch.equal(layers[i, :, : valid[i]], alone.layers[0])


def test_embedding_leaves_the_callers_random_state_untouched() -> None:
    backbone = SpeechEncoder(small_model(CHECKPOINT["wavlm-base"]), normalize=False)
    before = torch.get_rng_state()
    backbone(clip(1600)[None], torch.tensor([1600]))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_clip_shorter_than_one_frame_is_refused() -> None:
    backbone = SpeechEncoder(small_model(CHECKPOINT["hubert-base"]), normalize=True)
    with pytest.raises(PartError, match="at least 400 samples per clip, got 399"):
        backbone(torch.zeros(1, 800), torch.tensor([399]))


def test_silence_is_finite() -> None:
    backbone = SpeechEncoder(small_model(CHECKPOINT["wav2vec2-base"]), normalize=True)
    assert bool(torch.isfinite(backbone(torch.zeros(1, 4000), torch.tensor([4000])).frames).all())


@every_checkpoint
def test_the_default_configuration_is_the_base_architecture(checkpoint: Checkpoint) -> None:
    config = default_config(checkpoint)
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.intermediate_size) == (12, 768, 12, 3072)
    assert (config.feat_extract_norm, config.do_stable_layer_norm, config.conv_bias) == ("group", False, False)
    with torch.device("meta"):
        model = getattr(transformers, checkpoint.model_class)(config)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6) in (94, 95)


@every_checkpoint
def test_untrained_weights_come_from_the_seed_alone(checkpoint: Checkpoint) -> None:
    before = torch.get_rng_state()
    first, again, other = (small_model(checkpoint, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["masked_spec_embed"], other["masked_spec_embed"])


def test_an_untrained_record_loads_the_base_size(monkeypatch: pytest.MonkeyPatch) -> None:
    from nverbench_backbones import speech_network

    checkpoint = CHECKPOINT["hubert-base"]
    monkeypatch.setattr(speech_network, "default_config", lambda c: getattr(transformers, c.config_class)(**SMALL))
    backbone = speech.load(checkpoint, LoadContext("cpu"))
    assert backbone.normalize is checkpoint.normalize
    assert not backbone.training
    assert not any(p.requires_grad for p in backbone.parameters())


def test_loading_is_silent_and_restores_the_settings(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = saved(CHECKPOINT["wavlm-base"], tmp_path)
    capfd.readouterr()
    log = transformers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    loaded(CHECKPOINT["wavlm-base"], folder)
    with quiet():
        assert not log.is_progress_bar_enabled()
    assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


@every_checkpoint
def test_records_say_what_a_loaded_backbone_gives(checkpoint: Checkpoint) -> None:
    record = {b.name: b for b in speech.backbones()}[checkpoint.name]
    assert (record.frame_dim, record.dim, record.frame_rate, record.min_samples, record.batch) == (768, 768, 50.0, 400, 1)
    assert record.weights is not None
    assert record.weights.address == f"hf:{checkpoint.hub}"
