"""Whatever a backbone's encoder returns is read exactly, or refused in one line that names the
backbone, what came and what its author must return.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nverbench import Frames, PartError
from support.embedding import DIM, Bench, made

B = 3
GENERATOR = torch.Generator().manual_seed(0)
FRAMES = torch.rand(B, 5, DIM, generator=GENERATOR)
LENGTHS = torch.tensor([5, 4, 3])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return made(tmp_path)


def says(answer: Any) -> Callable[..., Any]:
    return lambda ctx: lambda waves, lengths: answer() if callable(answer) else answer


def with_gradient() -> Any:
    """Frames that require a gradient, although the harness asks for none."""
    with torch.inference_mode(False), torch.enable_grad():
        weight = torch.nn.Parameter(torch.ones(1))
        return FRAMES.clone() * weight, LENGTHS


@pytest.mark.parametrize(
    "answer",
    [
        (FRAMES, LENGTHS),
        Frames(FRAMES, LENGTHS),
        Frames(FRAMES, LENGTHS, torch.ones(1)),  # layers that the record does not declare
        (FRAMES.double(), LENGTHS),
        (FRAMES, LENGTHS.int()),
        (FRAMES, LENGTHS.to(torch.uint8)),
        (torch.nn.Parameter(FRAMES.clone()), LENGTHS),
        (FRAMES.transpose(0, 1).contiguous().transpose(0, 1), LENGTHS),
        (torch.cat([FRAMES, torch.full((B, 2, DIM), float("nan"))], 1), LENGTHS),
        with_gradient,
    ],
    ids=[
        "pair",
        "Frames",
        "layers",
        "float64",
        "int32",
        "uint8",
        "parameter",
        "strides",
        "padding",
        "gradient",
    ],
)
def test_frames_in_any_right_form_give_the_same_numbers(bench: Bench, answer: Any) -> None:
    got = bench.embed(bench.ear.backbone(load=says(answer)), clips=bench.clips[:B])
    want = bench.embed(
        bench.ear.backbone(load=says((FRAMES, LENGTHS)), revision="2"), clips=bench.clips[:B]
    )
    np.testing.assert_array_equal(got.matrix, want.matrix)


def nested() -> torch.Tensor:
    return torch.nested.nested_tensor([torch.ones(2, DIM)] * B, layout=torch.jagged)


WRONG: dict[str, tuple[Any, str]] = {
    "None": (None, "got None; its author must fix it: return a tuple: return frames, lengths"),
    "frames alone": (FRAMES, "got a torch.Tensor torch.float32 (3, 5, 4); its author must fix it"),
    "list": ([FRAMES, LENGTHS], "expected (frames, lengths), got a list; its author"),
    "dict": ({"frames": FRAMES, "lengths": LENGTHS}, "expected (frames, lengths), got a dict"),
    "tuple of one": ((FRAMES,), "got a tuple of 1"),
    "tuple of four": ((FRAMES, LENGTHS, None, None), "got a tuple of 4"),
    "output of transformers": (
        lambda: collections.UserDict(last_hidden_state=FRAMES),
        "got a collections.UserDict",
    ),
    "numpy frames": (
        (FRAMES.numpy(), LENGTHS),
        "expected frames as a torch.Tensor (b=3, t, d=4) of floats, got a numpy.ndarray float32"
        " (3, 5, 4); its author must fix it: return torch.from_numpy(frames)",
    ),
    "list of frames": ((list(FRAMES), LENGTHS), "pad_sequence(frames, batch_first=True)"),
    "frames None": ((None, LENGTHS), "got None; its author must fix it: return the frames too"),
    "text": (("frames", LENGTHS), "expected frames as a torch.Tensor (b=3, t, d=4) of floats, got"),
    "integer frames": ((FRAMES.long(), LENGTHS), "torch.int64 (3, 5, 4); its author must fix it"),
    "bool frames": ((FRAMES > 0, LENGTHS), "got a torch.Tensor torch.bool (3, 5, 4)"),
    "complex frames": ((FRAMES + 0j, LENGTHS), "return frames.abs()"),
    "sparse frames": ((FRAMES.to_sparse(), LENGTHS), "call .to_dense()"),
    "nested frames": (lambda: (nested(), LENGTHS), "return frames.to_padded_tensor(0.0)"),
    "meta frames": ((FRAMES.to("meta"), LENGTHS), "a meta tensor holds no numbers"),
    "nan": (
        (torch.where(FRAMES[1, 2, 0] == FRAMES, float("nan"), FRAMES), LENGTHS),
        "some are not finite numbers (first: frame 2 of clip 2 of the batch)",
    ),
    "inf": ((FRAMES / 0, LENGTHS), "some are not finite numbers (first: frame 0 of clip 1"),
    "list of lengths": (
        (FRAMES, [5, 4, 3]),
        "expected lengths as a torch.Tensor (b=3,) of whole numbers, got a list; its author must"
        " fix it: return torch.tensor(lengths)",
    ),
    "numpy lengths": ((FRAMES, LENGTHS.numpy()), "return torch.from_numpy(lengths)"),
    "number as lengths": ((FRAMES, 5), "got a int; its author must fix it: return torch.tensor("),
    "lengths None": ((FRAMES, None), "got None; its author must fix it: return the lengths too"),
    "float lengths": ((FRAMES, LENGTHS / 1), "count whole frames, such as lengths // hop"),
    "bool lengths": ((FRAMES, LENGTHS > 0), "got a torch.Tensor torch.bool (3,)"),
    "two-dimensional lengths": ((FRAMES, LENGTHS[:, None]), "[[5], [4], [3]] do not fit 5 frames"),
    "lengths of one clip": ((FRAMES, torch.tensor(5)), "frame lengths 5 do not fit 5 frames"),
    "lengths in samples": ((FRAMES, LENGTHS * 160), "frame lengths [800, 640, 480] do not fit 5"),
    "lengths of zero": ((FRAMES, LENGTHS * 0), "expected one length of 1 to 5 per clip"),
    "pooled": ((FRAMES.mean(1), LENGTHS), "expected (b=3, t, d=4), got (3, 4)"),
    "transposed": ((FRAMES.mT, LENGTHS), "expected (b=3, t, d=4), got (3, 4, 5)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_output_is_one_line_that_names_the_backbone(bench: Bench, name: str) -> None:
    answer, words = WRONG[name]
    with pytest.raises(PartError) as caught:
        bench.embed(bench.ear.backbone(load=says(answer)), clips=bench.clips[:B])
    message = str(caught.value)
    assert message.startswith("ear embeddings: ")
    assert words in message
    assert "its author must fix it" in message
    assert "\n" not in message


def test_the_output_of_a_network_of_transformers_is_named() -> None:
    from nverbench.embedding.output_checks import unpacked
    from support.embedding import Listener

    class ModelOutput(dict[str, Any]):
        last_hidden_state = FRAMES

    with pytest.raises(PartError, match=r"return output\.last_hidden_state, lengths"):
        unpacked(Listener().backbone(), ModelOutput())


@pytest.mark.parametrize(
    ("means", "words"),
    [
        (None, "ear layers: expected time means (b=3, L=2, d=4), got none"),
        (torch.ones(B, 2, DIM).numpy(), "return torch.from_numpy(means)"),
        (torch.ones(B, 3, DIM), "ear layers: expected time means (b=3, L=2, d=4), got (3, 3, 4)"),
        (torch.ones(B, 2, DIM).long(), "return means.float()"),
        (torch.ones(B, 2, DIM) / 0, "ear layers: some are not finite numbers"),
    ],
    ids=["none", "numpy", "shape", "integers", "inf"],
)
def test_wrong_layers_are_one_line(bench: Bench, means: Any, words: str) -> None:
    part = bench.ear.backbone(load=says((FRAMES, LENGTHS, means)), layers=2, pool="mean")
    with pytest.raises(PartError) as caught:
        bench.embed(part, clips=bench.clips[:B])
    assert words in str(caught.value)
