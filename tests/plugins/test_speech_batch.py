"""Padded batches of speech transformers: each row is its clip alone through plain, unwrapped
transformers, for every architecture.
"""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import torch
import transformers
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nverbench import Frames, LoadContext, PartError
from nverbench_backbones import speech, speech_front, speech_network
from nverbench_backbones.speech_checkpoints import Checkpoint
from nverbench_backbones.speech_loading import untrained
from nverbench_backbones.speech_network import SpeechEncoder, within_budget
from support.tiny_speech import TINY, tiny_speech

every_architecture = pytest.mark.parametrize("checkpoint", TINY.values(), ids=list(TINY))
LENGTHS = {
    "several": (400, 16000, 5000, 719, 5000, 24001),
    "equal": (6000, 6000, 6000),
    "one": (9000,),
    "the shortest": (400,),
    "as many frames": (8000, 8100),
}


def clip(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed)) + 0.02


def batched(encoder: SpeechEncoder, clips: list[Tensor]) -> Frames:
    """What lies behind a clip's end is garbage on purpose."""
    return encoder(
        pad_sequence(clips, batch_first=True, padding_value=3.0),
        torch.tensor([len(c) for c in clips]),
    )


def plain(checkpoint: Checkpoint, wave: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """(s,) -> (L, t, d): the clip alone, prepared by the published feature extractor, through the
    model as transformers ships it.
    """
    model: Any = untrained(checkpoint, LoadContext("cpu")).eval().to(dtype)
    if checkpoint.normalize:
        wave = torch.from_numpy(
            transformers.Wav2Vec2FeatureExtractor(do_normalize=True)(
                wave.numpy(), sampling_rate=16000
            ).input_values[0]
        )
    with torch.no_grad():
        out = model(wave[None].to(dtype), output_hidden_states=True)
    return torch.cat([*out.hidden_states[:-1], out.last_hidden_state])


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=list(LENGTHS))
@every_architecture
def test_a_row_is_its_clip_alone_through_plain_transformers(
    checkpoint: Checkpoint, lengths: tuple[int, ...]
) -> None:
    clips = [clip(n, seed) for seed, n in enumerate(lengths)]
    frames, counts, layers = batched(speech.load(checkpoint, LoadContext("cpu")), clips)
    assert layers is not None
    assert layers.shape == (len(clips), 3, 32)
    for row, wave in enumerate(clips):
        expected = plain(checkpoint, wave)
        assert int(counts[row]) == expected.shape[1]
        torch.testing.assert_close(frames[row, : counts[row]], expected[-1], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(layers[row], expected.mean(1), rtol=1e-5, atol=1e-5)


@every_architecture
def test_in_double_precision_padding_changes_nothing_at_all(checkpoint: Checkpoint) -> None:
    """So what is left in single precision is rounding, the plain model's own as much as ours."""
    clips = [clip(n, n) for n in (400, 7000, 3001)]
    encoder = speech.load(checkpoint, LoadContext("cpu", dtype="float64"))
    encoder.normalize = False  # the feature extractor rounds to single precision
    frames, counts, layers = batched(encoder, [c.double() for c in clips])
    assert layers is not None
    model: Any = untrained(checkpoint, LoadContext("cpu")).eval().double()
    for row, wave in enumerate(clips):
        with torch.no_grad():
            expected = model(wave[None].double()).last_hidden_state[0]
        torch.testing.assert_close(frames[row, : counts[row]], expected, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(layers[row, -1], expected.mean(0), rtol=1e-11, atol=1e-11)


@hypothesis.settings(max_examples=10)
@hypothesis.given(
    st.lists(st.integers(400, 9000), min_size=2, max_size=5),
    st.sampled_from(["wavlm-base", "data2vec-audio-base", "mms-1b"]),
)
def test_a_row_never_depends_on_its_batch_mates(lengths: list[int], name: str) -> None:
    encoder = speech.load(TINY[name], LoadContext("cpu"))
    clips = [clip(n, seed) for seed, n in enumerate(lengths)]
    frames, counts, layers = batched(encoder, clips)
    backwards = batched(encoder, clips[::-1])
    assert layers is not None
    assert backwards.layers is not None
    torch.testing.assert_close(backwards.layers.flip(0), layers, rtol=1e-5, atol=1e-5)
    for row, n in enumerate(counts):
        torch.testing.assert_close(
            backwards.frames[len(clips) - 1 - row, :n], frames[row, :n], rtol=1e-5, atol=1e-5
        )


@every_architecture
def test_the_batch_goes_through_the_network_as_one(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU a pass per clip would be bound by launches; on a CPU only the front end takes
    pieces.
    """
    monkeypatch.setattr(speech_front, "PIECE", 10**9)
    encoder = speech.load(checkpoint, LoadContext("cpu"))
    seen: list[int] = []
    for module in (encoder.model.feature_projection, encoder.model.encoder.layers[0]):
        module.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    products: list[int] = []
    monkeypatch.setattr(
        speech_front,
        "convolve",
        lambda hidden, *rest, f=speech_front.convolve: (
            products.append(len(hidden)),
            f(hidden, *rest),
        )[1],
    )
    batched(encoder, [clip(n) for n in (3000, 4000, 5000)])
    assert seen == [3, 3]
    assert set(products) == {3}


@pytest.mark.parametrize("budget", [1, 9000, 10**9])
def test_several_passes_give_the_same_rows(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = speech.load(TINY["wav2vec2-base"], LoadContext("cpu"))
    clips = [clip(n, n) for n in (900, 4000, 4100, 8000)]
    whole = batched(encoder, clips)
    monkeypatch.setitem(speech_network.BUDGET, "cpu", budget)
    parted = batched(encoder, clips)
    assert parted.lengths.equal(whole.lengths)
    for row, n in enumerate(whole.lengths):
        torch.testing.assert_close(
            parted.frames[row, :n], whole.frames[row, :n], rtol=1e-5, atol=1e-5
        )


@hypothesis.given(st.lists(st.integers(400, 10**6), min_size=1), st.integers(1, 3 * 10**6))
def test_passes_hold_every_row_once_in_order_and_keep_to_the_budget(
    samples: list[int], budget: int
) -> None:
    parts = within_budget(samples, budget)
    assert [row for part in parts for row in range(len(samples))[part]] == list(range(len(samples)))
    assert all(
        len(samples[part]) == 1 or len(samples[part]) * max(samples[part]) <= budget
        for part in parts
    )


def test_long_clips_do_not_add_up_in_memory() -> None:
    """Eight clips of a minute are eight passes, never one of eight minutes."""
    assert len(within_budget([960_000] * 8, speech_network.BUDGET["cpu"])) == 8
    assert len(within_budget([960_000] * 8, speech_network.OTHER_BUDGET)) == 8


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@every_architecture
def test_half_precision_is_near_single_precision(checkpoint: Checkpoint, dtype: str) -> None:
    clips = [clip(n, n) for n in (2000, 5000)]
    full, half = (
        batched(speech.load(checkpoint, LoadContext("cpu", dtype=d)), clips)
        for d in ("float32", dtype)
    )
    assert half.frames.dtype == torch.float32
    assert full.layers is not None
    assert half.layers is not None
    torch.testing.assert_close(half.layers, full.layers, rtol=0.1, atol=0.1)


def test_normalisation_is_that_of_the_published_feature_extractor() -> None:
    waves = [clip(900, 1), clip(1300, 2)]
    inside = torch.arange(1300) < torch.tensor([[900], [1300]])
    got = speech_network.prepared(
        pad_sequence(waves, batch_first=True, padding_value=5.0), inside, normalize=True
    )
    for row, wave in enumerate(waves):
        expected = transformers.Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm(
            [wave.numpy()], None
        )[0]
        torch.testing.assert_close(
            got[row, : len(wave)], torch.from_numpy(expected), rtol=1e-5, atol=1e-6
        )
    assert not got[0, 900:].any()


def test_a_clip_shorter_than_one_frame_is_refused() -> None:
    encoder = speech.load(TINY["hubert-base"], LoadContext("cpu"))
    with pytest.raises(PartError, match="at least 400 samples per clip, got 399"):
        encoder(torch.zeros(2, 800), torch.tensor([800, 399]))


@every_architecture
def test_silence_is_finite(checkpoint: Checkpoint) -> None:
    frames, _, layers = speech.load(checkpoint, LoadContext("cpu"))(
        torch.zeros(2, 4000), torch.tensor([4000, 1000])
    )
    assert layers is not None
    assert bool(torch.isfinite(layers).all())
    assert bool(torch.isfinite(frames).all())


def test_the_tiny_records_are_one_per_architecture() -> None:
    assert [b.name for b in tiny_speech()] == [f"tiny-{name}" for name in TINY]
    assert all((b.frame_dim, b.layers, b.batch) == (32, 3, speech.BATCH) for b in tiny_speech())
