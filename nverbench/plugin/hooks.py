"""The four hooks of the plugin API, one per kind of part. Each returns records of
:mod:`nverbench.plugin.records`.

A plugin is a module named by an entry point in the group ``nverbench``; it implements any of these
with ``@nverbench.hookimpl``, and may name the version of this API that it was written for
(``nverbench_api = "1.0"``; see :mod:`nverbench.plugin.version`). Hooks take no argument. Keep the
module light: import torch and other heavy packages inside ``load`` and ``build``, so that
``nverbench list`` stays instant. Tests run the examples below.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from nverbench.plugin.records import Backbone, Dataset, Fusion, Loss

PROJECT = "nverbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
# a hook specification has no body
def nverbench_backbones() -> Iterable[Backbone]:  # type: ignore[empty-body]
    """Frozen networks, or stored features, that this plugin brings.

    The log energy of frames of 25 ms, 100 a second, in eight slices:

    >>> from nverbench import Backbone, hookimpl
    >>> def load(ctx):
    ...     def encode(waves, lengths):  # (b, s), (b,)
    ...         power = waves.unfold(1, 400, 160).abs().square()  # (b, t, 400)
    ...         frames = (power.unflatten(2, (8, 50)).mean(3) + 1e-6).log()  # (b, t, 8)
    ...         return frames, (lengths - 400) // 160 + 1
    ...     return encode
    >>> @hookimpl
    ... def nverbench_backbones():
    ...     size = {"frame_dim": 8, "dim": 8, "frame_rate": 100, "min_samples": 400}
    ...     return [Backbone(name="mypower", family="features", load=load, **size)]

    The harness pads clips with zeros, calls what ``load`` returned, and pools the valid frames:

    >>> import torch
    >>> from nverbench import LoadContext
    >>> frames, lengths = load(LoadContext("cpu"))(torch.zeros(2, 1600), torch.tensor([1600, 800]))
    >>> tuple(frames.shape), lengths.tolist()
    ((2, 8, 8), [8, 3])
    """


@hookspec
# a hook specification has no body
def nverbench_datasets() -> Iterable[Dataset]:  # type: ignore[empty-body]
    """Labelled corpora that this plugin brings.

    A folder of files named ``SPEAKER_LABEL_TAKE.wav``; other files are misfits, with a reason:

    >>> from nverbench import Clip, Dataset, LabelCard, Misfit, hookimpl
    >>> def load(root):
    ...     for path in sorted(root.glob("*.wav")):
    ...         words = path.stem.split("_")
    ...         if len(words) == 3:
    ...             yield Clip(path.name, path, label=words[1], speaker=words[0])
    ...         else:
    ...             yield Misfit(path.name, "expected SPEAKER_LABEL_TAKE.wav")
    >>> @hookimpl
    ... def nverbench_datasets():
    ...     card = LabelCard(kind="portrayed", setting="acted")
    ...     labels, licence = ("anger", "joy"), "CC-BY-4.0"
    ...     own = {"labels": labels, "label_card": card, "licence": licence}
    ...     return [Dataset(name="mycorpus", corpus="mycorpus", load=load, **own)]

    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("anna_joy_1.wav", "ben_anger_1.wav", "noise.wav"):
    ...     (root / name).touch()
    >>> clip, _, misfit = load(root)
    >>> clip.speaker, clip.label, misfit.reason
    ('anna', 'joy', 'expected SPEAKER_LABEL_TAKE.wav')
    """


@hookspec
# a hook specification has no body
def nverbench_fusions() -> Iterable[Fusion]:  # type: ignore[empty-body]
    """Trainable heads and fusions that this plugin brings.

    One linear layer on the concatenated streams; parameters of ``build`` after ``dims`` and
    ``classes`` are options (``myfusion:dropout=0.5``):

    >>> from nverbench import Batch, Fusion, Output, hookimpl
    >>> def build(dims, classes, dropout=0.1):
    ...     import torch
    ...     class Linear(torch.nn.Module):
    ...         def __init__(self):
    ...             super().__init__()
    ...             self.dropout = torch.nn.Dropout(dropout)
    ...             self.linear = torch.nn.Linear(sum(dims), classes)
    ...         def forward(self, batch):  # m streams (b, d_i)
    ...             joined = torch.cat(batch.streams, dim=1)
    ...             return Output(logits=self.linear(self.dropout(joined)))  # (b, k)
    ...     return Linear()
    >>> @hookimpl
    ... def nverbench_fusions():
    ...     return [Fusion(name="myfusion", arity=(1, None), build=build)]

    >>> import torch
    >>> tuple(build((8, 4), 3)(Batch((torch.zeros(5, 8), torch.zeros(5, 4)))).logits.shape)
    (5, 3)
    """


@hookspec
# a hook specification has no body
def nverbench_losses() -> Iterable[Loss]:  # type: ignore[empty-body]
    """Objectives that this plugin brings.

    Cross-entropy with smoothed labels. The objective is the sum of the terms; diagnostics are only
    logged:

    >>> from nverbench import UNSCORED, Loss, Losses, Output, hookimpl
    >>> def build(classes, counts, smoothing=0.1):
    ...     import torch
    ...     entropy = torch.nn.CrossEntropyLoss(ignore_index=UNSCORED, label_smoothing=smoothing)
    ...     def loss(output, target):  # logits (n, k), target (n,)
    ...         return Losses({"cross_entropy": entropy(output.logits, target)})
    ...     return loss
    >>> @hookimpl
    ... def nverbench_losses():
    ...     return [Loss(name="myloss", build=build)]

    >>> import torch
    >>> objective = build(3, torch.tensor([2, 2, 2]))
    >>> at_chance = objective(Output(torch.zeros(4, 3)), torch.tensor([0, 1, 2, UNSCORED]))
    >>> round(at_chance.terms["cross_entropy"].item(), 4)  # log 3
    1.0986
    """
