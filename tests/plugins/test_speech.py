"""Speech transformers: what the records say, which layer is given, and no network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from nverbench import LoadContext, UsageError
from nverbench_backbones import speech
from nverbench_backbones.speech_checkpoints import CHECKPOINTS, VOC125, Checkpoint
from nverbench_backbones.speech_loading import quiet, transformers_class, untrained
from nverbench_backbones.speech_network import SpeechEncoder
from support.tiny_speech import TINY

BY_NAME = {c.name: c for c in CHECKPOINTS}
RECORD = {b.name: b for b in speech.backbones()}
every_checkpoint = pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=list(BY_NAME))
every_architecture = pytest.mark.parametrize("checkpoint", TINY.values(), ids=list(TINY))
PUBLISHED = {
    # blocks, dimensions, heads, inner size, millions of parameters, norm of the front end, norm
    # first
    "wavlm-large": (24, 1024, 16, 4096, 315, "layer", True),
    "mms-1b": (48, 1280, 16, 5120, 962, "layer", True),
    "data2vec-audio-base": (12, 768, 12, 3072, 93, "layer", False),
}
BASE = (12, 768, 12, 3072, 94, "group", False)


def saved(checkpoint: Checkpoint, folder: Path) -> Path:
    """A folder with a small model."""
    untrained(checkpoint, LoadContext("cpu")).save_pretrained(folder)
    return folder


def loaded(checkpoint: Checkpoint, folder: Path) -> SpeechEncoder:
    return speech.load(checkpoint, LoadContext("cpu", weights=folder))


def clip(samples: int) -> Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples)) + 0.02


# --- the records


@every_checkpoint
def test_records_say_what_a_loaded_backbone_gives(checkpoint: Checkpoint) -> None:
    record = RECORD[checkpoint.name]
    blocks, dim, *_ = PUBLISHED.get(checkpoint.name, BASE)
    assert (record.frame_dim, record.dim, record.layers) == (dim, dim, blocks + 1)
    assert (record.family, record.frame_rate, record.min_samples, record.batch) == (
        "attention",
        50.0,
        400,
        speech.BATCH,
    )
    assert record.weights is not None
    assert record.weights.address == f"hf:{checkpoint.hub}"
    assert record.weights.revision is None or len(record.weights.revision) == 40
    assert record.pretrained_on
    assert checkpoint.citation.startswith("@")


@every_checkpoint
def test_the_configuration_is_the_published_architecture(checkpoint: Checkpoint) -> None:
    config = transformers_class(checkpoint, "Config")(**checkpoint.config)
    blocks, dim, heads, inner, millions, norm, first = PUBLISHED.get(checkpoint.name, BASE)
    assert (
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.intermediate_size,
    ) == (blocks, dim, heads, inner)
    assert (
        getattr(config, "feat_extract_norm", "layer"),
        getattr(config, "do_stable_layer_norm", False),
    ) == (norm, first)
    assert config.conv_bias is (checkpoint.name == "mms-1b")
    with torch.device("meta"):
        model = transformers_class(checkpoint, "Model")(config)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6) == millions


def test_every_corpus_of_voc2vec_is_named() -> None:
    voc2vec = [record for name, record in RECORD.items() if name.startswith("voc2vec")]
    assert len(voc2vec) == 4
    assert len(VOC125) == 10
    assert all(set(VOC125) <= set(record.pretrained_on) for record in voc2vec)


@every_architecture
def test_wrapping_keeps_every_parameter(checkpoint: Checkpoint) -> None:
    before = untrained(checkpoint, LoadContext("cpu"))
    after = speech.load(checkpoint, LoadContext("cpu"))
    assert sum(p.numel() for p in after.parameters()) == sum(p.numel() for p in before.parameters())


# --- layers


@every_architecture
def test_every_layer_can_be_had_as_frames(checkpoint: Checkpoint) -> None:
    waves, lengths = clip(9000).view(2, 4500), torch.tensor([4500, 2500])
    last = speech.load(checkpoint, LoadContext("cpu"))(waves, lengths)
    assert last.layers is not None
    for layer in range(3):
        given = speech.load(checkpoint, LoadContext("cpu", layer=layer))(waves, lengths)
        assert given.layers is not None
        torch.testing.assert_close(given.layers, last.layers, rtol=0, atol=0)
        for row, n in enumerate(given.lengths):
            torch.testing.assert_close(
                given.frames[row, :n].mean(0), last.layers[row, layer], rtol=1e-5, atol=1e-5
            )
    assert torch.equal(given.frames, last.frames)


@pytest.mark.parametrize("layer", [-1, 13, 99])
def test_a_layer_that_is_not_there_is_refused_before_anything_is_loaded(layer: int) -> None:
    with pytest.raises(
        UsageError, match=rf"backbone wavlm-base: layer is {layer}, expected 0 .* to 12"
    ):
        speech.load(BY_NAME["wavlm-base"], LoadContext("cpu", layer=layer))


def test_the_last_layer_is_the_models_output_and_not_the_block_before_its_final_norm() -> None:
    checkpoint, wave = TINY["wavlm-large"], clip(4000)
    with torch.no_grad():
        out = untrained(checkpoint, LoadContext("cpu")).eval()(
            wave[None] / wave.std(correction=0), output_hidden_states=True
        )
    assert not torch.allclose(out.hidden_states[-1], out.last_hidden_state)
    frames = speech.load(checkpoint, LoadContext("cpu"))(wave[None], torch.tensor([4000])).frames
    assert (
        abs(float(frames[0].var(-1, correction=0).mean()) - 1.0) < 1e-2
    )  # fresh from a layer norm without scale


# --- loading


@pytest.mark.parametrize("stated", [True, False])
@every_architecture
def test_the_folders_preprocessor_decides_over_the_table(
    tmp_path: Path, checkpoint: Checkpoint, stated: bool
) -> None:
    folder = saved(checkpoint, tmp_path)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"do_normalize": stated, "sampling_rate": 16000})
    )
    assert loaded(checkpoint, folder).normalize is stated


@every_architecture
def test_embedding_leaves_the_callers_random_state_untouched(checkpoint: Checkpoint) -> None:
    encoder = speech.load(checkpoint, LoadContext("cpu"))
    before = torch.get_rng_state()
    encoder(clip(1600)[None], torch.tensor([1600]))
    assert torch.equal(torch.get_rng_state(), before)


@every_architecture
def test_untrained_weights_come_from_the_seed_alone(checkpoint: Checkpoint) -> None:
    before = torch.get_rng_state()
    first, again, other = (
        untrained(checkpoint, LoadContext("cpu", seed=seed)).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["masked_spec_embed"], other["masked_spec_embed"])


@every_architecture
def test_a_loaded_network_is_frozen(checkpoint: Checkpoint) -> None:
    encoder = speech.load(checkpoint, LoadContext("cpu"))
    assert encoder.normalize is checkpoint.normalize
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())


def test_loading_is_silent_and_restores_the_settings(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = saved(TINY["wavlm-base"], tmp_path)
    capfd.readouterr()
    log = transformers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    loaded(TINY["wavlm-base"], folder)
    with quiet():
        assert not log.is_progress_bar_enabled()
    assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")
