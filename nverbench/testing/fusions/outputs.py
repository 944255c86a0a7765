"""Rules about the output of a fusion: shapes for any number of streams and classes, views, rows
that do not depend on each other, padding without effect.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nverbench.plugin.types import Batch, Output
from nverbench.testing.check import Pass, Skip, rule, violation
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
"""Largest difference of logits that other rows or padding may make, relative to the largest
absolute logit.
"""
DOUBLE = 1e-3
ALONE = "work on every row by itself (no batch statistics in eval mode), or declare transductive"


@rule(
    "arity", "It builds and predicts with the fewest and with the most streams, of unequal widths."
)
def arity(subject: FusionSubject) -> Pass | Skip:
    for streams in sorted({subject.fewest, subject.most}):
        subject.logits(subject.ready(streams), subject.batch(streams=streams))
    low, high = subject.part.arity
    return Pass(
        f"{low} to {'any number' if high is None else high} (tried {subject.fewest} and"
        f" {subject.most})"
    )


@rule("shapes", "Logits are finite floats (n, k), for 2 and for 7 classes.")
def shapes(subject: FusionSubject) -> Pass | Skip:
    for classes in CLASSES:
        batch = subject.batch()
        logits = subject.output(subject.ready(classes=classes), batch).logits
        if tuple(logits.shape) != (ROWS, classes) or not logits.is_floating_point():
            got = f"{tuple(logits.shape)} of {logits.dtype}"
            do = "give one row per clip or turn, unscored ones too"
            raise violation(subject, f"logits (n={ROWS}, k={classes}) of floats", got, do)
        if not torch.isfinite(logits).all():
            do = "guard divisions and logarithms against zero"
            raise violation(subject, "finite logits", "NaN or infinity", do)
    return Pass(
        f"k = {' and '.join(map(str, CLASSES))}, widths {', '.join(map(str, subject.dims()))}"
    )


@rule("views", "Views are given exactly where views=True: one per stream, all of one shape.")
def views(subject: FusionSubject) -> Pass | Skip:
    given = subject.output(subject.ready(), subject.batch()).views
    if not subject.part.views:
        if given:
            do = "declare views=True, or give none"
            raise violation(subject, "no views: the record declares none", f"{len(given)}", do)
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
        raise violation(subject, f"{subject.fewest} views of one shape (n={ROWS}, a)", got, do)
    return Pass(f"{len(given)} views of {next(iter(shapes))}")


@rule(
    "rows-apart",
    f"A row's logits are the same within {CLOSE:g} whatever rows come with it, unless declared"
    " transductive.",
)
def rows_apart(subject: FusionSubject) -> Pass | Skip:
    if subject.part.transductive(subject.options):
        return Skip(
            "it declares that a prediction depends on the others (transductive): its rows are"
            " marked, never official"
        )
    if subject.conversational:
        return Skip(
            "the rows of a batch are the turns of one conversation, which depend on each other"
        )
    module, batch = subject.ready(), subject.batch()
    reference = subject.logits(module, batch)
    order = [3, 1, 5, 0]
    worst = _compare(
        subject,
        subject.logits(module, rows_of(batch, order)),
        reference[order],
        "with other rows, in another order",
    )
    others = _with_other_rows(subject, batch)
    worst = max(
        worst,
        _compare(subject, subject.logits(module, others)[:2], reference[:2], "next to other rows"),
    )
    return Pass(f"{worst:.1e} apart ({CLOSE:g} allowed)")


def _with_other_rows(subject: FusionSubject, batch: Batch) -> Batch:
    """A batch with the same first two rows; all others are replaced by far larger ones."""
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
    subject: FusionSubject, got: Tensor, reference: Tensor, how: str, do: str = ALONE
) -> float:
    """The distance of logits from the reference; ConformanceError if it is too large."""
    apart = (
        float("inf")
        if got.shape != reference.shape
        else float((got - reference).abs().max() / max(float(reference.abs().max()), 1e-30))
    )
    if not apart <= CLOSE:
        expected = f"the logits of a row {how} to be those it has anyway, within {CLOSE:g}"
        raise violation(subject, expected, f"{apart:.1e} apart", do)
    return apart


@rule(
    "one-row",
    "A batch of one row works in eval mode, and gives what the row has in a larger batch.",
)
def one_row(subject: FusionSubject) -> Pass | Skip:
    module = subject.ready()
    logits = subject.logits(module, subject.batch(1))
    if tuple(logits.shape) != (1, K) or not torch.isfinite(logits).all():
        do = (
            "keep the batch's dimension (no squeeze()), and take no statistics over rows in eval"
            " mode"
        )
        got = f"{tuple(logits.shape)}{'' if torch.isfinite(logits).all() else ', not finite'}"
        raise violation(subject, f"finite logits (1, k={K}) for a batch of one", got, do)
    if subject.conversational or subject.part.transductive(subject.options):
        return Pass("finite")
    batch = subject.batch()
    apart = _compare(
        subject,
        subject.logits(module, rows_of(batch, [1])),
        subject.logits(module, batch)[1:2],
        "alone",
    )
    return Pass(f"{apart:.1e} apart ({CLOSE:g} allowed)")


@rule(
    "padding",
    f"Frames behind a clip's length change nothing (within {CLOSE:g}); the turns of a"
    " conversation are honoured.",
)
def padding(subject: FusionSubject) -> Pass | Skip:
    if not subject.framed:
        return Skip("it wants pooled embeddings")
    module, batch = subject.ready(), subject.batch()
    reference, own = subject.logits(module, batch), parts_of(batch)
    if subject.conversational:
        return _turns(subject, module, batch, reference)
    worst = 0.0
    for extra, value in ((5, 0.0), (5, 100.0)):
        got = subject.logits(module, put_together(subject, own, longer=extra, padding=value))
        how = f"with {extra} more frames of padding of {value:g}"
        worst = max(
            worst,
            _compare(
                subject, got, reference, how, "mask all frames after Batch.lengths, in every layer"
            ),
        )
    return Pass(f"{worst:.1e} apart ({CLOSE:g} allowed)")


def _turns(
    subject: FusionSubject, module: torch.nn.Module, batch: Batch, reference: Tensor
) -> Pass:
    """The rule for conversations: frames after the length change nothing, and the logits of a turn
    depend on its own frames.
    """
    longer = Batch(
        tuple(torch.cat([x, 100 * torch.ones_like(x[:, :5])], dim=1) for x in batch.streams),
        batch.lengths,
        batch.turns,
    )
    apart = _compare(
        subject,
        subject.logits(module, longer),
        reference,
        "with frames after the conversation's length",
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
    moved = (subject.logits(module, put_together(subject, changed)) - reference).abs().amax(1)
    if not float(moved[2]) > 0:
        do = "take each turn's frames from Batch.turns (first frame, one past the last)"
        expected = "the logits of a turn to follow its frames"
        raise violation(subject, expected, "the same for others", do)
    return Pass(f"{apart:.1e} apart ({CLOSE:g} allowed); {len(reference)} turns")


@rule("finite", "Zeros and outliers give finite logits.")
def finite(subject: FusionSubject) -> Pass | Skip:
    module = subject.ready()
    for name, factor in (("zeros", 0.0), ("values 10 times as large", 10.0)):
        batch = subject.batch()
        loud = Batch(tuple(factor * x for x in batch.streams), batch.lengths, batch.turns)
        if not torch.isfinite(subject.logits(module, loud)).all():
            do = "guard divisions, logarithms and roots against zero"
            raise violation(subject, f"finite logits for {name}", "NaN or infinity", do)
    return Pass("zeros, outliers")


@rule("float64", "A module in float64 gives float64 logits near the float32 ones.")
def double(subject: FusionSubject) -> Pass | Skip:
    reference = subject.logits(subject.ready(), subject.batch())
    module = subject.remembered(subject.build().double())
    given: Output = subject.output(module, subject.batch(dtype=torch.float64))
    apart = float(
        (given.logits.double().cpu() - reference).abs().max()
        / max(float(reference.abs().max()), 1e-30)
    )
    if given.logits.dtype != torch.float64 or not apart <= DOUBLE:
        do = "make tensors of the streams' dtype (new_zeros, .to(x)), never of a fixed one"
        got = f"{given.logits.dtype}, {apart:.1e} off"
        raise violation(subject, f"float64 logits within {DOUBLE:g} of the float32 ones", got, do)
    return Pass(f"{apart:.1e} off ({DOUBLE:g} allowed)")


@rule("device", "Logits lie on the device of the module and its batch.")
def device(subject: FusionSubject) -> Pass | Skip:
    if subject.device == "cpu" and not torch.cuda.is_available():
        return Skip("this machine has no GPU")
    there = (
        subject if subject.device != "cpu" else FusionSubject(subject.part, subject.text, "cuda")
    )
    given = there.output(there.ready(), there.batch())
    if given.logits.device.type != torch.device(there.device).type:
        do = "register buffers, and make tensors on the streams' device"
        raise violation(subject, f"logits on {there.device}", str(given.logits.device), do)
    return Pass(there.device)


CHECKS = (arity, shapes, views, rows_apart, one_row, padding, finite, double, device)
