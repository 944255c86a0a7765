"""A fusion in training: gradients everywhere, buffers only where it remembers, seeds of its own,
and something learnt.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nverbench import registry
from nverbench.data.folds.assign import Fold
from nverbench.embedding.cache import EmbeddingCache, cache_key
from nverbench.errors import NverbenchError
from nverbench.plugin.options import resolve
from nverbench.plugin.records import Recipe
from nverbench.plugin.types import Losses
from nverbench.testing import process_report
from nverbench.testing.check import Check, Pass, Skip, violation
from nverbench.testing.fusions.subject import ROWS, FusionSubject, K
from nverbench.testing.imports import LAZY_IMPORT
from nverbench.testing.options import options as options_rule
from nverbench.testing.side_effects import OWN, no_side_effects
from nverbench.training.folds import fit_fold
from nverbench.training.records import TrainingSetup
from nverbench.training.sequences import FrameStream, TurnFrames

OPTIMIZERS, SELECTS, UNITS = (
    ("adam", "radam-schedule-free"),
    ("cross-entropy", "weighted-f1"),
    ("clip", "conversation"),
)
STEPS = 3
EPOCHS, CLIPS, RATE = 20, 48, 3e-3
LEARNT = 0.9
"""Accuracy on the rows that it was trained on, of classes that a line can tell apart."""


def record(subject: FusionSubject) -> Pass | Skip:
    """The default loss is there and fits, and the recipe names what the harness offers."""
    part, recipe = subject.part, subject.part.recipe_for(subject.options)
    loss = subject.loss
    asked: list[tuple[bool, str, object, str]] = [
        (
            loss is not None,
            "an installed default_loss",
            part.default_loss,
            "name a loss that is installed with it, such as cross-entropy",
        ),
        (
            loss is None or loss.needs is None or part.views,
            "views, which its default loss needs",
            part.views,
            "declare views=True, or another loss",
        ),
        (
            recipe.optimizer in (None, *OPTIMIZERS),
            f"optimizer {' or '.join(OPTIMIZERS)}",
            recipe.optimizer,
            "mend the recipe",
        ),
        (
            recipe.select in (None, *SELECTS),
            f"select {' or '.join(SELECTS)}",
            recipe.select,
            "mend the recipe",
        ),
        (
            recipe.unit in (None, *UNITS),
            f"unit {' or '.join(UNITS)}",
            recipe.unit,
            "mend the recipe",
        ),
        (
            recipe.unit != "conversation" or subject.framed,
            "wants='frames' with whole conversations",
            part.wants,
            "declare wants='frames'",
        ),
    ]
    asked += [
        (value is None or value > 0, f"a recipe whose {name} is above 0", value, "mend the recipe")
        for name, value in vars(recipe).items()
        if name in ("lr", "batch", "epochs", "patience")
    ]
    for fine, expected, got, do in asked:
        if not fine:
            raise violation(subject, expected=expected, got=repr(got), do=do)
    return Pass(
        f"default loss {part.default_loss},"
        f" {'whole conversations' if subject.talking else part.wants}"
    )


def parameters(subject: FusionSubject) -> Pass | Skip:
    """How many are trained; there must be some."""
    module = subject.build()
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    if not trained:
        do = "register layers as attributes of the module (nn.ModuleList for a list)"
        raise violation(subject, expected="parameters to train", got="none", do=do)
    return Pass(
        f"{trained:,} trained with widths {', '.join(map(str, subject.dims()))} and {K} classes"
    )


def gradients(subject: FusionSubject) -> Pass | Skip:
    """Every parameter moves within a few steps."""
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
                raise violation(
                    subject,
                    expected="a gradient through the logits",
                    got="none",
                    do="detach nothing on the way, and use no no_grad()",
                )
            total.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
            unreached -= {
                name
                for name, p in module.named_parameters()
                if p.grad is not None and bool((p.grad != 0).any())
            }
            optimizer.step()
    if unreached:
        do = "use it in forward, set requires_grad=False, or remove it: it counts as trained"
        raise violation(
            subject,
            expected="a gradient for every parameter",
            got=f"none for {', '.join(sorted(unreached)[:3])}",
            do=do,
        )
    return Pass(f"{sum(1 for _ in module.parameters())} tensors")


def _objective(subject: FusionSubject) -> Any:
    """The default loss where it is installed, else cross-entropy."""
    if subject.loss is None:
        return lambda output, target: Losses(
            {"cross_entropy": nn.functional.cross_entropy(output.logits, target)}
        )
    counts = torch.full((K,), ROWS // K)
    return subject.loss.build(K, counts, **resolve(subject.loss, subject.part.default_loss).full)


def determinism(subject: FusionSubject) -> Pass | Skip:
    """Eval mode twice, and two builds of one seed."""
    module, batch = subject.ready(), subject.batch()
    first = subject.logits(module, batch)
    subject.logits(module, subject.batch(seed=9))
    if not torch.equal(subject.logits(module, batch), first):
        do = (
            "draw no random numbers in eval mode (dropout as nn.Dropout), and keep nothing of a"
            " batch"
        )
        raise violation(
            subject,
            expected="the same bits when a batch comes twice in eval mode",
            got="others",
            do=do,
        )
    if not torch.equal(subject.logits(subject.ready(), batch), first):
        do = "draw first weights from torch's generator alone: the harness seeds it"
        raise violation(
            subject, expected="the same bits from two builds with one seed", got="others", do=do
        )
    return Pass("the same bits")


def remember(subject: FusionSubject) -> Pass | Skip:
    """What it keeps of training rows are buffers."""
    module = subject.build()
    if not hasattr(module, "remember"):
        return Skip("it has no remember(batch, generator)")
    if subject.framed:
        do = "remove it: the harness never calls it for fusions of frames"
        raise violation(
            subject, expected="no remember: frames of a whole corpus are no batch", got="one", do=do
        )
    weights = {name: p.detach().clone() for name, p in module.named_parameters()}
    loose = _loose(module)
    subject.remembered(module)
    if any(not torch.equal(p, weights[name]) for name, p in module.named_parameters()):
        raise violation(
            subject,
            expected="the same parameters after remember",
            got="others",
            do="keep training rows in buffers",
        )
    if _loose(module) - loose:
        got = f"a plain tensor {min(_loose(module) - loose)}"
        raise violation(
            subject,
            expected="buffers only",
            got=got,
            do="keep it with register_buffer: it moves with the module and is saved with it",
        )
    buffers = {name: b.clone() for name, b in module.named_buffers()}
    subject.remembered(module)
    if any(not torch.equal(b, buffers[name]) for name, b in module.named_buffers()):
        do = "draw from the generator that is given, and start anew each time"
        raise violation(
            subject,
            expected="the same buffers when the same rows are remembered twice",
            got="others",
            do=do,
        )
    return Pass(f"{sum(b.numel() for b in buffers.values()):,} numbers in {len(buffers)} buffers")


def _loose(module: nn.Module) -> set[str]:
    """Names of tensors that are attributes of a module, neither parameters nor buffers."""
    return {
        f"{path}.{name}".lstrip(".")
        for path, part in module.named_modules()
        for name, value in vars(part).items()
        if isinstance(value, torch.Tensor)
        or (isinstance(value, list | tuple) and any(isinstance(v, torch.Tensor) for v in value))
    }


def options(subject: FusionSubject) -> Pass | Skip:
    """See options_rule."""
    return options_rule(
        subject, subject.part, 2, subject.options, lambda **given: subject.build(**given)
    )


def no_global_state(subject: FusionSubject) -> Pass | Skip:
    """Building draws from torch's generator and seeds nothing; predicting draws nothing."""
    states = {**process_report.random_states("cpu"), **process_report.SETTINGS}
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
        raise violation(
            subject,
            expected="first weights drawn from the seed the harness set",
            got="a seed of its own",
            do=do,
        )
    with no_side_effects(subject, "build", states, may=("random state of torch",), do=OWN):
        module = subject.part.build(subject.dims(), K, **subject.options)
    module.to(subject.device).eval()
    with no_side_effects(subject, "a prediction", states, do=OWN):
        subject.remembered(module)
        subject.output(module, subject.batch())
    return Pass()


def learns(subject: FusionSubject) -> Pass | Skip:
    """A training by the harness on classes that a line can tell apart, judged on its own training
    rows.
    """
    if subject.loss is None:
        return Skip(f"its default loss {subject.part.default_loss} is not installed")
    rng = np.random.default_rng(3)
    target = np.arange(CLIPS) % K
    whole = tuple(range(CLIPS))
    quick = Recipe(
        lr=RATE,
        batch=16,
        epochs=EPOCHS,
        patience=EPOCHS,
        unit=subject.part.recipe_for(subject.options).unit,
    )
    training = TrainingSetup(
        replace(subject.part, recipe=quick),
        subject.options,
        subject.loss,
        resolve(subject.loss, subject.part.default_loss).full,
        registry.load()
        .protocol(registry.DEFAULT_PROTOCOL)
        .model_copy(update={"selection": "last", "epochs": EPOCHS}),
        K,
        subject.device,
    )
    with tempfile.TemporaryDirectory() as folder:
        data = (
            _spoken(subject, Path(folder), target, rng)
            if subject.framed
            else [_separable(target, dim, rng) for dim in subject.dims()]
        )
        try:
            fitted = fit_fold(training, data, target, Fold("check", whole, (), whole, True), 0)
        except NverbenchError as error:
            raise violation(
                subject,
                expected="a training that ends",
                got=str(error),
                do="mend forward or the recipe",
            ) from error
    accuracy = float((fitted.probabilities.argmax(1) == target).mean())
    if not accuracy > LEARNT:
        do = "check the scale of the first weights, where gradients go, and what may saturate"
        expected = (
            f"over {LEARNT:.0%} of {CLIPS} clips of {K} separable classes learnt in {EPOCHS} epochs"
        )
        raise violation(subject, expected=expected, got=f"{accuracy:.0%}", do=do)
    return Pass(
        f"{accuracy:.0%} of {CLIPS} training clips after {EPOCHS} epochs, {fitted.seconds:.1f} s"
    )


def _separable(
    target: np.ndarray[Any, Any], dim: int, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(n, dim): a class's own direction, three times the noise."""
    directions = np.linalg.qr(rng.standard_normal((dim, dim)))[0][:K] * 3 * np.sqrt(dim)
    drawn: np.ndarray[Any, np.dtype[np.float32]] = (
        directions[target] + rng.standard_normal((len(target), dim))
    ).astype(np.float32)
    return drawn


def _spoken(
    subject: FusionSubject, folder: Path, target: np.ndarray[Any, Any], rng: np.random.Generator
) -> TurnFrames:
    """The same as frames, two to five a clip, six turns a conversation."""
    streams = []
    for number, dim in enumerate(subject.dims()):
        root = folder / str(number)
        store, keys, lengths = EmbeddingCache(root), [], []
        for turn, mean in enumerate(_separable(target, dim, rng)):
            frames = (mean + 0.5 * rng.standard_normal((2 + turn % 4, dim))).astype(np.float32)
            keys.append(cache_key({"stream": number, "turn": turn}))
            store.put(keys[-1], frames, 100)
            lengths.append(len(frames))
        streams.append(FrameStream(root, tuple(keys), tuple(lengths), dim))
    turns = tuple(range(len(target)))
    talks = tuple(turns[i : i + 6] for i in range(0, len(turns), 6)) if subject.talking else ()
    return TurnFrames(tuple(streams), turns, talks, tuple("ab"[turn % 2] for turn in turns))


CHECKS: tuple[Check[FusionSubject], ...] = (
    Check(
        "record",
        "The default loss is installed and gets the views it needs, and the recipe names what the"
        " harness offers.",
        record,
    ),
    Check(LAZY_IMPORT.name, LAZY_IMPORT.rule, LAZY_IMPORT.run),
    Check(
        "options",
        "Options are keyword-only with plain defaults that build; unknown options and mistyped"
        " words are refused.",
        options,
    ),
    Check("parameters", "There are parameters to train; their number is reported.", parameters),
    Check(
        "gradients",
        f"A gradient reaches every parameter within {STEPS} training steps of the default loss.",
        gradients,
    ),
    Check(
        "determinism",
        "In eval mode a batch gives the same bits again, and so do two builds with one seed.",
        determinism,
    ),
    Check(
        "remember",
        "What remember keeps are buffers, the same each time, and no parameter changes.",
        remember,
    ),
    Check(
        "no-global-state",
        "Building seeds nothing, predicting draws nothing; no setting changes, nothing is printed"
        " or warned.",
        no_global_state,
    ),
    Check(
        "learns",
        f"The harness trains it to over {LEARNT:.0%} on {K} separable classes in {EPOCHS} epochs.",
        learns,
    ),
)
