"""SSAST: our network against transformers' own spectrogram ViT, and checkpoints of which nothing is
left out or run.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor, nn

from nverbench import ArtifactError, LoadContext
from nverbench_backbones import ssast
from nverbench_backbones.ssast import Architecture
from nverbench_backbones.ssast_network import SpectrogramViT
from support.tiny_spectrogram import FRAME, PATCH

both = pytest.mark.parametrize("architecture", [PATCH, FRAME], ids=["patch", "frame"])


def seeded(architecture: Architecture) -> SpectrogramViT:
    """A network whose every number is far from where training starts."""
    generator = torch.Generator().manual_seed(5)
    network = SpectrogramViT(architecture).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network


def published(architecture: Architecture) -> dict[str, Tensor]:
    """A state dict as the repository saves it after pretraining: DataParallel's prefix, the ViT
    under v, and the heads.
    """
    dim = architecture.dim
    heads = {
        "p_input_fdim": torch.tensor(128),
        "p_input_tdim": torch.tensor(architecture.frames),
        "mask_embed": torch.zeros(1, 1, dim),
        "cpredlayer.0.weight": torch.zeros(dim, dim),
        "cpredlayer.0.bias": torch.zeros(dim),
        "cpredlayer.2.weight": torch.zeros(256, dim),
        "cpredlayer.2.bias": torch.zeros(256),
        "gpredlayer.0.weight": torch.zeros(dim, dim),
        "gpredlayer.0.bias": torch.zeros(dim),
        "gpredlayer.2.weight": torch.zeros(256, dim),
        "gpredlayer.2.bias": torch.zeros(256),
        "v.head.weight": torch.zeros(1000, dim),
        "v.head.bias": torch.zeros(1000),
        "v.head_dist.weight": torch.zeros(1000, dim),
        "v.head_dist.bias": torch.zeros(1000),
    }
    encoder = {f"v.{key}": value for key, value in seeded(architecture).state_dict().items()}
    return {f"module.{key}": value for key, value in (heads | encoder).items()}


def loaded(path: Path, architecture: Architecture = PATCH) -> Any:
    return ssast.load("tiny", architecture, LoadContext("cpu", weights=path))


# --- the network


def transformers_vit(architecture: Architecture, ours: SpectrogramViT) -> Any:
    """The same numbers in transformers' ASTModel, a ViT with two special tokens written by
    others.
    """
    sizes = {
        "hidden_size": architecture.dim,
        "num_hidden_layers": architecture.depth,
        "num_attention_heads": architecture.heads,
    }
    config = transformers.ASTConfig(
        **sizes,
        intermediate_size=architecture.hidden,
        layer_norm_eps=1e-6,
        max_length=architecture.frames,
        frequency_stride=16,
        time_stride=16,
    )
    model = transformers.ASTModel(config).eval()
    embeddings = model.embeddings
    embeddings.patch_embeddings.projection = nn.Conv2d(
        1, architecture.dim, architecture.patch, stride=architecture.patch
    )
    embeddings.position_embeddings = nn.Parameter(torch.zeros_like(ours.pos_embed))
    names = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.o_proj",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    state = {
        "embeddings.cls_token": ours.cls_token,
        "embeddings.distillation_token": ours.dist_token,
        "embeddings.position_embeddings": ours.pos_embed,
    }
    for end in ("weight", "bias"):
        state[f"embeddings.patch_embeddings.projection.{end}"] = ours.get_parameter(
            f"patch_embed.proj.{end}"
        )
        state[f"layernorm.{end}"] = ours.get_parameter(f"norm.{end}")
        for i in range(architecture.depth):
            state |= {
                f"layers.{i}.{theirs}.{end}": ours.get_parameter(f"blocks.{i}.{name}.{end}")
                for name, theirs in names.items()
            }
            parts = ours.get_parameter(f"blocks.{i}.attn.qkv.{end}").chunk(3)
            state |= {
                f"layers.{i}.attention.{letter}_proj.{end}": part
                for letter, part in zip("qkv", parts, strict=True)
            }
    model.load_state_dict(state, strict=True)
    return model


@both
def test_the_network_equals_the_vit_of_transformers(architecture: Architecture) -> None:
    ours = seeded(architecture)
    windows = torch.randn(3, 64, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = transformers_vit(architecture, ours)(windows, output_hidden_states=True)
        got = ours(windows)
    assert len(got) == 3
    torch.testing.assert_close(got[-1], expected.last_hidden_state, rtol=0, atol=1e-4)
    torch.testing.assert_close(got[0], expected.hidden_states[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(got[1], expected.hidden_states[1], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("architecture", "patch"), [(ssast.PATCH, (16, 16)), (ssast.FRAME, (128, 2))]
)
def test_the_full_size_has_the_published_positions_and_heads_make_89_million(
    architecture: Architecture, patch: tuple[int, int]
) -> None:
    with torch.device("meta"):
        network = SpectrogramViT(architecture)
    assert network.pos_embed.shape == (1, 514, 768)
    assert network.patch_embed["proj"].weight.shape == (768, 1, *patch)
    heads = 2 * (768 * 1000 + 1000) + 2 * (768 * 768 + 768 + 256 * 768 + 256) + 768
    assert round((sum(p.numel() for p in network.parameters()) + heads) / 1e6) == 89


# --- checkpoints


@both
@pytest.mark.parametrize("kind", ["pth", "old pth", "safetensors", "without module."])
def test_a_published_checkpoint_comes_back_to_the_bit(
    tmp_path: Path, architecture: Architecture, kind: str
) -> None:
    state, path = (
        published(architecture),
        tmp_path / ("tiny.safetensors" if kind == "safetensors" else "tiny.pth"),
    )
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "without module.":
        torch.save({key.removeprefix("module."): value for key, value in state.items()}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "pth")
    got = loaded(path, architecture).network.state_dict()
    expected = seeded(architecture).state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[key], expected[key]) for key in expected)


@both
def test_a_loaded_checkpoint_embeds_like_the_network_it_was_saved_from(
    tmp_path: Path, architecture: Architecture
) -> None:
    torch.save(published(architecture), tmp_path / "tiny.pth")
    backbone = loaded(tmp_path / "tiny.pth", architecture)
    wave = 0.1 * torch.randn(1, 9000, generator=torch.Generator().manual_seed(2))
    times = 64 // architecture.patch[1]
    with torch.no_grad():
        tokens = seeded(architecture)(backbone.windows(wave[0], 1))[-1][0, 2:]  # (f t, d)
    expected = torch.stack([tokens[t::times].mean(0) for t in range(times)])
    got = backbone(wave, torch.tensor([9000]))
    torch.testing.assert_close(got.frames[0], expected[: len(got.frames[0])], rtol=0, atol=1e-5)
    assert len(got.frames[0]) == -(-54 // architecture.patch[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda s: s.pop("module.v.blocks.1.attn.qkv.bias"),
            r"1 keys missing \(v.blocks.1.attn.qkv.bias\)",
        ),
        (
            lambda s: s.update({"module.v.blocks.2.norm1.bias": torch.zeros(32)}),
            r"1 keys not expected \(v.blocks.2.norm1.bias\)",
        ),
        (
            lambda s: s.update({"module.v.norm.bias": torch.zeros(3)}),
            r"of another shape \(v.norm.bias \(3,\), expected \(32,\)\)",
        ),
        (
            lambda s: s.update({"module.v.cls_token": torch.full((1, 1, 32), torch.nan)}),
            r"1 keys not finite \(v.cls_token\)",
        ),
    ],
)
def test_keys_that_do_not_fit_are_named_in_one_line(
    tmp_path: Path, change: Any, words: str
) -> None:
    state = published(PATCH)
    change(state)
    torch.save(state, tmp_path / "tiny.pth")
    with pytest.raises(
        ArtifactError, match=rf"tiny: .*tiny.pth: not these weights: .*{words}"
    ) as caught:
        loaded(tmp_path / "tiny.pth")
    assert "\n" not in str(caught.value)


def test_frame_weights_are_not_patch_weights(tmp_path: Path) -> None:
    torch.save(published(FRAME), tmp_path / "frame.pth")
    with pytest.raises(
        ArtifactError,
        match=(
            r"of another shape .*v.patch_embed.proj.weight \(32, 1, 128, 2\), expected \(32, 1, 16,"
            r" 16\)"
        ),
    ):
        loaded(tmp_path / "frame.pth")


@pytest.mark.parametrize("content", [{}, {"module.v.norm.bias": 1}, [1, 2]])
def test_a_torch_file_without_a_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ArtifactError, match=r"holds no state dict; expected the published \.pth"):
        loaded(tmp_path / "other.pth")


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
    file, trace = tmp_path / "hostile.pth", tmp_path / "executed"
    content = {"module.v.cls_token": Hostile(trace)}
    if zipped:
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ArtifactError, match="asks to run code, which is refused"):
        loaded(file)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["other.pth", "other.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html></html>", bytes(512)])
def test_a_file_that_is_not_weights_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read as weights") as caught:
        loaded(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no such file; expected the published \.pth"):
        loaded(tmp_path / "none.pth")
