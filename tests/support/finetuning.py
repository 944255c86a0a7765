"""The reference implementation of docs/fine-tuning.md, for tests only: a tiny network, one learning
rate, one validation part per fold. Axes as in ``nverbench.plugin.records``.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nverbench import Frames, LoadContext
from nverbench.data.folds.assign import Fold
from nverbench_backbones.speech_checkpoints import Checkpoint
from nverbench_backbones.speech_loading import untrained
from nverbench_backbones.speech_network import SpeechEncoder

Read = Callable[[Sequence[int]], tuple[Tensor, Tensor, Tensor]]
"""Rows -> padded waves (b, s), lengths (b,), targets (b,)."""


class Trainable(nn.Module):
    """A backbone with gradients: (waves (b, s), lengths (b,)) -> Frames, and its parameters by layer
    from the input (0) to the output (L - 1), each in one layer.
    """

    def __init__(self, encoder: SpeechEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.frozen = 0
        config = encoder.model.config
        config.layerdrop, config.apply_spec_augment = 0.0, False  # both draw from other generators

    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        """The frozen encoder's own pass, without its ``no_grad``."""
        return inspect.unwrap(SpeechEncoder.forward)(self.encoder, waves, lengths)

    @property
    def layers(self) -> list[list[nn.Parameter]]:
        """Layer 0: front end, projection, positions, norms; then the blocks."""
        blocks = self.encoder.model.encoder.layers
        rest = {id(p) for block in blocks for p in block.parameters()}
        first = [p for p in self.parameters() if id(p) not in rest]
        return [first, *(list(block.parameters()) for block in blocks)]

    def freeze(self, layers: int) -> None:
        """No gradients for the first layers."""
        self.frozen = layers
        for number, parameters in enumerate(self.layers):
            for parameter in parameters:
                parameter.requires_grad_(number >= layers)

    def train(self, mode: bool = True) -> Trainable:
        """Train mode for the layers that are trained; frozen ones stay in eval mode, so that they
        compute what they compute in the frozen benchmark.
        """
        super().train(False)
        for block in list(self.encoder.model.encoder.layers)[max(self.frozen - 1, 0) :]:
            block.train(mode)
        return self


def finetune(checkpoint: Checkpoint, ctx: LoadContext) -> Trainable:
    """The trainable backbone of a checkpoint: ``Backbone.finetune`` of the page."""
    model = untrained(checkpoint, ctx)
    last = checkpoint.layers - 1
    encoder = SpeechEncoder(model, normalize=checkpoint.normalize, layer=last).to(ctx.device)
    return Trainable(encoder).eval()


@dataclass(frozen=True)
class Settings:
    """What the protocol fixes or searches."""

    freeze: int = 1
    backbone_rate: float = 1e-3
    head_rate: float = 1e-2
    epochs: int = 3
    batch: int = 4
    seed: int = 0


class Tuned(nn.Module):
    """Backbone, mean over valid frames, linear head: (waves, lengths) -> logits (b, k)."""

    def __init__(self, backbone: Trainable, dim: int, classes: int) -> None:
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(dim, classes)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """The last layer's mean is the embedding of the frozen benchmark."""
        layers = self.backbone(waves, lengths).layers
        assert layers is not None
        return self.head(layers[:, -1])


@dataclass(frozen=True)
class FoldOutcome:
    """One fold of one replicate."""

    epoch: int
    """Chosen by the validation part; the refit takes as many."""
    logits: Tensor
    """(n_test, k)"""
    model: Tuned


def run_fold(
    load: Callable[[], Trainable], read: Read, fold: Fold, classes: int, settings: Settings
) -> FoldOutcome:
    """Search, refit and test, as nver-2 does it for heads.

    Args:
        load: gives the checkpoint's weights anew at every call.
        read: gives clips by row; the test part is read once, after the last step.
        fold: of the frozen benchmark, unchanged.
        classes: k.
        settings: of this fold.
    """
    with torch.random.fork_rng(devices=[]):
        scores = [
            _error(model, read, fold.validation)
            for model in _epochs(load(), read, fold.train, classes, settings)
        ]
        epoch = min(range(len(scores)), key=scores.__getitem__) + 1
        whole = sorted((*fold.train, *fold.validation))
        *_, model = _epochs(load(), read, whole, classes, settings, epochs=epoch)
        waves, lengths, _ = read(fold.test)
        with torch.no_grad():
            return FoldOutcome(epoch, model.eval()(waves, lengths), model)


def _epochs(
    backbone: Trainable,
    read: Read,
    rows: Sequence[int],
    classes: int,
    settings: Settings,
    epochs: int | None = None,
) -> Iterator[Tuned]:
    """The model after each epoch over the rows. Seeds depend on the settings only."""
    torch.default_generator.manual_seed(settings.seed)
    backbone.freeze(settings.freeze)
    model = Tuned(backbone, backbone.encoder.model.config.hidden_size, classes)
    groups = [
        {
            "params": [p for p in backbone.parameters() if p.requires_grad],
            "lr": settings.backbone_rate,
        },
        {"params": list(model.head.parameters()), "lr": settings.head_rate},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
    for _ in range(epochs or settings.epochs):
        model.train()
        order = torch.randperm(len(rows)).tolist()
        for start in range(0, len(order), settings.batch):
            waves, lengths, target = read([rows[i] for i in order[start : start + settings.batch]])
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(waves, lengths), target).backward()
            optimizer.step()
        yield model


def _error(model: Tuned, read: Read, rows: Sequence[int]) -> float:
    waves, lengths, target = read(rows)
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model.eval()(waves, lengths), target))


def digest(parameters: Sequence[nn.Parameter]) -> str:
    """sha256 of the bits of some parameters."""
    content = b"".join(p.detach().numpy().tobytes() for p in parameters)
    return hashlib.sha256(content).hexdigest()
