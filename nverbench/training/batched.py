"""Several trainings (folds, replicates) stepped as one batched model: the same numbers as one by
one, in fewer and larger operations.

The weights of all runs lie in one tensor per parameter, (f, ...) for f runs, and each run's own
module holds views of it: evaluation, early stopping and the optimizer work on the modules as if
they were alone. Only forward and backward are joint (``torch.func.vmap``). Orders, dropout masks
and starting weights come from each run's own generators. An execution detail: results do not say
which way they were made.
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
from nverbench.errors import NverbenchError
from nverbench.plugin.types import Batch
from nverbench.training.data import PooledData
from nverbench.training.dropout import Call, given, recorded
from nverbench.training.loop import FoldTraining, Sums, checked, optimizer_of
from nverbench.training.records import FoldPredictions

Stacked = Mapping[str, Tensor]
"""Name of a parameter or buffer -> the values of all runs, (f, ...)."""


class NotBatchable(NverbenchError):
    """The module or the loss cannot be trained jointly; the runs are as they were."""


def train_jointly(runs: Sequence[FoldTraining]) -> list[FoldPredictions]:
    """All runs, each until its own patience runs out.

    Raises:
        Refused: before the first step, where the module or loss does not allow it; or once all runs
            together do not fit the memory.
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
        curves = joint.epoch(active, epoch)
        active = [
            i
            for i, curve in zip(active, curves, strict=True)
            if not runs[i].done_after(epoch, curve)
        ]
        if not active:
            break
    fitted = [run.fitted() for run in runs]
    return [
        replace(f, seconds=(time.perf_counter() - began) / len(runs)) for f in fitted
    ]  # each its share


class _Joint:
    """Runs whose parameters share storage."""

    def __init__(self, runs: Sequence[FoldTraining]) -> None:
        self.runs, self.training, self.labels = runs, runs[0].training, runs[0].labels
        self.base = runs[0].module
        own = [run.material.data for run in runs if isinstance(run.material, PooledData)]
        if len(own) < len(runs) or self.training.recipe.optimizer not in (None, "adam"):
            raise NotBatchable("only pooled embeddings are trained jointly, and with adam only")
        unique = list(
            {id(data): data for data in own}.values()
        )  # replicates of a fold share their scaled data
        self.data = tuple(
            torch.stack([data[s] for data in unique]) for s in range(len(unique[0]))
        )  # m x (folds, n, d_i)
        places = {id(data): i for i, data in enumerate(unique)}
        self.place = torch.tensor(
            [places[id(data)] for data in own], device=self.labels.device
        )  # (f,)
        self.counts = torch.stack([run.counts for run in runs])  # (f, k)
        self.calls = self._probe()
        self.stacked = {
            name: torch.stack([dict(run.module.named_parameters())[name].detach() for run in runs])
            for name, _ in self.base.named_parameters()
        }
        for i, run in enumerate(runs):
            for name, parameter in run.module.named_parameters():
                parameter.data = self.stacked[name][i]
        self.optimizer = optimizer_of(
            self.training, [p for run in runs for p in run.module.parameters()]
        )

    def epoch(self, active: Sequence[int], epoch: int) -> list[dict[str, float]]:
        """One pass of every active run over its own training rows; runs with fewer rows take fewer
        steps.
        """
        self.base.train()  # the one that is called, also when its own run has ended
        batches = [self.runs[i].steps() for i in active]  # f x (steps_i, batch)
        sums = [Sums() for _ in active]
        for step in range(max(map(len, batches))):
            now = [j for j, b in enumerate(batches) if step < len(b)]
            who = [active[j] for j in now]
            values = self.step(who, torch.stack([batches[j][step] for j in now]))
            for position, j in enumerate(now):
                sums[j].add({name: value[position] for name, value in values.items()})
        return [
            sums[j].means(self.training, self.runs[i].fold.name, epoch)
            for j, i in enumerate(active)
        ]

    def step(self, who: Sequence[int], rows: Tensor) -> dict[str, Tensor]:
        """One step of some runs on their rows (f, batch); every term and diagnostic, (f,) each."""
        self.optimizer.zero_grad(set_to_none=True)
        values, gradients = self._gradients(who, rows)
        for name, gradient in gradients.items():
            for i, own in zip(who, gradient.unbind(0), strict=True):
                self.runs[i].module.get_parameter(name).grad = own
        self.optimizer.step()  # a run without gradients is left as it is
        return values

    def _gradients(self, who: Sequence[int], rows: Tensor) -> tuple[dict[str, Tensor], Stacked]:
        """Terms (f,) and the gradient (f, ...) of each parameter."""
        whole = len(who) == len(self.runs)
        index = torch.tensor(who, device=self.labels.device)
        parameters = {
            n: (p if whole else p[index]).detach().requires_grad_() for n, p in self.stacked.items()
        }
        buffers = {
            n: torch.stack([self.runs[i].module.get_buffer(n) for i in who])
            for n, _ in self.base.named_buffers()
        }
        masks = [torch.stack([call.draw(self.runs[i].dropout) for i in who]) for call in self.calls]
        streams = tuple(
            d[self.place[index][:, None], rows] for d in self.data
        )  # m x (f, batch, d_i)
        totals, values = vmap(self._losses)(
            parameters, buffers, masks, streams, self.labels[rows], self.counts[index]
        )
        totals.sum().backward()  # type: ignore[no-untyped-call]  # torch's own annotation
        return {**values, "loss": totals}, {
            n: p.grad for n, p in parameters.items() if p.grad is not None
        }

    def _losses(
        self,
        parameters: Stacked,
        buffers: Stacked,
        masks: list[Tensor],
        streams: tuple[Tensor, ...],
        target: Tensor,
        counts: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective of one run and its parts; ``vmap`` makes it that of all."""
        batch = Batch(streams)
        with (
            given(masks),
            sdpa_kernel(SDPBackend.MATH),
        ):  # the fused attentions have no batching rule
            output: Any = functional_call(self.base, ({**parameters, **buffers}), (batch,))
        objective = self.training.loss.build(
            self.training.classes, counts, **self.training.loss_options
        )
        losses = objective(checked(output, batch, self.training), target)
        return torch.stack(list(losses.terms.values())).sum(), {
            **losses.terms,
            **losses.diagnostics,
        }

    def _probe(self) -> list[Call]:
        """The dropouts of a training step, once joint gradients are known to be those of each run
        alone; Refused otherwise.
        """
        size = self.training.batch
        rows = torch.stack(
            [run.rows[torch.arange(size) % len(run.rows)] for run in self.runs[:2]]
        ).to(self.labels.device)
        states = [{n: b.clone() for n, b in run.module.named_buffers()} for run in self.runs[:2]]
        calls: list[Call] = []
        alone = []
        for i, run in enumerate(self.runs[:2]):
            run.module.train()
            batch = Batch(tuple(d[self.place[i], rows[i]] for d in self.data))
            with recorded(calls := []):
                losses = run.objective(
                    checked(run.module(batch), batch, self.training), self.labels[rows[i]]
                )
            total = torch.stack(list(losses.terms.values())).sum()
            alone.append(
                torch.autograd.grad(total, list(run.module.parameters()), allow_unused=True)
            )
            if any(not torch.equal(b, states[i][n]) for n, b in run.module.named_buffers()):
                raise NotBatchable(
                    f"fusion {self.training.fusion.name} changes its buffers in training"
                )
        self._compare(rows, calls, alone)
        return calls

    def _compare(
        self, rows: Tensor, calls: Sequence[Call], alone: Sequence[Sequence[Tensor | None]]
    ) -> None:
        """Refuse unless the joint gradients of two runs are theirs alone (nothing dropped)."""
        two = self.runs[:2]
        parameters = {
            n: torch.stack([r.module.get_parameter(n).detach() for r in two]).requires_grad_()
            for n, _ in self.base.named_parameters()
        }
        buffers = {
            n: torch.stack([r.module.get_buffer(n) for r in two])
            for n, _ in self.base.named_buffers()
        }
        masks = [torch.ones((len(two), *c.shape), dtype=c.dtype, device=c.device) for c in calls]
        streams = tuple(d[self.place[: len(two), None], rows] for d in self.data)
        try:
            totals, _ = vmap(self._losses)(
                parameters, buffers, masks, streams, self.labels[rows], self.counts[: len(two)]
            )
            joint = torch.autograd.grad(totals.sum(), list(parameters.values()), allow_unused=True)
        except Exception as error:  # whatever vmap cannot do
            raise NotBatchable(
                f"fusion {self.training.fusion.name} or loss {self.training.loss.name}:"
                f" {' '.join(str(error).split())[:200]}"
            ) from error
        for position, gradient in enumerate(joint):
            for i, own in enumerate(alone):
                a, b = own[position], None if gradient is None else gradient[i]
                if (a is None) != (b is None) and bool((a if b is None else b).any()):
                    raise NotBatchable("a parameter has a gradient in one way of training only")
                if (
                    a is not None
                    and b is not None
                    and not torch.allclose(
                        a, b, rtol=1e-3, atol=1e-4 * float(a.abs().max()) + 1e-12
                    )
                ):
                    raise NotBatchable("joint gradients are not those of each run alone")
