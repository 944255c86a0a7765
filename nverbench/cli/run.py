"""``nverbench run``: every registered entry that matches, or a combination named in full."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog, load_registry, print_table
from nverbench.errors import UsageError

if TYPE_CHECKING:
    from nverbench.pipeline.executors.ray.executor import RayExecutor
    from nverbench.pipeline.job import Job, Plan
    from nverbench.pipeline.run import Summary
    from nverbench.pipeline.selection import Selection
    from nverbench.plugin.catalog import Catalog
    from nverbench.registry import Registry


def run(
    ctx: typer.Context,
    backbone: options.Backbones = None,
    fusion: options.Fusions = None,
    loss: options.Losses = None,
    dataset: options.Datasets = None,
    exclude_label: options.ExcludedLabels = None,
    folds: options.FoldKinds = None,
    protocol: options.Protocol = None,
    selection: options.EpochSelection = None,
    seeds: options.Seeds = 1,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    untrained: options.Untrained = False,
    download: options.Download = False,
    skip_bad: options.SkipBad = False,
    train: options.Train = None,
    executor: options.Executor = "local",
    address: options.Address = None,
    gpus_per_job: options.GpusPerJob = None,
    storage: options.Storage = "float32",
    dry_run: options.DryRun = False,
    rerun: options.Rerun = False,
    as_json: options.Json = False,
    out: options.OutFolder = options.OUT,
    tracking_uri: options.TrackingUri = None,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> int:
    """Run registered combinations, log them to MLflow and print the table."""
    from nverbench.embedding import devices
    from nverbench.pipeline import request
    from nverbench.results import tracking

    tracking_uri = tracking.resolve(tracking_uri)  # before anything is computed
    named = request.named(backbone, fusion, loss, _label_sets(dataset, exclude_label), folds)
    requested = replace(
        named, protocol=protocol, selection=selection, seeds=seeds, dtype=dtype, storage=storage
    )
    shuffle = request.shuffle_of(train)
    requested = replace(requested, untrained=untrained, skip_bad=skip_bad, shuffle=shuffle)
    request.check(requested)
    with _executor(executor, address, gpus_per_job) or contextlib.nullcontext() as cluster:
        requested = replace(requested, device=(cluster or devices).resolve(device))
        rules, parts = load_registry(registry), load_catalog(no_plugin, plugin)
        planned = _planned(rules, parts, requested, download=download)
        if dry_run:
            return _print_estimate(planned.jobs)
        debug = bool(ctx.find_root().params.get("debug"))
        return _carry_out(
            planned, out, tracking_uri, cluster, as_json=as_json, rerun=rerun, debug=debug
        )


def _label_sets(datasets: options.Names, excluded: options.Names) -> tuple[str, ...]:
    """The datasets as named, each without the excluded labels."""
    if excluded and not datasets:
        raise UsageError(
            "--exclude-label needs --dataset: a label means something in one corpus only"
        )
    words = f"exclude={'+'.join(excluded)}" if excluded else ""
    return tuple(
        f"{name}{',' if ':' in name else ':'}{words}" if words else name for name in datasets or ()
    )


def _executor(name: str, address: str | None, gpus_per_job: float | None) -> RayExecutor | None:
    """Ray's executor where it is requested, not connected yet; None for this machine's."""
    from nverbench.pipeline.request import one_of

    if one_of("executor", name, ("local", "ray")) == "ray":
        from nverbench.pipeline.executors.ray.connection import check_installed

        check_installed()
        from nverbench.pipeline.executors.ray.executor import RayExecutor

        return RayExecutor(address, 1.0 if gpus_per_job is None else gpus_per_job, echo_err)
    for option, value in (("--address", address), ("--gpus-per-job", gpus_per_job)):
        if value is not None:
            raise UsageError(f"{option} is an option of Ray; add --executor ray")
    return None


def _planned(rules: Registry, parts: Catalog, requested: Selection, *, download: bool) -> Plan:
    """The plan, printed; missing weights are downloaded first where that is allowed."""
    from nverbench.cli.weights import fetch_missing
    from nverbench.pipeline import plan

    planned = plan.plan(rules, parts, requested)
    if download and planned.missing:
        fetch_missing(planned, rules, parts)
        planned = plan.plan(rules, parts, requested)
    _print_plan(planned)
    return planned


def _print_plan(planned: Plan) -> None:
    """Print notes on the corpora, the entries that cannot run with their reasons, and the number
    of jobs.
    """
    for note in planned.notes:
        echo_err(note)
    if planned.skips:
        echo_err(f"{_entries(len(planned.skips))} cannot run here:")
    for missing in planned.missing:
        echo_err(f"  {missing}  [{_entries(sum(missing in s.missing for s in planned.skips))}]")
    reasons = Counter(r for s in planned.skips if not s.missing for r in s.reasons)
    for reason, count in reasons.items():
        echo_err(f"  {reason}  [{_entries(count)}]")
    if planned.jobs:
        demo = any(job.entry.demo for job in planned.jobs)
        jobs = f"{'demo ' if demo else ''}job{'s' if len(planned.jobs) > 1 else ''}"
        real = sum(not skip.entry.demo for skip in planned.skips)
        instead = f" in place of {real} real ones" if demo else ""
        controls = " (controls, not results)" if all(j.control for j in planned.jobs) else ""
        echo_err(f"running {len(planned.jobs)} {jobs}{instead}{controls}")


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _print_estimate(jobs: Sequence[Job]) -> int:
    """Print the jobs of a dry run with forward passes, disk and minutes."""
    from nverbench.pipeline.estimate import estimate

    for job in jobs:
        echo(f"{job.id}  {job}  [{job.standing.level}]")
    cost = estimate(jobs)
    for name, count in cost.passes.items():
        echo(f"{name}: {count} forward passes")
    names = ", ".join(cost.never_timed)
    known = cost.seconds or not names
    minutes = f"about {cost.seconds / 60:.1f} minutes" if known else "minutes unknown"
    passes = f"{sum(cost.passes.values())} forward passes, {cost.bytes / 1e6:.1f} MB of cache"
    unknown = f", not counting {names} (never timed here)" if names else ""
    echo(f"{len(jobs)} jobs, {passes}, {minutes}{unknown}")
    return 0 if jobs else 2


def _carry_out(
    planned: Plan,
    out: Path,
    uri: str,
    cluster: RayExecutor | None,
    *,
    as_json: bool,
    rerun: bool,
    debug: bool,
) -> int:
    """Run the jobs of a plan, print their results and upload their ranks."""
    from nverbench.cli.progress import watching
    from nverbench.leaderboard.run_ranks import upload_ranks
    from nverbench.pipeline.estimate import check_disk
    from nverbench.pipeline.run import run as run_plan
    from nverbench.results.store import ResultStore

    if disk := check_disk(planned.jobs):
        echo_err(disk)
    if not planned.jobs:
        echo_err("nothing could run")
        return 2
    if cluster is not None:
        cluster.check(planned)
    with watching() as watch:
        summary = run_plan(
            planned, out, uri, say=echo_err, watch=watch, rerun=rerun, debug=debug, executor=cluster
        )
    print_summary(summary, out, uri, as_json=as_json)
    upload_ranks(summary.finished, ResultStore(out), uri, echo_err)
    return summary.exit_code


def print_summary(summary: Summary, out: Path, uri: str, *, as_json: bool) -> None:
    """Print the table (or JSON records), footnotes, failures, and where the results are."""
    from nverbench import leaderboard
    from nverbench.results import speaker_gap, tracking

    results = summary.finished + summary.unchanged
    if as_json:
        for result in results:
            echo(json.dumps(leaderboard.record(result, summary.gaps)))
    elif results:
        print_table(results)
    for line in leaderboard.footnotes(results) if results else []:
        echo_err(line)
    for line in leaderboard.warning_lines(results):
        echo_err(line)
    for gap in summary.gaps:
        (echo_err if as_json else echo)(speaker_gap.text(gap))
    done = f"{len(summary.finished)} finished, {len(summary.unchanged)} already finished"
    echo_err(f"{done}, {len(summary.failures)} failed, {len(summary.plan.skips)} skipped")
    if summary.failures and len(summary.plan.jobs) > 1:  # the reason of a single job is right above
        for failure in summary.failures:
            echo_err(f"failed: {failure.job}: {failure.reason}")
    if results:
        again = "nverbench leaderboard show" + (f" --out {out}" if out != options.OUT else "")
        shown = tracking.shown(uri)
        served = shown.startswith(("http://", "https://"))
        mlflow = shown if served else f"mlflow ui --backend-store-uri {shown}"
        echo_err(f"results: {out / 'results'}    table again: {again}    MLflow: {mlflow}")
