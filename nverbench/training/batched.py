"""Several trainings (folds, replicates) stepped as one batched model: the same numbers as one by
one, in fewer and larger operations.

The weights of all runs are in one tensor per parameter, (f, ...) for f runs, and each run's own
module holds views of it: evaluation, early stopping and the optimizer work on the modules as if
each run were alone. Only forward and backward are joint (``torch.func.vmap``). Orders, dropout
masks and starting weights come from each run's own generators. This is an execution detail: results
do not record it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from nverbench.embedding.devices import is_out_of_memory
from nverbench.errors import NverbenchError, reason_of
from nverbench.plugin.types import Batch
from nverbench.training.curves import TermMeans
from nverbench.training.data import PooledData
from nverbench.training.dropout import Call, given, recorded
from nverbench.training.loop import FoldTraining, checked
from nverbench.training.optimizers import optimizer_of
from nverbench.training.records import FoldPredictions

Stacked = Mapping[str, Tensor]
"""Name of a parameter or buffer -> the values of all runs, (f, ...)."""


class NotBatchable(NverbenchError):
    """The module or the loss cannot be trained jointly; the runs are unchanged."""


def train_jointly(runs: Sequence[FoldTraining]) -> list[FoldPredictions]:
    """Train all runs, each until its own patience runs out.

    Raises:
        NotBatchable: before the first step, where the module or the loss does not allow it; or when
            all runs together do not fit the memory.
    """
    try:
        return _trained(runs)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise NotBatchable("the runs together do not fit the memory") from None


def _trained(runs: Sequence[FoldTraining]) -> list[FoldPredictions]:
    began, joint = time.perf_counter(), _Joint(runs)
    active = list(range(len(runs)))
    for epoch in range(1, runs[0].training.epochs + 1):
        curves = zip(active, joint.epoch(active, epoch), strict=True)
        active = [i for i, curve in curves if not runs[i].done_after(epoch, curve)]
        if not active:
            break
    fitted = [run.fitted() for run in runs]
    share = (time.perf_counter() - began) / len(runs)
    return [replace(f, seconds=share) for f in fitted]


class _Joint:
    """Runs whose parameters share storage."""

    def __init__(self, runs: Sequence[FoldTraining]) -> None:
        self.runs, self.training, self.labels = runs, runs[0].training, runs[0].labels
        self.base = runs[0].module
        own = [run.data.data for run in runs if isinstance(run.data, PooledData)]
        if len(own) < len(runs) or self.training.recipe.optimizer not in (None, "adam"):
            raise NotBatchable("only pooled embeddings are trained jointly, and with adam only")
        # Replicates of a fold share their scaled data.
        unique = {id(data): data for data in own}
        self.data = tuple(
            map(torch.stack, zip(*unique.values(), strict=True))
        )  # m x (folds, n, d_i)
        places = {key: i for i, key in enumerate(unique)}
        folds = [places[id(data)] for data in own]
        self.place = torch.tensor(folds, device=self.labels.device)  # (f,) fold of each run
        self.counts = torch.stack([run.counts for run in runs])  # (f, k)
        self.calls = self._probe()
        self.stacked = {
            name: torch.stack([dict(run.module.named_parameters())[name].detach() for run in runs])
            for name, _ in self.base.named_parameters()
        }
        for i, run in enumerate(runs):
            for name, parameter in run.module.named_parameters():
                parameter.data = self.stacked[name][i]
        parameters = [p for run in runs for p in run.module.parameters()]
        self.optimizer = optimizer_of(self.training, parameters)

    def epoch(self, active: Sequence[int], epoch: int) -> list[dict[str, float]]:
        """Make one pass of every active run over its own training rows; runs with fewer rows take
        fewer steps.
        """
        self.base.train()  # this module is called also when its own run has ended
        batches = [self.runs[i].steps() for i in active]  # f x (steps_i, batch)
        terms = [TermMeans() for _ in active]
        for step in range(max(map(len, batches))):
            now = [j for j, b in enumerate(batches) if step < len(b)]
            rows = torch.stack([batches[j][step] for j in now])
            values = self.step([active[j] for j in now], rows)
            for position, j in enumerate(now):
                terms[j].add({name: value[position] for name, value in values.items()})
        names = [self.runs[i].fold.name for i in active]
        return [t.means(self.training, n, epoch) for t, n in zip(terms, names, strict=True)]

    def step(self, who: Sequence[int], rows: Tensor) -> dict[str, Tensor]:
        """Make one step of some runs on their rows (f, batch); returns every term and diagnostic,
        (f,) each.
        """
        self.optimizer.zero_grad(set_to_none=True)
        values, gradients = self._gradients(who, rows)
        for name, gradient in gradients.items():
            for i, own in zip(who, gradient.unbind(0), strict=True):
                self.runs[i].module.get_parameter(name).grad = own
        self.optimizer.step()  # does not change a run without gradients
        return values

    def _gradients(self, who: Sequence[int], rows: Tensor) -> tuple[dict[str, Tensor], Stacked]:
        """Terms (f,) and the gradient (f, ...) of each parameter."""
        every = len(who) == len(self.runs)
        own = {n: p if every else p[list(who)] for n, p in self.stacked.items()}
        parameters = {n: p.detach().requires_grad_() for n, p in own.items()}
        masks = [torch.stack([call.draw(self.runs[i].dropout) for i in who]) for call in self.calls]
        totals, values = self._joint_losses(who, rows, parameters, masks)
        totals.sum().backward()  # type: ignore[no-untyped-call]  # torch's own annotation
        gradients = {n: p.grad for n, p in parameters.items() if p.grad is not None}
        return {**values, "loss": totals}, gradients

    def _joint_losses(
        self, who: Sequence[int], rows: Tensor, parameters: Stacked, masks: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective of some runs (f,) on their rows (f, batch), and its parts, (f,) each."""
        index = torch.tensor(who, device=self.labels.device)
        buffers = {
            n: torch.stack([self.runs[i].module.get_buffer(n) for i in who])
            for n, _ in self.base.named_buffers()
        }
        folds = self.place[index][:, None]
        streams = tuple(d[folds, rows] for d in self.data)  # m x (f, batch, d_i)
        weights, targets = {**parameters, **buffers}, self.labels[rows]  # targets: (f, batch)
        losses: tuple[Tensor, dict[str, Tensor]] = vmap(self._losses)(
            weights, list(masks), streams, targets, self.counts[index]
        )
        return losses

    def _losses(
        self, weights: Stacked, masks: list[Tensor], streams: Any, target: Tensor, counts: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective of one run and its parts; ``vmap`` applies it to all runs."""
        batch = Batch(streams)
        # The fused attentions have no batching rule.
        with given(masks), sdpa_kernel(SDPBackend.MATH):
            output: Any = functional_call(self.base, dict(weights), (batch,))
        training = self.training
        objective = training.loss.build(training.classes, counts, **training.loss_options)
        losses = objective(checked(output, batch, training), target)
        total = torch.stack(list(losses.terms.values())).sum()
        return total, {**losses.terms, **losses.diagnostics}

    def _probe(self) -> list[Call]:
        """The dropouts of a training step, after a check that the joint gradients of two runs are
        those of each run alone; NotBatchable otherwise.
        """
        pair = self.runs[:2]
        chosen = [run.rows[torch.arange(self.training.batch) % len(run.rows)] for run in pair]
        rows = torch.stack(chosen).to(self.labels.device)  # (2, batch)
        calls: list[Call] = []
        alone = []
        for i in range(len(pair)):
            calls = []
            alone.append(self._gradients_alone(i, rows[i], calls))
        self._compare(rows, calls, alone)
        return calls

    def _gradients_alone(self, i: int, rows: Tensor, calls: list[Call]) -> Sequence[Tensor | None]:
        """The gradient of each parameter of one run on its rows (batch,), without dropout; appends
        the dropouts to ``calls``.
        """
        run = self.runs[i]
        before = {n: b.clone() for n, b in run.module.named_buffers()}
        run.module.train()
        batch = Batch(tuple(d[self.place[i], rows] for d in self.data))
        with recorded(calls):
            output = checked(run.module(batch), batch, self.training)
            losses = run.objective(output, self.labels[rows])
        total = torch.stack(list(losses.terms.values())).sum()
        found = torch.autograd.grad(total, list(run.module.parameters()), allow_unused=True)
        if any(not _same(b, before[n]) for n, b in run.module.named_buffers()):
            name = self.training.fusion.name
            raise NotBatchable(f"fusion {name} changes its buffers in training")
        return found

    def _compare(
        self, rows: Tensor, calls: Sequence[Call], alone: Sequence[Sequence[Tensor | None]]
    ) -> None:
        """Raise NotBatchable unless the joint gradients of the first runs, without dropout, are
        those of each run alone.
        """
        who = range(len(alone))
        parameters = {
            n: torch.stack([self.runs[i].module.get_parameter(n).detach() for i in who])
            for n, _ in self.base.named_parameters()
        }
        leaves = [p.requires_grad_() for p in parameters.values()]
        masks = [torch.ones((len(who), *c.shape), dtype=c.dtype, device=c.device) for c in calls]
        try:
            totals, _ = self._joint_losses(who, rows, parameters, masks)
            joint = torch.autograd.grad(totals.sum(), leaves, allow_unused=True)
        except Exception as error:  # whatever vmap cannot do
            parts = f"fusion {self.training.fusion.name} or loss {self.training.loss.name}"
            raise NotBatchable(f"{parts}: {reason_of(error, 200)}") from error
        for position, gradient in enumerate(joint):
            for i, own in enumerate(alone):
                _check_equal(own[position], None if gradient is None else gradient[i])


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two buffers are equal. NaN equals NaN: a bank that is not filled yet holds it."""
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())


def _check_equal(alone: Tensor | None, joint: Tensor | None) -> None:
    """Raise NotBatchable where the two gradients of a parameter differ by more than rounding."""
    if alone is not None and joint is not None:
        atol = 1e-4 * float(alone.abs().max()) + 1e-12
        if not torch.allclose(alone, joint, rtol=1e-3, atol=atol):
            raise NotBatchable("joint gradients are not those of each run alone")
        return
    one = joint if alone is None else alone
    if one is not None and bool(one.any()):
        raise NotBatchable("a parameter has a gradient in one way of training only")
