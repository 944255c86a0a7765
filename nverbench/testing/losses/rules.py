"""The rules of a loss, in the order in which an author best fixes what they report: named scalars,
finite, differentiable, lower for a higher logit of the true class.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from nverbench.errors import NverbenchError
from nverbench.plugin.types import UNSCORED, Output
from nverbench.testing.check import Check, Pass, Skip, rule, violation
from nverbench.testing.imports import lazy_import
from nverbench.testing.losses.subject import K, LossSubject, targets, total
from nverbench.testing.options import options
from nverbench.testing.process_state import OWN, SETTINGS, no_side_effects, random_states

EXTREME = 50.0
"""Logits late in a training; softmax in float32 underflows from about 104 on."""
RESERVED = ("loss",)
"""Names that the harness uses for its own numbers."""
SAME, DOUBLE = 1e-6, 1e-4


@rule("scalars", "Every term is a scalar tensor of floats.")
def scalars(subject: LossSubject) -> Pass | Skip:
    losses = subject.losses(subject.output())
    for name, value in losses.terms.items():
        if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
            got = (
                f"{tuple(value.shape)} of {value.dtype}"
                if isinstance(value, Tensor)
                else type(value).__name__
            )
            do = "take the mean over rows, without .item()"
            raise violation(subject, f"term {name} to be a scalar tensor of floats", got, do)
    return Pass(", ".join(f"{name} {float(value):.3g}" for name, value in losses.terms.items()))


@rule(
    "diagnostics",
    "Terms and diagnostics have names of their own, and diagnostics are finite scalars.",
)
def diagnostics(subject: LossSubject) -> Pass | Skip:
    losses = subject.losses(subject.output())
    names: Mapping[str, object] = {**losses.terms, **losses.diagnostics}
    odd = [
        name
        for name in names
        if not isinstance(name, str) or not name.isidentifier() or name in RESERVED
    ]
    if odd:
        do = f"use names such as cross_entropy; {', '.join(RESERVED)} is the harness's own"
        raise violation(subject, "names of lower-case words and underscores", repr(odd[0]), do)
    both = sorted(losses.terms.keys() & losses.diagnostics.keys())
    if both:
        expected = "terms and diagnostics of different names"
        raise violation(subject, expected, f"{both[0]} as both", "rename the diagnostic")
    for name, value in losses.diagnostics.items():
        if not isinstance(value, Tensor) or value.ndim or not torch.isfinite(value.double()):
            got = repr(value)[:60]
            do = "take its mean over rows, without .item()"
            raise violation(subject, f"diagnostic {name} to be a finite scalar tensor", got, do)
    return Pass(
        f"terms {', '.join(losses.terms)}; diagnostics {', '.join(losses.diagnostics) or 'none'}"
    )


@rule(
    "finite",
    f"Terms and gradients are finite, for logits {EXTREME:g} apart, equal logits, one class,"
    " one row, equal views.",
)
def finite(subject: LossSubject) -> Pass | Skip:
    output = subject.output()
    spread = EXTREME * torch.where(torch.nn.functional.one_hot(targets(), K).bool(), -1.0, 1.0)
    cases = {
        f"true logits {EXTREME:g} below the others": (replaced(output, spread), targets()),
        f"true logits {EXTREME:g} above the others": (replaced(output, -spread), targets()),
        "logits that are all equal": (replaced(output, torch.zeros_like(spread)), targets()),
        "rows of one class alone": (output, torch.zeros_like(targets())),
        "a batch of one row": (
            Output(output.logits[:1], tuple(view[:1] for view in output.views)),
            targets()[:1],
        ),
        "views that are equal": (
            Output(output.logits, tuple(output.views[0] for _ in output.views)),
            targets(),
        ),
        "views of zeros": (
            Output(output.logits, tuple(torch.zeros_like(view) for view in output.views)),
            targets(),
        ),
    }
    for name, (case, target) in cases.items():
        logits = case.logits.clone().requires_grad_()
        views = tuple(view.clone().requires_grad_() for view in case.views)
        losses = subject.losses(Output(logits, views), target)
        gradients = (
            torch.autograd.grad(total(losses), [logits, *views], allow_unused=True)
            if total(losses).requires_grad
            else ()
        )
        bad = [what for what, value in losses.terms.items() if not torch.isfinite(value).all()]
        bad += ["its gradient"] * any(
            g is not None and not torch.isfinite(g).all() for g in gradients
        )
        if bad:
            do = "use log_softmax, and guard divisions, roots and logarithms against zero"
            expected = f"finite terms and gradients for {name}"
            raise violation(subject, expected, f"NaN or infinity in {bad[0]}", do)
    return Pass(f"{len(cases)} cases")


def replaced(output: Output, logits: Tensor) -> Output:
    """The same output with other logits."""
    return Output(logits.to(output.logits), output.views)


@rule("differentiable", "A gradient reaches the logits, and every view where views are needed.")
def differentiable(subject: LossSubject) -> Pass | Skip:
    output = subject.output(graph=True)
    whole = total(subject.losses(output))
    if not whole.requires_grad:
        do = "compute with tensors, without .item(), detach() or argmax"
        raise violation(subject, "a gradient through the logits", "none", do)
    gradients = torch.autograd.grad(whole, [output.logits, *output.views], allow_unused=True)
    for name, gradient in zip(
        ("the logits", *(f"view {i + 1}" for i in range(len(output.views)))), gradients, strict=True
    ):
        if gradient is None or not (gradient != 0).any():
            do = "let it into a term, undetached" + (
                "; declare needs=None if views do not matter" if "view" in name else ""
            )
            raise violation(subject, f"a gradient for {name}", "none", do)
    return Pass(f"|gradient| of the logits {float(gradients[0].norm()):.2g}")


@rule("falls", "The objective falls as the true logit rises.")
def falls(subject: LossSubject) -> Pass | Skip:
    output, objective = subject.output(), subject.build()
    truth = torch.nn.functional.one_hot(targets(), K)
    values = [
        float(
            total(
                subject.losses(replaced(output, output.logits + rise * truth), objective=objective)
            )
        )
        for rise in (-2.0, 0.0, 2.0)
    ]
    if not values[0] > values[1] > values[2]:
        got = " -> ".join(f"{value:.3g}" for value in values)
        expected = "an objective that falls as the true logit rises by 2, twice"
        raise violation(subject, expected, got, "correct its sign, or its target")
    return Pass(" -> ".join(f"{value:.3g}" for value in values))


@rule("counts", "A class without a training row gives a finite objective.")
def counts(subject: LossSubject) -> Pass | Skip:
    for given in ((6, 6, 0, 0), (1000, 1, 1, 0)):
        target = torch.tensor([0, 1] * 6)
        losses = subject.losses(subject.output(), target, subject.build(given))
        if not torch.isfinite(total(losses)):
            do = "guard weights against a count of 0"
            expected = f"a finite objective for class counts {given}"
            raise violation(subject, expected, f"{float(total(losses))}", do)
    return Pass("classes without a training row")


@rule("views", "needs='views' takes two views or more; needs=None takes none.")
def views(subject: LossSubject) -> Pass | Skip:
    if subject.part.needs is None:
        for streams in (0, 2):
            try:
                subject.losses(subject.output(streams=streams))
            except NverbenchError as error:
                do = "declare needs='views', or leave views alone"
                expected = f"losses for {streams} views: it declares that it needs none"
                raise violation(subject, expected, str(error)[:120], do) from error
        return Pass("needs none")
    for streams in (2, 3):
        if not torch.isfinite(total(subject.losses(subject.output(streams=streams)))):
            expected = f"a finite objective for {streams} views"
            raise violation(
                subject, expected, "NaN or infinity", "compute with any number of views"
            )
    return Pass("2 and 3 views")


@rule("unscored", "Logits of rows whose target is UNSCORED change nothing.")
def unscored(subject: LossSubject) -> Pass | Skip:
    output, objective = subject.output(graph=True), subject.build()
    hidden = torch.arange(len(targets())) % 3 == 2
    target = torch.where(hidden, UNSCORED, targets())
    whole = total(subject.losses(output, target, objective))
    (gradient,) = torch.autograd.grad(whole, [output.logits])
    before = float(whole.detach())
    other = output.logits.detach() + 7.0 * hidden[:, None] * torch.randn(
        output.logits.shape, generator=torch.Generator().manual_seed(4)
    )
    moved = abs(
        float(total(subject.losses(replaced(output, other), target, objective)).detach()) - before
    )
    if not moved <= SAME * max(1.0, abs(before)) or bool((gradient[hidden] != 0).any()):
        do = f"leave rows with target {UNSCORED} out (cross_entropy's ignore_index)"
        expected = "an objective that does not look at logits of unscored rows"
        raise violation(subject, expected, f"one that moves by {moved:.1e}", do)
    return Pass(f"{int(hidden.sum())} of {len(target)} rows left out")


@rule("determinism", "The same batch gives the same number.")
def determinism(subject: LossSubject) -> Pass | Skip:
    objective = subject.build()
    first = total(subject.losses(subject.output(), objective=objective))
    subject.losses(subject.output(seed=5), objective=objective)
    if not torch.equal(total(subject.losses(subject.output(), objective=objective)), first):
        do = "draw nothing at random, and keep nothing of a batch"
        raise violation(subject, "the same number for the same batch", "another", do)
    return Pass("the same bits")


@rule("float64", "float64 logits give a float64 objective near the float32 one.")
def double(subject: LossSubject) -> Pass | Skip:
    reference = float(total(subject.losses(subject.output())))
    given = total(subject.losses(subject.output(dtype=torch.float64)))
    apart = abs(float(given) - reference) / max(abs(reference), 1e-30)
    if given.dtype != torch.float64 or not apart <= DOUBLE:
        do = "make tensors of the logits' dtype and device (new_tensor, .to(logits))"
        expected = f"a float64 objective within {DOUBLE:g} of the float32 one"
        raise violation(subject, expected, f"{given.dtype}, {apart:.1e} off", do)
    return Pass(f"{apart:.1e} off ({DOUBLE:g} allowed)")


@rule(
    "no-global-state",
    "Building and computing change no random state or setting, print nothing and never warn.",
)
def no_global_state(subject: LossSubject) -> Pass | Skip:
    output = subject.output()
    with no_side_effects(subject, "build and a call", {**random_states("cpu"), **SETTINGS}, do=OWN):
        subject.losses(output)
    return Pass()


CHECKS = (
    lazy_import,
    options,
    scalars,
    diagnostics,
    finite,
    differentiable,
    falls,
    counts,
    views,
    unscored,
    determinism,
    double,
    no_global_state,
)


def loss_checks() -> tuple[Check[LossSubject], ...]:
    """All rules of losses."""
    return CHECKS
