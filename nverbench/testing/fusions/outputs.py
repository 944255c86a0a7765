"""What a fusion gives: shapes for any number of streams and classes, views, rows that do not see
each other, padding that nobody sees.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nverbench.plugin.types import Batch, Output
from nverbench.testing.check import Check, Pass, Skip, violation
from nverbench.testing.fusions.subject import (
    ROWS,
    FusionSubject,
    K,
    parts_of,
    put_together,
    rows_of,
)

CLASSES = (2, 7)
CLOSE = 1e-5
"""Largest difference of logits, as a part of the largest absolute logit, that other rows or padding
may make.
"""
DOUBLE = 1e-3
ALONE = "work on every row by itself (no batch statistics in eval mode), or declare transductive"


def arity(subject: FusionSubject) -> Pass | Skip:
    """Fewest and most streams."""
    for streams in sorted({subject.fewest, subject.most}):
        subject.logits(subject.ready(streams), subject.batch(streams=streams))
    low, high = subject.part.arity
    return Pass(
        f"{low} to {'any number' if high is None else high} (tried {subject.fewest} and"
        f" {subject.most})"
    )


def shapes(subject: FusionSubject) -> Pass | Skip:
    """Logits (n, k) of floats, for few and many classes."""
    for classes in CLASSES:
        batch = subject.batch()
        logits = subject.output(subject.ready(classes=classes), batch).logits
        if tuple(logits.shape) != (ROWS, classes) or not logits.is_floating_point():
            got = f"{tuple(logits.shape)} of {logits.dtype}"
            raise violation(
                subject,
                expected=f"logits (n={ROWS}, k={classes}) of floats",
                got=got,
                do="give one row per clip or turn, heard-only ones too",
            )
        if not torch.isfinite(logits).all():
            raise violation(
                subject,
                expected="finite logits",
                got="NaN or infinity",
                do="guard divisions and logarithms against zero",
            )
    return Pass(
        f"k = {' and '.join(map(str, CLASSES))}, widths {', '.join(map(str, subject.dims()))}"
    )


def views(subject: FusionSubject) -> Pass | Skip:
    """Views where they are declared, one per stream and all of one shape; none otherwise."""
    given = subject.output(subject.ready(), subject.batch()).views
    if not subject.part.views:
        if given:
            raise violation(
                subject,
                expected="no views: the record declares none",
                got=f"{len(given)}",
                do="declare views=True, or give none",
            )
        return Skip("it declares no views")
    shapes = {tuple(view.shape) for view in given}
    if (
        len(given) != subject.fewest
        or len(shapes) != 1
        or any(view.ndim != 2 or len(view) != ROWS for view in given)
    ):
        got = ", ".join(str(tuple(view.shape)) for view in given) or "none"
        do = (
            "bring every stream to one width and give these in Output.views, or declare views=False"
        )
        raise violation(
            subject, expected=f"{subject.fewest} views of one shape (n={ROWS}, a)", got=got, do=do
        )
    return Pass(f"{len(given)} views of {next(iter(shapes))}")


def rows_apart(subject: FusionSubject) -> Pass | Skip:
    """A row's logits, whatever rows come with it and in whatever order."""
    if subject.part.transductive(subject.options):
        return Skip(
            "it declares that a prediction depends on the others (transductive): its rows are"
            " marked, never official"
        )
    if subject.talking:
        return Skip("the rows of a batch are the turns of one conversation, which hear each other")
    module, batch = subject.ready(), subject.batch()
    wanted = subject.logits(module, batch)
    order = [3, 1, 5, 0]
    worst = _compare(
        subject,
        subject.logits(module, rows_of(batch, order)),
        wanted[order],
        "in other company, another order",
    )
    strangers = _with_strangers(subject, batch)
    worst = max(
        worst,
        _compare(subject, subject.logits(module, strangers)[:2], wanted[:2], "beside other rows"),
    )
    return Pass(f"{worst:.1e} apart ({CLOSE:g} allowed)")


def _with_strangers(subject: FusionSubject, batch: Batch) -> Batch:
    """The same two first rows, the rest replaced by far larger ones."""
    other = subject.batch(seed=2)
    if batch.lengths is None:
        return Batch(
            tuple(
                torch.cat([a[:2], 10 * b[2:]])
                for a, b in zip(batch.streams, other.streams, strict=True)
            )
        )
    return put_together(
        subject,
        [
            [*a[:2], *(10 * x for x in b[2:])]
            for a, b in zip(parts_of(batch), parts_of(other), strict=True)
        ],
    )


def _compare(
    subject: FusionSubject, got: Tensor, wanted: Tensor, how: str, do: str = ALONE
) -> float:
    """How far logits are from those wanted; broken where that is too far."""
    apart = (
        float("inf")
        if got.shape != wanted.shape
        else float((got - wanted).abs().max() / max(float(wanted.abs().max()), 1e-30))
    )
    if not apart <= CLOSE:
        raise violation(
            subject,
            expected=f"the logits of a row {how} to be those it has anyway, within {CLOSE:g}",
            got=f"{apart:.1e} apart",
            do=do,
        )
    return apart


def one_row(subject: FusionSubject) -> Pass | Skip:
    """A batch of one, in eval mode: the row it is in a larger batch."""
    module = subject.ready()
    logits = subject.logits(module, subject.batch(1))
    if tuple(logits.shape) != (1, K) or not torch.isfinite(logits).all():
        do = (
            "keep the batch's dimension (no squeeze()), and take no statistics over rows in eval"
            " mode"
        )
        got = f"{tuple(logits.shape)}{'' if torch.isfinite(logits).all() else ', not finite'}"
        raise violation(
            subject, expected=f"finite logits (1, k={K}) for a batch of one", got=got, do=do
        )
    if subject.talking or subject.part.transductive(subject.options):
        return Pass("finite")
    batch = subject.batch()
    apart = _compare(
        subject,
        subject.logits(module, rows_of(batch, [1])),
        subject.logits(module, batch)[1:2],
        "alone",
    )
    return Pass(f"{apart:.1e} apart ({CLOSE:g} allowed)")


def padding(subject: FusionSubject) -> Pass | Skip:
    """Frames behind a clip's length; the frames of a conversation's turns."""
    if not subject.framed:
        return Skip("it wants pooled embeddings")
    module, batch = subject.ready(), subject.batch()
    wanted, own = subject.logits(module, batch), parts_of(batch)
    if subject.talking:
        return _turns(subject, module, batch, wanted)
    worst = 0.0
    for extra, value in ((5, 0.0), (5, 100.0)):
        got = subject.logits(module, put_together(subject, own, longer=extra, padding=value))
        said = f"with {extra} more frames of padding of {value:g}"
        worst = max(
            worst,
            _compare(
                subject, got, wanted, said, "mask what lies behind Batch.lengths, in every layer"
            ),
        )
    return Pass(f"{worst:.1e} apart ({CLOSE:g} allowed)")


def _turns(subject: FusionSubject, module: torch.nn.Module, batch: Batch, wanted: Tensor) -> Pass:
    """A conversation is not padded, but says where its frames end; and a turn's logits follow the
    turn's own frames.
    """
    longer = Batch(
        tuple(torch.cat([x, 100 * torch.ones_like(x[:, :5])], dim=1) for x in batch.streams),
        batch.lengths,
        batch.turns,
    )
    apart = _compare(
        subject,
        subject.logits(module, longer),
        wanted,
        "with frames behind the conversation's length",
        "cut streams to Batch.lengths",
    )
    changed = [
        [
            (
                x + 3.0 * torch.randn(x.shape, generator=torch.Generator().manual_seed(5)).to(x)
                if i == 2
                else x
            )
            for i, x in enumerate(some)
        ]
        for some in parts_of(batch)
    ]
    moved = (subject.logits(module, put_together(subject, changed)) - wanted).abs().amax(1)
    if not float(moved[2]) > 0:
        do = "take each turn's frames from Batch.turns (first frame, one past the last)"
        raise violation(
            subject,
            expected="the logits of a turn to follow its frames",
            got="the same for others",
            do=do,
        )
    return Pass(f"{apart:.1e} apart ({CLOSE:g} allowed); {len(wanted)} turns")


def finite(subject: FusionSubject) -> Pass | Skip:
    """Zeros (a feature that never varies) and outliers."""
    module = subject.ready()
    for name, factor in (("zeros", 0.0), ("values 10 times as large", 10.0)):
        batch = subject.batch()
        loud = Batch(tuple(factor * x for x in batch.streams), batch.lengths, batch.turns)
        if not torch.isfinite(subject.logits(module, loud)).all():
            raise violation(
                subject,
                expected=f"finite logits for {name}",
                got="NaN or infinity",
                do="guard divisions, logarithms and roots against zero",
            )
    return Pass("zeros, outliers")


def double(subject: FusionSubject) -> Pass | Skip:
    """float64 throughout."""
    wanted = subject.logits(subject.ready(), subject.batch())
    module = subject.remembered(subject.build().double())
    given: Output = subject.output(module, subject.batch(dtype=torch.float64))
    apart = float(
        (given.logits.double().cpu() - wanted).abs().max() / max(float(wanted.abs().max()), 1e-30)
    )
    if given.logits.dtype != torch.float64 or not apart <= DOUBLE:
        do = "make tensors of the streams' dtype (new_zeros, .to(x)), never of a fixed one"
        got = f"{given.logits.dtype}, {apart:.1e} off"
        raise violation(
            subject,
            expected=f"float64 logits within {DOUBLE:g} of the float32 ones",
            got=got,
            do=do,
        )
    return Pass(f"{apart:.1e} off ({DOUBLE:g} allowed)")


def device(subject: FusionSubject) -> Pass | Skip:
    """Logits lie where the module and its batch lie."""
    if subject.device == "cpu" and not torch.cuda.is_available():
        return Skip("this machine has no GPU")
    there = (
        subject if subject.device != "cpu" else FusionSubject(subject.part, subject.text, "cuda")
    )
    given = there.output(there.ready(), there.batch())
    if given.logits.device.type != torch.device(there.device).type:
        do = "register buffers, and make tensors on the streams' device"
        raise violation(
            subject, expected=f"logits on {there.device}", got=str(given.logits.device), do=do
        )
    return Pass(there.device)


CHECKS = (
    Check(
        "arity",
        "It builds and predicts with the fewest and with the most streams, of unequal widths.",
        arity,
    ),
    Check("shapes", "Logits are finite floats (n, k), for 2 and for 7 classes.", shapes),
    Check(
        "views",
        "Views are given exactly where views=True: one per stream, all of one shape.",
        views,
    ),
    Check(
        "rows-apart",
        f"A row's logits are the same within {CLOSE:g} whatever rows come with it, unless declared"
        " transductive.",
        rows_apart,
    ),
    Check(
        "one-row",
        "A batch of one row works in eval mode, and gives what the row has in a larger batch.",
        one_row,
    ),
    Check(
        "padding",
        f"Frames behind a clip's length change nothing (within {CLOSE:g}); the turns of a"
        " conversation are honoured.",
        padding,
    ),
    Check("finite", "Zeros and outliers give finite logits.", finite),
    Check("float64", "A module in float64 gives float64 logits near the float32 ones.", double),
    Check("device", "Logits lie on the device of the module and its batch.", device),
)
