"""Rules about the training of a fusion: gradients, parameters, kept rows and random numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nverbench.plugin.options import resolve
from nverbench.plugin.types import Losses
from nverbench.testing.check import Pass, Skip, rule, violation
from nverbench.testing.fusions.subject import ROWS, FusionSubject, K
from nverbench.testing.process_state import OWN, SETTINGS, no_side_effects, random_states

STEPS, RATE = 3, 3e-3


@rule("parameters", "There are parameters to train; their number is reported.")
def parameters(subject: FusionSubject) -> Pass | Skip:
    module = subject.build()
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    if not trained:
        do = "register layers as attributes of the module (nn.ModuleList for a list)"
        raise violation(subject, "parameters to train", "none", do)
    return Pass(
        f"{trained:,} trained with widths {', '.join(map(str, subject.dims()))} and {K} classes"
    )


@rule(
    "gradients",
    f"A gradient reaches every parameter within {STEPS} training steps of the default loss.",
)
def gradients(subject: FusionSubject) -> Pass | Skip:
    module = subject.build()
    module.train()
    objective = _objective(subject)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
    unreached = {name for name, p in module.named_parameters() if p.requires_grad}
    target = torch.arange(ROWS, device=subject.device) % K
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for step in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            losses = objective(subject.output(module, subject.batch(seed=step), graph=True), target)
            total = torch.stack(list(losses.terms.values())).sum()
            if not total.requires_grad:
                do = "use neither detach() nor no_grad() between the streams and the logits"
                raise violation(subject, "a gradient through the logits", "none", do)
            total.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
            unreached -= {
                name
                for name, p in module.named_parameters()
                if p.grad is not None and bool((p.grad != 0).any())
            }
            optimizer.step()
    if unreached:
        do = "use it in forward, set requires_grad=False, or remove it: it counts as trained"
        expected = "a gradient for every parameter"
        raise violation(subject, expected, f"none for {', '.join(sorted(unreached)[:3])}", do)
    return Pass(f"{sum(1 for _ in module.parameters())} tensors")


def _objective(subject: FusionSubject) -> Any:
    """The default loss if it is installed, else cross-entropy."""
    if subject.loss is None:
        return lambda output, target: Losses(
            {"cross_entropy": nn.functional.cross_entropy(output.logits, target)}
        )
    counts = torch.full((K,), ROWS // K)
    return subject.loss.build(K, counts, **resolve(subject.loss, subject.part.default_loss).full)


@rule(
    "determinism",
    "In eval mode a batch gives the same bits again, and so do two builds with one seed.",
)
def determinism(subject: FusionSubject) -> Pass | Skip:
    module, batch = subject.ready(), subject.batch()
    first = subject.logits(module, batch)
    subject.logits(module, subject.batch(seed=9))
    if not torch.equal(subject.logits(module, batch), first):
        do = (
            "draw no random numbers in eval mode (dropout as nn.Dropout), and keep nothing of a"
            " batch"
        )
        expected = "the same bits when a batch comes twice in eval mode"
        raise violation(subject, expected, "others", do)
    if not torch.equal(subject.logits(subject.ready(), batch), first):
        do = "draw first weights from torch's generator alone: the harness seeds it"
        raise violation(subject, "the same bits from two builds with one seed", "others", do)
    return Pass("the same bits")


@rule("remember", "What remember keeps are buffers, the same each time, and no parameter changes.")
def remember(subject: FusionSubject) -> Pass | Skip:
    module = subject.build()
    if not hasattr(module, "remember"):
        return Skip("it has no remember(batch, generator)")
    if subject.framed:
        do = "remove it: the harness never calls it for fusions of frames"
        raise violation(subject, "no remember: frames of a whole corpus are no batch", "one", do)
    weights = {name: p.detach().clone() for name, p in module.named_parameters()}
    loose = _loose(module)
    subject.remembered(module)
    if any(not torch.equal(p, weights[name]) for name, p in module.named_parameters()):
        do = "keep training rows in buffers"
        raise violation(subject, "the same parameters after remember", "others", do)
    if _loose(module) - loose:
        got = f"a plain tensor {min(_loose(module) - loose)}"
        do = "keep it with register_buffer: it moves with the module and is saved with it"
        raise violation(subject, "buffers only", got, do)
    buffers = {name: b.clone() for name, b in module.named_buffers()}
    subject.remembered(module)
    if any(not torch.equal(b, buffers[name]) for name, b in module.named_buffers()):
        do = "draw from the generator that is given, and start anew each time"
        expected = "the same buffers when the same rows are remembered twice"
        raise violation(subject, expected, "others", do)
    return Pass(f"{sum(b.numel() for b in buffers.values()):,} numbers in {len(buffers)} buffers")


def _loose(module: nn.Module) -> set[str]:
    """Names of tensors that are attributes of a module, but neither parameters nor buffers."""
    return {
        f"{path}.{name}".lstrip(".")
        for path, part in module.named_modules()
        for name, value in vars(part).items()
        if isinstance(value, torch.Tensor)
        or (isinstance(value, list | tuple) and any(isinstance(v, torch.Tensor) for v in value))
    }


@rule(
    "no-global-state",
    "Building seeds nothing, predicting draws nothing; no setting changes, nothing is printed"
    " or warned.",
)
def no_global_state(subject: FusionSubject) -> Pass | Skip:
    states = {**random_states("cpu"), **SETTINGS}
    ends = []
    for seed in (1, 2):
        kept = torch.get_rng_state()
        try:
            torch.default_generator.manual_seed(seed)
            subject.part.build(subject.dims(), K, **subject.options)
            ends.append(torch.get_rng_state())
        finally:
            torch.set_rng_state(kept)
    if torch.equal(*ends):
        do = "never call torch.manual_seed: the harness seeds every training"
        expected = "first weights drawn from the seed the harness set"
        raise violation(subject, expected, "a seed of its own", do)
    with no_side_effects(subject, "build", states, may=("random state of torch",), do=OWN):
        module = subject.part.build(subject.dims(), K, **subject.options)
    module.to(subject.device).eval()
    with no_side_effects(subject, "a prediction", states, do=OWN):
        subject.remembered(module)
        subject.output(module, subject.batch())
    return Pass()


CHECKS = (parameters, gradients, determinism, remember, no_global_state)
