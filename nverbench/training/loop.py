"""One fold of one replicate: what is trained, on which rows, and when it stops (protocol nver-1,
"Training" and "Selection").

Everything fitted here (loss weights, transport bank, stopping epoch) sees training rows only; the
test part is touched once, at the end, unless ``selection`` is ``test``, which makes the row
optimistic and says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nverbench.data.folds.assign import Fold
from nverbench.errors import FitError, FoldError, PartError
from nverbench.metrics import scores as metrics
from nverbench.plugin.types import Batch, Losses, Output
from nverbench.training import checkpoints
from nverbench.training.data import FoldData
from nverbench.training.dropout import drawn
from nverbench.training.early_stopping import best_epoch, out_of_patience
from nverbench.training.layer_weights import LayerWeights
from nverbench.training.records import FoldPredictions, TrainingSetup
from nverbench.training.seeds import seed_device, seed_of

LOOK = 5
"""Epochs between two looks at gradient shares: each costs a forward and a backward pass per
term.
"""


class FoldTraining:
    """The training of one fold and replicate; who steps it, and whether others are stepped with it,
    is not its business.
    """

    def __init__(
        self,
        training: TrainingSetup,
        material: FoldData,
        labels: Tensor,
        fold: Fold,
        replicate: int,
    ) -> None:
        """``material``: the data, scaled for this fold; ``labels``: (n,) classes of all rows."""
        if training.protocol.selection == "inner" and not fold.validation:
            raise FoldError(
                f"fold {fold.name}: no training clip can be spared for selection; add clips or say"
                " --selection last"
            )
        self.training, self.material, self.labels, self.fold, self.replicate = (
            training,
            material,
            labels,
            fold,
            replicate,
        )
        self.rows = torch.tensor(fold.train, dtype=torch.long)  # (n_train,)
        watch = {"inner": fold.validation, "test": fold.test, "last": ()}[
            training.protocol.selection
        ]
        self.watch = torch.tensor(watch, dtype=torch.long, device=labels.device)

        def seed(purpose: str) -> int:
            return seed_of(training.protocol.seed, purpose, fold.name, replicate)

        seed_device(training.device, seed("initialisation"))
        module = training.fusion.build(material.dims, training.classes, **training.fusion_options)
        module = (LayerWeights(module, material.layers) if any(material.layers) else module).to(
            training.device
        )
        self.module = module.double() if training.double else module
        self.counts = torch.bincount(
            labels[self.rows.to(labels.device)], minlength=training.classes
        )  # (k,) training rows only
        self.objective: Callable[[Output, Tensor], Losses] = training.loss.build(
            training.classes, self.counts, **training.loss_options
        )
        self.order = torch.Generator().manual_seed(seed("order"))
        self.memory = seed("memory")
        self.dropout = torch.Generator(device=training.device).manual_seed(seed("dropout"))
        seed_device(
            training.device, seed("dropout")
        )  # for modules that draw random numbers in a way of their own
        self.curves: list[Mapping[str, float]] = []
        self.best_epoch = 0
        self.best_state: dict[str, Tensor] = {}
        self.seconds_before = self.kept = 0.0  # kept: when its last epoch was written
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since it began, with those of an earlier process that it goes on from."""
        return self.seconds_before + time.perf_counter() - self._began

    def steps(self) -> list[Tensor]:
        """The steps of the next epoch."""
        return self.material.steps(self.rows, self.training.batch, self.order)

    def done_after(self, epoch: int, curve: dict[str, float]) -> bool:
        """Note an epoch's curve, look at the watched part, and say whether patience has run out."""
        if len(self.watch):
            curve |= self.watched()
        if epoch == 1 or epoch % LOOK == 0:
            curve |= self.gradient_shares()
        self.curves.append(curve)
        if not len(self.watch):
            self.best_epoch = epoch
        elif best_epoch(self.curves, self.training.select) == epoch:
            self.best_epoch = epoch
            self.best_state = {
                name: value.clone() for name, value in self.module.state_dict().items()
            }
        return len(self.watch) > 0 and out_of_patience(
            epoch, self.best_epoch, self.training.patience
        )

    def fitted(self) -> FoldPredictions:
        """The test predictions of the best epoch's weights."""
        if self.best_state:
            self.module.load_state_dict(self.best_state)
        test = torch.tensor(self.fold.test, dtype=torch.long, device=self.labels.device)
        probabilities = self.predict(test).softmax(-1).cpu().numpy()
        return FoldPredictions(
            probabilities, self.best_epoch, tuple(self.curves), weights(self.module), self.seconds
        )

    @torch.no_grad()
    def predict(self, rows: Tensor) -> Tensor:
        """Logits (n, k) float64 of some rows, in eval mode, after the fusion remembered training
        rows.
        """
        self.module.eval()
        remember = getattr(self.module, "remember", None)
        known = self.material.remembered(self.rows) if remember is not None else None
        if remember is not None and known is not None:
            remember(
                known, torch.Generator().manual_seed(self.memory)
            )  # every evaluation of a fold remembers the same rows
        logits = torch.empty(
            len(rows), self.training.classes, dtype=torch.float64, device=rows.device
        )
        for part in self.material.parts(rows):
            batch = self.material.batch(part.step)
            output = checked(self.module(batch), batch, self.training)
            logits[part.places] = output.logits.double()[part.outputs]
        if not bool(torch.isfinite(logits).all()):
            name = self.training.fusion.name
            raise FitError(
                f"fold {self.fold.name}: fusion {name} gives logits that are not finite numbers;"
                " lower the learning rate or mend it"
            )
        return logits

    def gradient_shares(self) -> dict[str, float]:
        """Each term's share of the gradient, |grad of it| over their sum, on the first training
        rows, nothing dropped; of one term there is none.
        """
        step = next(iter(self.material.parts(self.rows[: self.training.batch]))).step
        batch = self.material.batch(step)
        self.module.eval()
        losses = self.objective(self.module(batch), self.material.target(step))
        if len(losses.terms) < 2:
            return {}
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        norms = {}
        for name, term in losses.terms.items():
            gradients = (
                torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
                if term.requires_grad
                else ()
            )
            norms[name] = math.sqrt(
                sum(float(g.double().square().sum()) for g in gradients if g is not None)
            )
        whole = sum(norms.values())
        return (
            {f"gradient_share_{name}": norm / whole for name, norm in norms.items()}
            if 0 < whole < math.inf
            else {}
        )

    def watched(self) -> dict[str, float]:
        """Cross-entropy, accuracy and macro-F1 of the watched part, and the score that stopping
        watches.
        """
        logits, target = self.predict(self.watch), self.labels[self.watch]
        counts = metrics.confusion(
            target.cpu().numpy(), logits.argmax(-1).cpu().numpy(), self.training.classes
        )
        scores = metrics.scores(counts, present_only=True)
        loss = float(functional.cross_entropy(logits, target))
        found = {
            "watched_cross_entropy": loss,
            "watched_accuracy": float(scores["accuracy"]),
            "watched_macro_f1": float(scores["macro_f1"]),
        }
        return found | (
            {"watched_weighted_f1": float(scores["weighted_f1"])}
            if self.training.select == "weighted-f1"
            else {}
        )


def train(run: FoldTraining) -> FoldPredictions:
    """Epochs of one training until patience runs out; one that was cut off goes on after the last
    epoch it finished.
    """
    optimizer = optimizer_of(run.training, run.module.parameters())
    done, ended = checkpoints.resume(run, optimizer)
    for epoch in range(done + 1, run.training.epochs + 1):
        if ended:
            break
        curve = _epoch(run, optimizer, epoch)
        eval_mode(optimizer)
        ended = run.done_after(epoch, curve)
        checkpoints.keep(run, optimizer, epoch, ended=ended or epoch == run.training.epochs)
    return run.fitted()


def _epoch(run: FoldTraining, optimizer: torch.optim.Optimizer, epoch: int) -> dict[str, float]:
    """One pass over the training rows; the mean of every term and diagnostic."""
    run.module.train()
    train_mode(optimizer)
    sums = Sums()
    with drawn(run.dropout):
        for step in run.steps():
            optimizer.zero_grad(set_to_none=True)
            batch = run.material.batch(step)
            losses = run.objective(
                checked(run.module(batch), batch, run.training), run.material.target(step)
            )
            total = torch.stack(list(losses.terms.values())).sum()
            total.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
            optimizer.step()
            sums.add({**losses.terms, **losses.diagnostics, "loss": total})
    return sums.means(run.training, run.fold.name, epoch)


class Sums:
    """An epoch's terms, step by step; they stay on the device until it ends, so that no step waits
    for it.
    """

    def __init__(self) -> None:
        self.steps: dict[str, list[Tensor]] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """The scalars of one step."""
        for name, value in values.items():
            self.steps.setdefault(name, []).append(value.detach())

    def means(self, training: TrainingSetup, fold: str, epoch: int) -> dict[str, float]:
        """The mean of every term; a FitError names the one that broke first (not one that broke of
        it).
        """
        values = {
            name: torch.stack(own).cpu().numpy() for name, own in self.steps.items()
        }  # (steps,)
        broken = {
            name: int(np.argmin(np.isfinite(own)))
            for name, own in values.items()
            if not np.isfinite(own).all()
        }
        if broken:
            first = min(broken, key=lambda name: broken[name])
            raise FitError(
                f"fold {fold}, epoch {epoch}: {first} of loss {training.loss.name} is not a finite"
                " number; lower the learning rate or choose another loss option"
            )
        return {
            f"train_{name}": float(np.add.accumulate(own)[-1]) / len(own)
            for name, own in values.items()
        }


def checked(output: Any, batch: Batch, training: TrainingSetup) -> Output:
    """A fusion's answer to a batch, once it is known to keep its contract."""
    streams, name = len(batch.streams), training.fusion.name
    wanted = (len(batch.streams[0] if batch.turns is None else batch.turns[0]), training.classes)
    if not isinstance(output, Output) or tuple(output.logits.shape) != wanted:
        got = tuple(output.logits.shape) if isinstance(output, Output) else type(output).__name__
        raise PartError(
            f"fusion {name}: expected Output with logits (n={wanted[0]}, k={wanted[1]}), got {got};"
            " its author must mend it"
        )
    if training.loss.needs == "views" and len(output.views) != streams:
        needed = f"loss {training.loss.name} needs {streams} views"
        raise PartError(
            f"fusion {name}: {needed}, got {len(output.views)}; its author must mend it"
        )
    return output


def optimizer_of(training: TrainingSetup, parameters: Any) -> torch.optim.Optimizer:
    """The recipe's optimizer where its paper fixes one, else the protocol's."""
    name = training.recipe.optimizer or training.protocol.optimizer
    lr = training.recipe.lr or training.protocol.lr
    if name == "radam-schedule-free":
        import schedulefree

        own: torch.optim.Optimizer = schedulefree.RAdamScheduleFree(parameters, lr=lr)
        return own
    if name != "adam":
        raise PartError(
            f"fusion {training.fusion.name}: optimizer {name!r} is not one this version offers;"
            " expected adam or radam-schedule-free"
        )
    return torch.optim.Adam(
        parameters, lr=lr, fused=True
    )  # fused: one pass over the weights; 15 M of them at 3840-d


def eval_mode(optimizer: Any) -> None:
    """A schedule-free optimizer trains one set of weights and is judged by another (their running
    mean): put that one in.
    """
    if hasattr(optimizer, "eval"):
        optimizer.eval()


def train_mode(optimizer: Any) -> None:
    """And back to the weights that are trained."""
    if hasattr(optimizer, "train"):
        optimizer.train()


def weights(module: torch.nn.Module) -> int:
    """Trained weights of a module."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
