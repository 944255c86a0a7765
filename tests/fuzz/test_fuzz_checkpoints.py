"""Checkpoints: weights of every reader and the last epoch of a training, spoilt; a backbone that
loads embeds, and anything else costs one line.
"""

from __future__ import annotations

import io
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save
from torch import Tensor

from nverbench import LoadContext
from nverbench.training import checkpoints
from nverbench_backbones import audio_mamba, byol_s, speech, ssast
from nverbench_backbones.byol_s_network import AudioNTT2020
from nverbench_backbones.speech_loading import untrained
from nverbench_backbones.ssast_network import SpectrogramViT
from support.foreign_text import TEXTS, VALUES, lawful, often, spoilt, spoilt_bytes
from support.paths import GOLDEN
from support.tiny_spectrogram import PATCH
from support.tiny_speech import TINY

AUDIO_MAMBA = GOLDEN / "audio-mamba"
Reader = Callable[[Path], Any]


def state_of(name: str) -> dict[str, Tensor]:
    """A state dict that the reader of that name takes."""
    torch.manual_seed(1)
    if name == "audio-mamba":
        return load_file(AUDIO_MAMBA / "micro_state_dict.safetensors")
    if name == "byol-s":
        return AudioNTT2020().state_dict()
    return {f"module.v.{key}": value for key, value in SpectrogramViT(PATCH).state_dict().items()}


READERS: dict[str, Reader] = {
    "audio-mamba": lambda path: audio_mamba.load("micro", LoadContext("cpu", weights=path)),
    "byol-s": lambda path: byol_s.load(LoadContext("cpu", weights=path)),
    "ssast": lambda path: ssast.load("tiny", PATCH, LoadContext("cpu", weights=path)),
}
STATES: dict[str, dict[str, Tensor]] = {}


@pytest.fixture(autouse=True, scope="module")
def _small() -> Any:
    """``load`` takes the golden weights for those of a size of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(audio_mamba.EMBED_DIMS, "micro", 32)
        patch.setattr(audio_mamba, "DEPTH", 2)
        STATES.update({name: state_of(name) for name in READERS})
        yield


def strange_tensors(like: Tensor) -> dict[str, Callable[[], Any]]:
    """What may stand where a tensor was."""
    n = max(1, like.numel())
    return {
        "nan": lambda: torch.full_like(like.float(), torch.nan),
        "sparse": lambda: like.float().to_sparse(),
        "meta": lambda: torch.empty(like.shape, device="meta"),
        "half": lambda: like.half(),
        "complex": lambda: like.to(torch.complex64),
        "bool": lambda: like.bool(),
        "whole": lambda: like.long(),
        "double": lambda: like.double(),
        "quantized": lambda: torch.quantize_per_tensor(like.float(), 0.1, 0, torch.qint8),
        "float8": lambda: like.float().to(torch.float8_e4m3fn),
        "endless": lambda: torch.zeros(1).expand(1 << 40),
        "endless, its shape": lambda: torch.zeros(1).expand(like.shape),
        "scalar": lambda: torch.zeros(()),
        "flat": lambda: like.reshape(-1),
        "empty": lambda: torch.zeros(0, n),
        "parameter": lambda: torch.nn.Parameter(like.float()),
        "text": lambda: "x",
        "none": lambda: None,
        "list": lambda: [1.0],
        "strided": lambda: like.float().t() if like.ndim == 2 else like,
        "coalesced": lambda: like.float().to_sparse().coalesce(),
        "deep": lambda: torch.zeros((1,) * 60),
        "csr": lambda: like.float().to_sparse_csr() if like.ndim == 2 else like,
        "huge numbers": lambda: torch.full_like(like.float(), 3e38),
        "minus zero": lambda: torch.full_like(like.float(), -0.0),
    }


def pickled(content: Any, *, zipped: bool = True) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(content, buffer := io.BytesIO(), _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@given(st.sampled_from(sorted(READERS)), st.data())
@often(50)
def test_weights_with_a_strange_tensor_are_loaded_or_refused(
    room: Path, name: str, data: st.DataObject
) -> None:
    state = dict(STATES[name])
    key = data.draw(st.sampled_from(sorted(state)))
    kinds = strange_tensors(state[key])
    match data.draw(st.sampled_from(["tensor", "tensor", "tensor", "take", "add", "rename"])):
        case "tensor":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state[key] = kinds[data.draw(st.sampled_from(sorted(kinds)))]()
        case "take":
            del state[key]
        case "add":
            state[data.draw(TEXTS)] = torch.zeros(2)
        case "rename":
            state[data.draw(TEXTS)] = state.pop(key)
    path = room / "w.pth"
    try:
        path.write_bytes(
            pickled(
                {"model": state} if name == "audio-mamba" else state,
                zipped=data.draw(st.booleans()),
            )
        )
    except (RuntimeError, TypeError, NotImplementedError):
        return  # torch itself does not write it
    loaded = lawful(f"checkpoints: {name}", lambda: READERS[name](path), "w.pth")
    if loaded is not None:
        wave = torch.sin(torch.arange(16000) / 5)[None]
        lawful(
            f"checkpoints: {name}, a second of sound", lambda: loaded(wave, torch.tensor([16000]))
        )


@given(st.sampled_from(sorted(READERS)), st.booleans(), st.data())
@often(60)
def test_weights_of_spoilt_bytes_are_loaded_or_refused(
    room: Path, name: str, zipped: bool, data: st.DataObject
) -> None:
    state = dict(
        list(STATES[name].items())[:3]
    )  # too few to fit, so that heads are most of the file
    content = data.draw(
        spoilt_bytes(pickled({"model": state} if name == "audio-mamba" else state, zipped=zipped))
    )
    (room / "b.pth").write_bytes(content)
    lawful(f"checkpoints: {name}", lambda: READERS[name](room / "b.pth"), "b.pth")


@given(st.sampled_from(["audio-mamba", "ssast"]), st.data())
@often(60)
def test_safetensors_of_spoilt_bytes_are_loaded_or_refused(
    room: Path, name: str, data: st.DataObject
) -> None:
    content = save({key: value.contiguous() for key, value in list(STATES[name].items())[:3]})
    (room / "b.safetensors").write_bytes(data.draw(spoilt_bytes(content)))
    lawful(f"checkpoints: {name}", lambda: READERS[name](room / "b.safetensors"), "b.safetensors")


@given(st.sampled_from(sorted(READERS)), VALUES)
@often(40)
def test_a_file_of_anything_but_weights_is_refused(room: Path, name: str, value: Any) -> None:
    (room / "v.pth").write_bytes(pickled(value))
    assert lawful(f"checkpoints: {name}", lambda: READERS[name](room / "v.pth"), "v.pth") is None


SPEECH = TINY["wavlm-base"]


@pytest.fixture(scope="module")
def speaking(room: Path) -> Path:
    """A folder of a tiny speech transformer."""
    untrained(SPEECH, LoadContext("cpu")).save_pretrained(room / "speaking")
    return room / "speaking"


@given(st.data())
@often(60)
def test_a_folder_of_a_speech_transformer_is_loaded_or_refused(
    speaking: Path, room: Path, data: st.DataObject
) -> None:
    folder = room / "spoilt"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(speaking, folder)
    config = json.loads((folder / "config.json").read_text())
    match data.draw(st.sampled_from(["config", "config", "bytes", "weights", "preprocessor"])):
        case "config":
            (folder / "config.json").write_text(json.dumps(data.draw(spoilt(config))))
        case "bytes":
            (folder / "config.json").write_bytes(
                data.draw(spoilt_bytes(json.dumps(config).encode()))
            )
        case "weights":
            (folder / "model.safetensors").write_bytes(
                data.draw(spoilt_bytes((folder / "model.safetensors").read_bytes()))
            )
        case "preprocessor":
            (folder / "preprocessor_config.json").write_text(
                json.dumps(data.draw(spoilt({"do_normalize": True, "sampling_rate": 16000})))
            )
    lawful(
        "checkpoints: speech folder",
        lambda: speech.load(SPEECH, LoadContext("cpu", weights=folder)),
        "spoilt",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"intermediate_size": 10**9},
        {"conv_dim": [10**6] * 7},
        {"conv_kernel": [10**9] * 7},
        {"num_attention_heads": 0},
        {"num_conv_pos_embeddings": 10**9},
        {"num_buckets": 10**10},
        {"auto_map": {"AutoModel": "evil.py"}},
        {"dtype": "x" * 5000},
        {"conv_dim": []},
        {"hidden_act": "os.system"},
        {"quantization_config": {"quant_method": "x"}},
    ],
)
def test_a_configuration_that_asks_for_too_much_is_refused(
    speaking: Path, room: Path, change: dict[str, Any]
) -> None:
    folder = room / "spoilt"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(speaking, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    found = lawful(
        "checkpoints: speech folder",
        lambda: speech.load(SPEECH, LoadContext("cpu", weights=folder)),
        "spoilt",
    )
    assert found is None or change.keys() & {
        "auto_map",
        "dtype",
        "quantization_config",
    }  # what is not read cannot harm


@given(st.data())
@often(60)
def test_the_last_epoch_of_a_training_is_resumed_or_begun_again(
    room: Path, data: st.DataObject
) -> None:
    module, order = torch.nn.Linear(2, 2), torch.Generator().get_state()
    optimizer = torch.optim.Adam(module.parameters()).state_dict()
    state = {"epoch": 1, "ended": True, "module": module.state_dict(), "optimizer": optimizer}
    path = checkpoints.checkpoint_path(room, "1", 0)
    checkpoints.write(path, state | {"curves": [{"train_loss": 1.0}], "order": order})
    content = path.read_bytes()
    path.write_bytes(
        data.draw(st.one_of(spoilt_bytes(content), VALUES.map(pickled), st.just(content)))
    )
    found = lawful("checkpoints: last epoch of a training", lambda: (checkpoints.read(path),))
    assert found is not None
    assert (found[0] is not None) == (path.read_bytes() == content)  # not one bit may differ
    assert found[0] is None or found[0]["epoch"] == 1
