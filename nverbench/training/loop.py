"""One fold of one replicate: what is trained, on which rows, and when it stops
(``docs/protocol.md``, "Training" and "Selection").

Everything fitted here (loss weights, transport bank, stopping epoch) sees training rows only. The
test part is used once, at the end, unless ``selection`` is ``test``, which makes the row optimistic
and is shown with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nverbench.data.folds.assign import Fold
from nverbench.errors import FitError, FoldError, PartError
from nverbench.plugin.types import Batch, Losses, Output
from nverbench.training import checkpoints
from nverbench.training.curves import TermMeans, gradient_shares, watched_scores
from nverbench.training.data import FoldData
from nverbench.training.dropout import drawn
from nverbench.training.early_stopping import best_epoch, out_of_patience
from nverbench.training.layer_weights import LayerWeights
from nverbench.training.optimizers import eval_mode, optimizer_of, train_mode
from nverbench.training.records import FoldPredictions, TrainingSetup
from nverbench.training.seeds import seed_device, seed_of

SHARES_EVERY = 5
"""Epochs between two measurements of gradient shares, which cost a forward and a backward pass per
term.
"""


class FoldTraining:
    """The training of one fold and replicate; the caller steps it, alone or with others."""

    def __init__(
        self, training: TrainingSetup, data: FoldData, labels: Tensor, fold: Fold, replicate: int
    ) -> None:
        """``data``: scaled for this fold; ``labels``: (n,) classes of all rows."""
        self.training, self.data, self.labels = training, data, labels
        self.fold, self.replicate, self.device = fold, replicate, labels.device
        self.rows = torch.tensor(fold.train, dtype=torch.long)  # (n_train,)
        parts = {"inner": fold.validation, "test": fold.test, "last": ()}
        watched = parts[training.protocol.selection]
        if training.protocol.selection == "inner" and not watched:
            raise FoldError(
                f"fold {fold.name}: no training clip can be spared for selection; add clips or say"
                " --selection last"
            )
        self.watched_rows = torch.tensor(watched, dtype=torch.long, device=self.device)
        self.module = self._built()
        rows = self.labels[self.rows.to(self.device)]
        self.counts = torch.bincount(rows, minlength=training.classes)  # (k,) training rows only
        self.objective: Callable[[Output, Tensor], Losses] = training.loss.build(
            training.classes, self.counts, **training.loss_options
        )
        self.order = torch.Generator().manual_seed(self._seed("order"))
        self.dropout = torch.Generator(device=training.device).manual_seed(self._seed("dropout"))
        # For modules that draw random numbers without these generators.
        seed_device(training.device, self._seed("dropout"))
        self.curves: list[Mapping[str, float]] = []
        self.best_epoch = 0
        self.best_state: dict[str, Tensor] = {}
        self.seconds_before = 0.0
        self._began = time.perf_counter()

    def _seed(self, purpose: str) -> int:
        return seed_of(self.training.protocol.seed, purpose, self.fold.name, self.replicate)

    def _built(self) -> torch.nn.Module:
        """The fusion with its starting weights, with a softmax over layers where the data have
        layers.
        """
        training, data = self.training, self.data
        seed_device(training.device, self._seed("initialisation"))
        module = training.fusion.build(data.dims, training.classes, **training.fusion_options)
        module = LayerWeights(module, data.layers) if any(data.layers) else module
        module = module.to(training.device)
        return module.double() if training.double else module

    @property
    def seconds(self) -> float:
        """Seconds of training, with those of an earlier process that it resumes."""
        return self.seconds_before + time.perf_counter() - self._began

    def steps(self) -> list[Tensor]:
        """The steps of the next epoch."""
        return self.data.steps(self.rows, self.training.batch, self.order)

    def done_after(self, epoch: int, curve: dict[str, float]) -> bool:
        """Record an epoch's curve, evaluate the watched part, and return whether patience has run
        out.
        """
        watches = len(self.watched_rows) > 0
        if watches:
            curve |= self.watched()
        if epoch == 1 or epoch % SHARES_EVERY == 0:
            curve |= self.gradient_shares()
        self.curves.append(curve)
        if not watches:
            self.best_epoch = epoch
        elif best_epoch(self.curves, self.training.select) == epoch:
            self.best_epoch = epoch
            self.best_state = {n: value.clone() for n, value in self.module.state_dict().items()}
        return watches and out_of_patience(epoch, self.best_epoch, self.training.patience)

    def watched(self) -> dict[str, float]:
        """The scores of the watched part with the weights of now."""
        logits, target = self.predict(self.watched_rows), self.labels[self.watched_rows]
        return watched_scores(logits, target, self.training.classes, self.training.select)

    def fitted(self) -> FoldPredictions:
        """The test predictions of the best epoch's weights."""
        if self.best_state:
            self.module.load_state_dict(self.best_state)
        test = torch.tensor(self.fold.test, dtype=torch.long, device=self.device)
        probabilities = self.predict(test).softmax(-1).cpu().numpy()
        weights = sum(p.numel() for p in self.module.parameters() if p.requires_grad)
        curves = tuple(self.curves)
        return FoldPredictions(probabilities, self.best_epoch, curves, weights, self.seconds)

    @torch.no_grad()
    def predict(self, rows: Tensor) -> Tensor:
        """Logits (n, k) float64 of some rows, in eval mode, after the fusion remembered training
        rows.
        """
        self.module.eval()
        remember = getattr(self.module, "remember", None)
        known = self.data.remembered(self.rows) if remember is not None else None
        if remember is not None and known is not None:
            # Every evaluation of a fold remembers the same rows.
            remember(known, torch.Generator().manual_seed(self._seed("memory")))
        shape = (len(rows), self.training.classes)
        logits = torch.empty(shape, dtype=torch.float64, device=rows.device)
        for part in self.data.parts(rows):
            batch = self.data.batch(part.step)
            output = checked(self.module(batch), batch, self.training)
            logits[part.places] = output.logits.double()[part.outputs]
        if not bool(torch.isfinite(logits).all()):
            raise FitError(
                f"fold {self.fold.name}: fusion {self.training.fusion.name} gives logits that are"
                " not finite numbers; lower the learning rate or fix the fusion"
            )
        return logits

    def gradient_shares(self) -> dict[str, float]:
        """The gradient shares of the loss terms on the first training rows, without dropout."""
        step = next(iter(self.data.parts(self.rows[: self.training.batch]))).step
        self.module.eval()
        losses = self.objective(self.module(self.data.batch(step)), self.data.target(step))
        trained = [p for p in self.module.parameters() if p.requires_grad]
        return gradient_shares(losses.terms, trained)

    def state(self) -> dict[str, Any]:
        """What the next epoch depends on, but for the optimizer."""
        return {
            "module": self.module.state_dict(),
            "curves": list(self.curves),
            "best_epoch": self.best_epoch,
            "best_state": self.best_state,
            "order": self.order.get_state(),
            "dropout": self.dropout.get_state(),
            "global": torch.get_rng_state(),
            "seconds": self.seconds,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Resume where another process made that state."""
        self.module.load_state_dict(state["module"])
        self.curves, self.best_epoch = list(state["curves"]), state["best_epoch"]
        self.best_state, self.seconds_before = state["best_state"], state["seconds"]
        self.order.set_state(state["order"])
        self.dropout.set_state(state["dropout"])
        torch.set_rng_state(state["global"])


def train(run: FoldTraining) -> FoldPredictions:
    """Train until patience runs out; a training that was interrupted resumes after its last
    finished epoch.
    """
    optimizer = optimizer_of(run.training, run.module.parameters())
    folder, done, ended, written = run.training.checkpoints, 0, False, 0.0
    path = folder and checkpoints.checkpoint_path(folder, run.fold.name, run.replicate)
    if path and (state := checkpoints.read(path)):
        run.restore(state)
        optimizer.load_state_dict(state["optimizer"])
        done, ended, written = state["epoch"], state["ended"], state["seconds"]
    for epoch in range(done + 1, run.training.epochs + 1):
        if ended:
            break
        curve = one_epoch(run, optimizer, epoch)
        eval_mode(optimizer)
        ended = run.done_after(epoch, curve)
        last = ended or epoch == run.training.epochs
        if path and (last or run.seconds - written >= checkpoints.SECONDS):
            progress = {"epoch": epoch, "ended": last, "optimizer": optimizer.state_dict()}
            checkpoints.write(path, progress | run.state())
            written = run.seconds
    return run.fitted()


def one_epoch(run: FoldTraining, optimizer: torch.optim.Optimizer, epoch: int) -> dict[str, float]:
    """Make one pass over the training rows; returns the mean of every term and diagnostic."""
    run.module.train()
    train_mode(optimizer)
    terms = TermMeans()
    with drawn(run.dropout):
        for step in run.steps():
            optimizer.zero_grad(set_to_none=True)
            batch = run.data.batch(step)
            output = checked(run.module(batch), batch, run.training)
            losses = run.objective(output, run.data.target(step))
            total = torch.stack(list(losses.terms.values())).sum()
            total.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
            optimizer.step()
            terms.add({**losses.terms, **losses.diagnostics, "loss": total})
    return terms.means(run.training, run.fold.name, epoch)


def checked(output: Any, batch: Batch, training: TrainingSetup) -> Output:
    """A fusion's output for a batch, checked against the fusion contract."""
    streams, name = len(batch.streams), training.fusion.name
    shape = (len(batch.streams[0] if batch.turns is None else batch.turns[0]), training.classes)
    if not isinstance(output, Output) or tuple(output.logits.shape) != shape:
        got = tuple(output.logits.shape) if isinstance(output, Output) else type(output).__name__
        raise PartError(
            f"fusion {name}: expected Output with logits (n={shape[0]}, k={shape[1]}), got {got};"
            " its author must fix it"
        )
    if training.loss.needs == "views" and len(output.views) != streams:
        needed = f"loss {training.loss.name} needs {streams} views"
        raise PartError(f"fusion {name}: {needed}, got {len(output.views)}; its author must fix it")
    return output
