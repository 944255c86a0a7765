"""The rules of a loss, in the order in which a broken one is best mended: named scalars, finite,
differentiable, and about the true class.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from nverbench.errors import NverbenchError
from nverbench.plugin.types import UNSCORED, Output
from nverbench.testing import process_report
from nverbench.testing.check import Check, Pass, Skip, violation
from nverbench.testing.imports import LAZY_IMPORT
from nverbench.testing.losses.subject import K, LossSubject, targets, total
from nverbench.testing.options import options as options_rule
from nverbench.testing.side_effects import OWN, no_side_effects

EXTREME = 50.0
"""Logits of a training that went far; softmax in float32 underflows from about 104 on."""
RESERVED = ("loss",)
"""Names the harness gives to numbers of its own."""
SAME, DOUBLE = 1e-6, 1e-4


def scalars(subject: LossSubject) -> Pass | Skip:
    """0-dimensional floats."""
    losses = subject.losses(subject.output())
    for name, value in losses.terms.items():
        if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
            got = (
                f"{tuple(value.shape)} of {value.dtype}"
                if isinstance(value, Tensor)
                else type(value).__name__
            )
            raise violation(
                subject,
                expected=f"term {name} to be a scalar tensor of floats",
                got=got,
                do="take the mean over rows, without .item()",
            )
    return Pass(", ".join(f"{name} {float(value):.3g}" for name, value in losses.terms.items()))


def diagnostics(subject: LossSubject) -> Pass | Skip:
    """Named scalars beside the terms."""
    losses = subject.losses(subject.output())
    names: Mapping[str, object] = {**losses.terms, **losses.diagnostics}
    odd = [
        name
        for name in names
        if not isinstance(name, str) or not name.isidentifier() or name in RESERVED
    ]
    if odd:
        do = f"use names such as cross_entropy; {', '.join(RESERVED)} is the harness's own"
        raise violation(
            subject, expected="names of lower-case words and underscores", got=repr(odd[0]), do=do
        )
    both = sorted(losses.terms.keys() & losses.diagnostics.keys())
    if both:
        raise violation(
            subject,
            expected="terms and diagnostics of different names",
            got=f"{both[0]} as both",
            do="rename the diagnostic",
        )
    for name, value in losses.diagnostics.items():
        if not isinstance(value, Tensor) or value.ndim or not torch.isfinite(value.double()):
            got = repr(value)[:60]
            raise violation(
                subject,
                expected=f"diagnostic {name} to be a finite scalar tensor",
                got=got,
                do="take its mean over rows, without .item()",
            )
    return Pass(
        f"terms {', '.join(losses.terms)}; diagnostics {', '.join(losses.diagnostics) or 'none'}"
    )


def finite(subject: LossSubject) -> Pass | Skip:
    """Terms and gradients for logits far apart, equal and on one side, in batches of one class and
    of one row.
    """
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
            raise violation(
                subject,
                expected=f"finite terms and gradients for {name}",
                got=f"NaN or infinity in {bad[0]}",
                do=do,
            )
    return Pass(f"{len(cases)} cases")


def replaced(output: Output, logits: Tensor) -> Output:
    """The same views, other logits."""
    return Output(logits.to(output.logits), output.views)


def differentiable(subject: LossSubject) -> Pass | Skip:
    """A gradient for the logits, and for every view where it needs views."""
    output = subject.output(graph=True)
    whole = total(subject.losses(output))
    if not whole.requires_grad:
        raise violation(
            subject,
            expected="a gradient through the logits",
            got="none",
            do="compute with tensors, without .item(), detach() or argmax",
        )
    gradients = torch.autograd.grad(whole, [output.logits, *output.views], allow_unused=True)
    for name, gradient in zip(
        ("the logits", *(f"view {i + 1}" for i in range(len(output.views)))), gradients, strict=True
    ):
        if gradient is None or not (gradient != 0).any():
            do = "let it into a term, undetached" + (
                "; declare needs=None if views do not matter" if "view" in name else ""
            )
            raise violation(subject, expected=f"a gradient for {name}", got="none", do=do)
    return Pass(f"|gradient| of the logits {float(gradients[0].norm()):.2g}")


def falls(subject: LossSubject) -> Pass | Skip:
    """The objective as the true logit rises, everything else as it is."""
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
        raise violation(
            subject,
            expected="an objective that falls as the true logit rises by 2, twice",
            got=got,
            do="mend its sign, or its target",
        )
    return Pass(" -> ".join(f"{value:.3g}" for value in values))


def counts(subject: LossSubject) -> Pass | Skip:
    """Classes that training lacks, and lopsided ones."""
    for given in ((6, 6, 0, 0), (1000, 1, 1, 0)):
        target = torch.tensor([0, 1] * 6)
        losses = subject.losses(subject.output(), target, subject.build(given))
        if not torch.isfinite(total(losses)):
            do = "guard weights against a count of 0"
            raise violation(
                subject,
                expected=f"a finite objective for class counts {given}",
                got=f"{float(total(losses))}",
                do=do,
            )
    return Pass("classes without a training row")


def views(subject: LossSubject) -> Pass | Skip:
    """Two and three views where it needs them; none where it does not."""
    if subject.part.needs is None:
        for streams in (0, 2):
            try:
                subject.losses(subject.output(streams=streams))
            except NverbenchError as error:
                do = "declare needs='views', or leave views alone"
                raise violation(
                    subject,
                    expected=f"losses for {streams} views: it declares that it needs none",
                    got=str(error)[:120],
                    do=do,
                ) from error
        return Pass("needs none")
    for streams in (2, 3):
        if not torch.isfinite(total(subject.losses(subject.output(streams=streams)))):
            raise violation(
                subject,
                expected=f"a finite objective for {streams} views",
                got="NaN or infinity",
                do="mend it",
            )
    return Pass("2 and 3 views")


def unscored(subject: LossSubject) -> Pass | Skip:
    """Rows whose target is UNSCORED: turns of a conversation that are heard and have no label."""
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
        raise violation(
            subject,
            expected="an objective that does not look at logits of unscored rows",
            got=f"one that moves by {moved:.1e}",
            do=do,
        )
    return Pass(f"{int(hidden.sum())} of {len(target)} rows left out")


def determinism(subject: LossSubject) -> Pass | Skip:
    """The same batch twice."""
    objective = subject.build()
    first = total(subject.losses(subject.output(), objective=objective))
    subject.losses(subject.output(seed=5), objective=objective)
    if not torch.equal(total(subject.losses(subject.output(), objective=objective)), first):
        do = "draw nothing at random, and keep nothing of a batch"
        raise violation(
            subject, expected="the same number for the same batch", got="another", do=do
        )
    return Pass("the same bits")


def double(subject: LossSubject) -> Pass | Skip:
    """float64 logits and views."""
    wanted = float(total(subject.losses(subject.output())))
    given = total(subject.losses(subject.output(dtype=torch.float64)))
    apart = abs(float(given) - wanted) / max(abs(wanted), 1e-30)
    if given.dtype != torch.float64 or not apart <= DOUBLE:
        do = "make tensors of the logits' dtype and device (new_tensor, .to(logits))"
        raise violation(
            subject,
            expected=f"a float64 objective within {DOUBLE:g} of the float32 one",
            got=f"{given.dtype}, {apart:.1e} off",
            do=do,
        )
    return Pass(f"{apart:.1e} off ({DOUBLE:g} allowed)")


def options(subject: LossSubject) -> Pass | Skip:
    """See options_rule."""
    return options_rule(
        subject, subject.part, 2, subject.options, lambda **given: subject.build(**given)
    )


def no_global_state(subject: LossSubject) -> Pass | Skip:
    """Building and computing leave the process as it was."""
    output = subject.output()
    with no_side_effects(
        subject,
        "build and a call",
        {**process_report.random_states("cpu"), **process_report.SETTINGS},
        do=OWN,
    ):
        subject.losses(output)
    return Pass()


CHECKS: tuple[Check[LossSubject], ...] = (
    Check(LAZY_IMPORT.name, LAZY_IMPORT.rule, LAZY_IMPORT.run),
    Check(
        "options",
        "Options are keyword-only with plain defaults that build; unknown options and mistyped"
        " words are refused.",
        options,
    ),
    Check("scalars", "Every term is a scalar tensor of floats.", scalars),
    Check(
        "diagnostics",
        "Terms and diagnostics have names of their own, and diagnostics are finite scalars.",
        diagnostics,
    ),
    Check(
        "finite",
        f"Terms and gradients are finite, for logits {EXTREME:g} apart, equal logits, one class,"
        " one row, equal views.",
        finite,
    ),
    Check(
        "differentiable",
        "A gradient reaches the logits, and every view where views are needed.",
        differentiable,
    ),
    Check("falls", "The objective falls as the true logit rises.", falls),
    Check("counts", "A class without a training row gives a finite objective.", counts),
    Check("views", "needs='views' takes two views or more; needs=None takes none.", views),
    Check("unscored", "Logits of rows whose target is UNSCORED change nothing.", unscored),
    Check("determinism", "The same batch gives the same number.", determinism),
    Check("float64", "float64 logits give a float64 objective near the float32 one.", double),
    Check(
        "no-global-state",
        "Building and computing change no random state or setting, print nothing and never warn.",
        no_global_state,
    ),
)


def loss_checks() -> tuple[Check[LossSubject], ...]:
    """Every rule a loss is held to."""
    return CHECKS
