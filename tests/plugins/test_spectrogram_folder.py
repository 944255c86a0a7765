"""Whisper and AST from a folder: every key accounted for, nothing left random, nothing run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from nverbench import ArtifactError, LoadContext
from nverbench_backbones.spectrogram_folder import quiet
from support.tiny_spectrogram import AST, WHISPER, tiny_spectrogram

TINY = {record.name: record for record in tiny_spectrogram()}
NAMES = ("tiny-whisper-small", "tiny-ast-audioset")
DECODER = {
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 48,
    "vocab_size": 60,
    "max_target_positions": 20,
}
TOKENS = {"pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1}
NORM = {
    "tiny-whisper-small": "model.encoder.layer_norm.weight",
    "tiny-ast-audioset": "audio_spectrogram_transformer.layernorm.weight",
}
every_name = pytest.mark.parametrize("name", NAMES)


def whole_model(name: str, **changes: int) -> Any:
    """A seeded model as published: the encoder and what stands on it."""
    torch.manual_seed(7)
    if name == "tiny-whisper-small":
        return transformers.WhisperForConditionalGeneration(
            transformers.WhisperConfig(**WHISPER | DECODER | TOKENS | changes)
        ).eval()
    return transformers.ASTForAudioClassification(
        transformers.ASTConfig(**AST | {"num_labels": 5} | changes)
    ).eval()


def encoder(name: str, model: Any) -> Any:
    return (
        model.model.encoder if name == "tiny-whisper-small" else model.audio_spectrogram_transformer
    )


def saved(
    name: str,
    folder: Path,
    change: Callable[[dict[str, Tensor]], object] | None = None,
    **changes: int,
) -> Path:
    """A folder with a small model, its state dict changed on the way."""
    with quiet():
        whole_model(name, **changes).save_pretrained(folder)
    if change:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def loaded(name: str, folder: Path) -> Any:
    load = TINY[name].load
    assert load is not None
    return load(LoadContext("cpu", weights=folder))


def network(name: str, backbone: Any) -> Any:
    return backbone.encoder if name == "tiny-whisper-small" else backbone.network


@every_name
def test_a_published_checkpoint_gives_its_encoder_to_the_bit(tmp_path: Path, name: str) -> None:
    got = network(name, loaded(name, saved(name, tmp_path))).state_dict()
    expected = encoder(name, whole_model(name)).state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[key], expected[key]) for key in expected)


@every_name
def test_a_bin_file_and_an_encoder_saved_alone_are_read_too(tmp_path: Path, name: str) -> None:
    expected = encoder(name, whole_model(name))
    with quiet():
        expected.save_pretrained(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    got = network(name, loaded(name, tmp_path)).state_dict()
    assert all(torch.equal(got[key], value) for key, value in expected.state_dict().items())


@every_name
def test_a_removed_key_is_named(tmp_path: Path, name: str) -> None:
    folder = saved(name, tmp_path, lambda state: state.pop(NORM[name]))
    with pytest.raises(
        ArtifactError,
        match=(
            rf"{name}: .*1 keys missing \({NORM[name].split('.', 1)[1].removeprefix('encoder.')}\)"
        ),
    ):
        loaded(name, folder)


@every_name
def test_a_key_too_many_is_named(tmp_path: Path, name: str) -> None:
    folder = saved(name, tmp_path, lambda state: state.update({"adapter.weight": torch.zeros(2)}))
    with pytest.raises(ArtifactError, match=r"1 keys not expected \(adapter.weight\)"):
        loaded(name, folder)


@every_name
def test_a_key_of_another_shape_is_named(tmp_path: Path, name: str) -> None:
    folder = saved(name, tmp_path, lambda state: state.update({NORM[name]: torch.ones(3)}))
    with pytest.raises(ArtifactError, match=r"1 keys of another shape \(layer_?norm.weight\)"):
        loaded(name, folder)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("tiny-whisper-small", "encoder_layers", 1),
        ("tiny-whisper-small", "max_source_positions", 40),
        ("tiny-ast-audioset", "time_stride", 16),
    ],
)
def test_another_size_is_refused_by_name(tmp_path: Path, name: str, key: str, value: int) -> None:
    with pytest.raises(
        ArtifactError,
        match=rf"config.json: {key} is {value}, expected {(WHISPER | AST)[key]}; give a copy of",
    ):
        loaded(name, saved(name, tmp_path, **{key: value}))


@every_name
def test_another_architecture_is_refused(tmp_path: Path, name: str) -> None:
    other = next(n for n in NAMES if n != name)
    with pytest.raises(
        ArtifactError,
        match=rf"{name}: .*config.json: model_type is '.*', expected '.*'; .*; give a copy of",
    ):
        loaded(name, saved(other, tmp_path))


# --- preprocessors


def test_a_fine_tuned_asts_own_scaling_is_used(tmp_path: Path) -> None:
    folder = saved("tiny-ast-audioset", tmp_path)
    published = loaded("tiny-ast-audioset", folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"mean": -1.5, "std": 2.0, "max_length": 64, "num_mel_bins": 128})
    )
    tuned = loaded("tiny-ast-audioset", folder)
    assert (published.mean, published.sd) == (-4.2677393, 4.5689974)
    assert (tuned.mean, tuned.sd) == (-1.5, 2.0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tiny-whisper-small", {"sampling_rate": 8000}),
        ("tiny-whisper-small", {"feature_size": 128}),
        ("tiny-ast-audioset", {"do_normalize": False}),
        ("tiny-ast-audioset", {"max_length": 512}),
        ("tiny-ast-audioset", {"mean": "none"}),
        ("tiny-ast-audioset", {"std": 0}),
        ("tiny-ast-audioset", {"mean": math.nan}),
    ],
)
def test_a_front_end_that_is_not_built_in_is_refused_in_one_line(
    tmp_path: Path, name: str, content: dict[str, object]
) -> None:
    (saved(name, tmp_path) / "preprocessor_config.json").write_text(json.dumps(content))
    with pytest.raises(
        ArtifactError,
        match=rf"{name}: .*preprocessor_config.json: .*{next(iter(content))} is .*expected",
    ) as caught:
        loaded(name, tmp_path)
    assert "\n" not in str(caught.value)


# --- what is damaged or hostile


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", ["{", "[]"])
@every_name
def test_a_damaged_settings_file_is_refused_in_one_line(
    tmp_path: Path, name: str, file: str, content: str
) -> None:
    (saved(name, tmp_path) / file).write_text(content)
    with pytest.raises(ArtifactError, match=file) as caught:
        loaded(name, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors"])
@every_name
def test_a_missing_file_is_named(tmp_path: Path, name: str, gone: str) -> None:
    (saved(name, tmp_path) / gone).unlink()
    with pytest.raises(ArtifactError, match=gone):
        loaded(name, tmp_path)


class Hostile:
    """Runs a command when it is unpickled by anything that trusts pickles."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@every_name
def test_a_pickle_that_wants_to_run_code_is_refused_and_does_not_run(
    tmp_path: Path, name: str
) -> None:
    folder = saved(name, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    torch.save({NORM[name]: Hostile(tmp_path / "executed")}, folder / "pytorch_model.bin")
    with pytest.raises(ArtifactError, match="cannot be read"):
        loaded(name, folder)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@every_name
def test_a_damaged_weight_file_is_refused_in_one_line(tmp_path: Path, name: str, file: str) -> None:
    folder = saved(name, tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(b"<html>not found</html>")
    with pytest.raises(ArtifactError, match="cannot be read") as caught:
        loaded(name, folder)
    assert "\n" not in str(caught.value)


@every_name
def test_loading_is_silent_and_restores_the_settings(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = saved(name, tmp_path)
    log = transformers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    capfd.readouterr()
    loaded(name, folder)
    assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")
