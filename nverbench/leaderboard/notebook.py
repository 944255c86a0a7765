"""The benchmark in a notebook: ``run``, ``load_results``, ``compare`` and ``list_parts``, as
``nverbench`` exports them.

Each function takes the same path as the command of that name and gives the same numbers.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench import registry as rules
from nverbench.embedding import devices
from nverbench.errors import NverbenchError, UsageError, single_line
from nverbench.leaderboard import compare as comparison
from nverbench.leaderboard.compare import Compared
from nverbench.leaderboard.rows import StoredResult, find_result
from nverbench.leaderboard.run_ranks import upload_ranks
from nverbench.pipeline import listing, request
from nverbench.pipeline.estimate import check_disk
from nverbench.pipeline.job import Plan
from nverbench.pipeline.plan import plan
from nverbench.results import tracking
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result

if TYPE_CHECKING:
    from nverbench.pipeline.run import Summary

Names = request.Names
PathLike = str | Path
OUT = "nverbench-runs"


def run(
    backbones: Names = None,
    fusion: Names = None,
    dataset: Names = None,
    *,
    loss: Names = None,
    folds: Names = None,
    protocol: str | None = None,
    selection: str | None = None,
    seeds: int = 1,
    device: str = "auto",
    dtype: str = "float32",
    untrained: bool = False,
    skip_bad: bool = False,
    train: str | None = None,
    storage: str = "float32",
    out: PathLike = OUT,
    tracking_uri: str | None = None,
    rerun: bool = False,
    quiet: bool = False,
    registry: Sequence[PathLike] = (),
    plugin: Sequence[PathLike] = (),
) -> list[Result]:
    """Run every registered combination that matches, or one that is named in full, as ``nverbench
    run`` does.

    Embeddings and finished results are kept: a second call with the same arguments reads them. In a
    script, call this below ``if __name__ == "__main__":``, because trainings may start processes.

    Args:
        backbones: name or ``NAME:option=value``; several names are one combination of exactly
            these. None: no filter.
        fusion: name and options of one or several heads or fusions. None: no filter.
        dataset: ``NAME``, ``folder:PATH`` or ``table:FILE.csv``, one or several. None: no filter.
        loss: name and options, one or several. None: the default of each fusion.
        folds: speaker, random, leave-one-group-out, official or holdout=GROUP, one or several.
            None: the default of the dataset.
        protocol: name of a protocol of the registry. None: the one of each entry.
        selection: how the epoch is chosen: inner, test (optimistic) or last. None: the protocol's.
        seeds: replicates, at least 1; their mean is the score.
        device: auto, cpu or cuda.
        dtype: float32, bfloat16 or float16, of the backbones.
        untrained: seeded random weights: a control, not a result.
        skip_bad: leave unusable clips out.
        train: ``shuffle=none``, ``intra``, ``inter-speaker`` or ``inter``: the order of the turns
            of training conversations.
        storage: float32 or float16, of stored frames.
        out: folder that takes the results.
        tracking_uri: MLflow server or database. None: nothing is logged to MLflow, also where
            MLFLOW_TRACKING_URI is set.
        rerun: compute finished jobs again.
        quiet: print nothing; otherwise progress goes to standard error.
        registry: files that add to the registry.
        plugin: Python files to use as plugins.

    Returns:
        One result per job, in the order of the plan, without learning curves
        (``load_results(out, curves=True)`` reads them). ``scores`` and ``per_class_recall`` are
        fractions in [0, 1]; ``timings`` are seconds.

    Warns:
        UserWarning: some of the matching entries cannot run here; the others do.

    Raises:
        UsageError: a name or value is unknown, nothing matches, or nothing can run here.
        NverbenchError: at least one job failed. All others have run; the message names each
            failure, and ``load_results(out)`` reads what finished.

    Example:
        >>> import nverbench
        >>> (result,) = nverbench.run("logmel-stats", "linear", "vocal-demo", quiet=True)
        >>> result.entry.fusion, result.counts.clips > 0
        ('linear', True)
        >>> 0 <= result.scores["macro_f1"].value <= 1
        True
    """
    from nverbench.pipeline.run import run as run_plan  # imports torch

    say = _silent if quiet else _print_line
    if tracking_uri is not None:
        tracking_uri = tracking.resolve(tracking_uri, "tracking_uri")
    named = request.named(backbones, fusion, loss, dataset, folds)
    requested = replace(
        named, protocol=protocol, selection=selection, seeds=seeds, dtype=dtype, storage=storage
    )
    shuffle = request.shuffle_of(train)
    requested = replace(requested, untrained=untrained, skip_bad=skip_bad, shuffle=shuffle)
    requested = replace(request.check(requested), device=devices.resolve(device))
    catalog = request.load_catalog((), [Path(p) for p in plugin], say)
    planned = plan(rules.load([Path(p) for p in registry]), catalog, requested)
    _check_plan(planned, say)
    summary = run_plan(planned, Path(out), tracking_uri, say=say, rerun=rerun)
    if tracking_uri is not None:
        upload_ranks(summary.finished, ResultStore(Path(out)), tracking_uri, say)
    return _results(summary, out)


def _silent(message: str) -> None:
    """Drop a message."""


def _print_line(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _check_plan(planned: Plan, say: Callable[[str], None]) -> None:
    """Warn of entries that cannot run; UsageError when none can, or when the disk is too small."""
    for note in planned.notes:
        say(note)
    reasons = [str(missing) for missing in planned.missing]
    reasons += [r for skip in planned.skips if not skip.missing for r in skip.reasons]
    text = "; ".join(dict.fromkeys(reasons))
    if not planned.jobs:
        raise UsageError(f"nothing could run: {text}")
    if planned.skips:
        number = f"{len(planned.skips)} of the matching entries cannot run here"
        warnings.warn(single_line(f"{number}: {text}"), stacklevel=3)
    if disk := check_disk(planned.jobs):
        say(disk)


def _results(summary: Summary, out: PathLike) -> list[Result]:
    """The results of a run in the order of its plan; NverbenchError when a job failed."""
    if summary.failures:
        reasons = "; ".join(f"{f.job}: {f.reason}" for f in summary.failures)
        raise NverbenchError(
            f"{len(summary.failures)} of {len(summary.plan.jobs)} jobs failed: {reasons}; what"
            f" finished is kept: nverbench.load_results({str(out)!r})"
        )
    by_id = {result.id: result for result in summary.finished + summary.unchanged}
    return [by_id[job.id] for job in summary.plan.jobs]


def load_results(folder: PathLike = OUT, *, curves: bool = False) -> list[Result]:
    """Read all finished results of a folder, as ``nverbench leaderboard show`` does.

    Args:
        folder: the ``out`` of a run.
        curves: with the learning curves of every fold, which are most of a result.

    Returns:
        The results, sorted by id; empty where no run has finished. ``scores`` and
        ``per_class_recall`` are fractions in [0, 1].

    Warns:
        UserWarning: a file is damaged or of another version; it is left out.

    Raises:
        UsageError: there is no such folder.

    Example:
        >>> import nverbench
        >>> results = nverbench.load_results("nverbench-runs")
        >>> best = max(results, key=lambda r: r.scores["macro_f1"].value)
        >>> best.entry.dataset
        'vocal-demo'
    """
    store = ResultStore(Path(folder))
    if not Path(folder).is_dir():
        raise UsageError(f"{folder}: there is no such folder; give the folder of a run")
    found, problems = store.results()
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return [read_result(path) for path in found] if curves else list(found.values())


def compare(a: Result | PathLike, b: Result | PathLike, *, folder: PathLike = OUT) -> Compared:
    """Compare two results on the same clips and folds, paired, as ``nverbench compare`` does.

    Args:
        a, b: a result, its id, a beginning of its id, or the path of its ``.json``.
        folder: the ``out`` of the runs, where results and predictions are.

    Returns:
        a - b for every metric: differences, intervals and standard errors are fractions, p-values
        lie in [0, 1]. ``record()`` gives it as plain data, with the verdict in one sentence.

    Raises:
        UsageError: no result, or more than one, is named so; or the two are not over the same
            clips, labels and folds.
        ResultError: a file is damaged, or predictions are missing.

    Example:
        >>> import nverbench
        >>> (a,) = nverbench.run("logmel-stats", "linear", "vocal-demo", quiet=True)
        >>> (b,) = nverbench.run("logmel-stats", "fcn", "vocal-demo", quiet=True)
        >>> found = nverbench.compare(a, b.id)
        >>> -1 <= found.metrics["macro_f1"].difference.value <= 1
        True
    """
    return comparison.results(_stored(a, Path(folder)), _stored(b, Path(folder)))


def _stored(result: Result | PathLike, folder: Path) -> StoredResult:
    if isinstance(result, Result):
        return StoredResult(result, functools.partial(ResultStore(folder).predictions, result))
    return find_result(str(result), folder)


def list_parts(kind: str | None = None) -> list[dict[str, Any]]:
    """List what is installed and registered, as ``nverbench list`` does. Imports no torch.

    Args:
        kind: backbones, datasets, fusions, losses, entries or plugins. None: the first four.

    Returns:
        Plain records, sorted by kind and name: ``kind``, ``name``, ``what`` (a short description),
        and fields of the kind, such as the ``dim`` of a backbone or the ``labels`` of a dataset.

    Raises:
        UsageError: there is no such kind.

    Example:
        >>> import nverbench
        >>> "linear" in [part["name"] for part in nverbench.list_parts("fusions")]
        True
    """
    if kind is not None:
        listing.check_kind(kind)
    catalog, registered = request.load_catalog((), (), _print_line), rules.load()
    kinds = listing.PARTS if kind is None else (kind,)
    return [
        {"kind": name, **record}
        for name in kinds
        for record in listing.records(name, catalog, registered)
    ]
