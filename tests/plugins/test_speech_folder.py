"""Speech transformers from a folder: every key accounted for, nothing left random, nothing run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nverbench import ArtifactError, LoadContext
from nverbench_backbones import speech
from nverbench_backbones.speech_checkpoints import Checkpoint
from nverbench_backbones.speech_loading import pretrained, transformers_class, untrained
from nverbench_backbones.speech_network import SpeechEncoder
from support.tiny_speech import TINY

every_checkpoint = pytest.mark.parametrize("checkpoint", TINY.values(), ids=list(TINY))
HEADS = {
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
    "num_codevectors_per_group": 4,
    "num_clusters": 5,
}


def small_model(checkpoint: Checkpoint) -> Any:
    return untrained(checkpoint, LoadContext("cpu")).eval()


def with_head(checkpoint: Checkpoint, kind: str, options: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return transformers_class(checkpoint, kind)(
        transformers_class(checkpoint, "Config")(**checkpoint.config, **options)
    )


def saved(
    checkpoint: Checkpoint,
    folder: Path,
    change: Callable[[dict[str, Tensor]], object] | None = None,
) -> Path:
    """A folder with a small model, its state dict changed on the way."""
    small_model(checkpoint).save_pretrained(folder)
    if change:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def loaded(checkpoint: Checkpoint, folder: Path) -> SpeechEncoder:
    return speech.load(checkpoint, LoadContext("cpu", weights=folder))


@every_checkpoint
def test_a_removed_key_is_named(tmp_path: Path, checkpoint: Checkpoint) -> None:
    folder = saved(
        checkpoint, tmp_path, lambda state: state.pop("encoder.layers.1.attention.k_proj.weight")
    )
    with pytest.raises(
        ArtifactError, match=r"1 keys missing \(encoder.layers.1.attention.k_proj.weight\)"
    ):
        loaded(checkpoint, folder)


@every_checkpoint
def test_a_key_too_many_is_named(tmp_path: Path, checkpoint: Checkpoint) -> None:
    folder = saved(
        checkpoint, tmp_path, lambda state: state.update({"adapter.weight": torch.zeros(2)})
    )
    with pytest.raises(ArtifactError, match=r"1 keys not expected \(adapter.weight\)"):
        loaded(checkpoint, folder)


@every_checkpoint
def test_a_key_of_another_shape_is_named(tmp_path: Path, checkpoint: Checkpoint) -> None:
    folder = saved(
        checkpoint,
        tmp_path,
        lambda state: state.update({"encoder.layer_norm.weight": torch.ones(3)}),
    )
    with pytest.raises(
        ArtifactError, match=r"1 keys of another shape \(encoder.layer_norm.weight\)"
    ):
        loaded(checkpoint, folder)


@every_checkpoint
def test_the_embedding_of_masked_frames_may_be_absent(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    loaded(checkpoint, saved(checkpoint, tmp_path, lambda state: state.pop("masked_spec_embed")))


@pytest.mark.parametrize(
    "checkpoint",
    [c for c in TINY.values() if c.architecture != "Data2VecAudio"],
    ids=lambda c: c.name,
)
def test_weight_norm_keys_as_published_and_a_bin_file_are_read(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    folder = saved(checkpoint, tmp_path)
    state = load_file(folder / "model.safetensors")
    names = {
        "parametrizations.weight.original0": "weight_g",
        "parametrizations.weight.original1": "weight_v",
    }
    for new, old in names.items():
        key = f"encoder.pos_conv_embed.conv.{new}"
        if key in state:
            state[f"encoder.pos_conv_embed.conv.{old}"] = state.pop(key)
    assert "encoder.pos_conv_embed.conv.weight_g" in state
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    got = pretrained(checkpoint, LoadContext("cpu", weights=folder)).state_dict()
    expected = small_model(checkpoint).state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", ["wav2vec2-base", "mms-1b", "unispeech-sat-base"])
def test_a_pretraining_checkpoint_gives_its_encoder_and_drops_its_declared_heads(
    tmp_path: Path, name: str
) -> None:
    checkpoint = TINY[name]
    whole = with_head(checkpoint, "ForPreTraining", HEADS)
    whole.save_pretrained(tmp_path)
    got = pretrained(checkpoint, LoadContext("cpu", weights=tmp_path)).state_dict()
    expected = whole.base_model.state_dict()
    assert all(torch.equal(got[key], expected[key]) for key in expected)
    with pytest.raises(ArtifactError, match="keys not expected"):
        loaded(replace(checkpoint, heads=()), tmp_path)


@pytest.mark.parametrize("kind", ["ForSequenceClassification", "ForCTC"])
@every_checkpoint
def test_a_fine_tuned_folder_gives_its_encoder_and_leaves_its_head_behind(
    tmp_path: Path, checkpoint: Checkpoint, kind: str
) -> None:
    whole = with_head(
        checkpoint,
        kind,
        {
            "use_weighted_layer_sum": True,
            "num_labels": 4,
            "classifier_proj_size": 8,
            "vocab_size": 33,
        },
    )
    whole.save_pretrained(tmp_path)
    saved_keys = load_file(tmp_path / "model.safetensors").keys()
    assert any(key.startswith(whole.base_model_prefix + ".") for key in saved_keys)
    got = pretrained(checkpoint, LoadContext("cpu", weights=tmp_path)).state_dict()
    expected = whole.base_model.state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[key], expected[key]) for key in expected)
    assert loaded(checkpoint, tmp_path)(torch.ones(1, 800), torch.tensor([800])).frames.shape == (
        1,
        2,
        32,
    )


def test_a_fine_tuned_folder_that_lacks_a_weight_of_the_encoder_is_refused(tmp_path: Path) -> None:
    checkpoint = TINY["wav2vec2-base"]
    with_head(checkpoint, "ForSequenceClassification", {"num_labels": 4}).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state["wav2vec2.encoder.layers.0.final_layer_norm.bias"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ArtifactError, match=r"1 keys missing \(encoder.layers.0.final_layer_norm.bias\)"
    ):
        loaded(checkpoint, tmp_path)


# --- what is refused


@every_checkpoint
def test_another_architecture_is_refused(tmp_path: Path, checkpoint: Checkpoint) -> None:
    other = next(c for c in TINY.values() if c.architecture != checkpoint.architecture)
    with pytest.raises(
        ArtifactError,
        match=(
            rf"{checkpoint.name}: .*config.json: model_type is '.*', expected '.*'; give a copy of"
            rf" {checkpoint.hub}"
        ),
    ):
        loaded(checkpoint, saved(other, tmp_path))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"hidden_size": 64}, "hidden_size is 64, expected 32"),
        ({"num_hidden_layers": 3}, "num_hidden_layers is 3, expected 2"),
        ({"add_adapter": True}, "add_adapter is True, expected False"),
    ],
)
def test_a_checkpoint_of_another_size_is_refused_in_one_line(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    """As a base checkpoint given for wavlm-large is."""
    checkpoint = TINY["wavlm-large"]
    saved(replace(checkpoint, config={**checkpoint.config, **change}), tmp_path)
    with pytest.raises(
        ArtifactError,
        match=rf"^tiny-wavlm-large: .*config.json: {named}; give a copy of microsoft/wavlm-large$",
    ):
        loaded(checkpoint, tmp_path)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"do_normalize": "yes"}', '{"do_normalize": true, "sampling_rate": 8000}'],
)
def test_a_damaged_settings_file_is_refused_in_one_line(
    tmp_path: Path, name: str, content: str
) -> None:
    folder = saved(TINY["wavlm-base"], tmp_path)
    (folder / name).write_text(content)
    with pytest.raises(ArtifactError, match=name) as caught:
        loaded(TINY["wavlm-base"], folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, gone: str) -> None:
    folder = saved(TINY["wavlm-base"], tmp_path)
    (folder / gone).unlink()
    with pytest.raises(ArtifactError, match=gone):
        loaded(TINY["wavlm-base"], folder)


class Hostile:
    """Runs a command when it is unpickled by anything that trusts pickles."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_wants_to_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    folder = saved(TINY["wavlm-base"], tmp_path / "model")
    (folder / "model.safetensors").unlink()
    torch.save(
        {"encoder.layer_norm.weight": Hostile(tmp_path / "executed")}, folder / "pytorch_model.bin"
    )
    with pytest.raises(ArtifactError, match="cannot be read"):
        loaded(TINY["wavlm-base"], folder)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_damaged_weight_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    folder = saved(TINY["wavlm-base"], tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"<html>not found</html>")
    with pytest.raises(ArtifactError, match="cannot be read") as caught:
        loaded(TINY["wavlm-base"], folder)
    assert "\n" not in str(caught.value)
