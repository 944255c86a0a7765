"""``nverbench run``: every registered entry that matches, or a combination named in full."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import (
    OUT,
    Device,
    Json,
    NoPlugin,
    OutFolder,
    PluginFiles,
    RegistryFiles,
    TrackingUri,
    echo,
    echo_err,
    load_catalog,
    load_registry,
    print_table,
)
from nverbench.cli.estimate import check_room, say_dry_run

if TYPE_CHECKING:
    from nverbench.pipeline.executors.ray.executor import RayExecutor
    from nverbench.pipeline.job import Plan
    from nverbench.pipeline.run import Summary
    from nverbench.pipeline.selection import Selection
    from nverbench.plugin.catalog import Catalog
    from nverbench.registry import Registry

Names = list[str] | None


def run(
    ctx: typer.Context,
    backbone: Annotated[
        Names, typer.Option(help="NAME or NAME:option=value; twice: exactly that pair.")
    ] = None,
    fusion: Annotated[Names, typer.Option(help="A head or fusion.")] = None,
    loss: Annotated[Names, typer.Option(help="Instead of each fusion's default.")] = None,
    dataset: Annotated[Names, typer.Option(help="NAME, folder:PATH or table:FILE.csv.")] = None,
    exclude_label: Annotated[
        Names, typer.Option(help="Leave a label of the named datasets out: a label set of its own.")
    ] = None,
    folds: Annotated[
        Names,
        typer.Option(
            help="speaker, random, leave-one-group-out, official, holdout=GROUP; twice: both."
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="A protocol of the registry; default: each entry's own (nver-1)."),
    ] = None,
    selection: Annotated[str | None, typer.Option(help="inner, test (optimistic) or last.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Replicates; an official row carries 5.")] = 1,
    device: Device = "auto",
    dtype: Annotated[str, typer.Option(help="float32; anything else is unofficial.")] = "float32",
    untrained: Annotated[
        bool,
        typer.Option("--untrained", help="Seeded random weights: a control, needs no network."),
    ] = False,
    download: Annotated[bool, typer.Option("--download", help="Fetch missing weights.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave unusable clips out (unofficial).")
    ] = False,
    train: Annotated[
        str | None,
        typer.Option(
            help="shuffle=none, intra, inter-speaker or inter: turns of training conversations."
        ),
    ] = None,
    executor: Annotated[
        str, typer.Option(help="local, or ray: tasks of Ray on this machine or a cluster.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a Ray cluster that runs: HOST:PORT or auto; without it Ray starts here."
        ),
    ] = None,
    gpus_per_job: Annotated[
        float | None,
        typer.Option(
            help="Of Ray's tasks: a share of a GPU, as 0.25, or a whole number; default 1."
        ),
    ] = None,
    storage: Annotated[
        str, typer.Option(help="float32; float16 halves the disk that frames take (unofficial).")
    ] = "float32",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print jobs, forward passes, disk and minutes; run nothing."
        ),
    ] = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="Compute finished jobs again.")] = False,
    as_json: Json = False,
    out: OutFolder = OUT,
    tracking_uri: TrackingUri = None,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> int:
    """Run registered combinations, log them to MLflow and print the table."""
    from nverbench.embedding import devices
    from nverbench.pipeline import plan
    from nverbench.pipeline.selection import Selection

    _check_selection(selection)
    cluster = _cluster(executor, address, gpus_per_job)
    with cluster or contextlib.nullcontext():
        asked = Selection(
            backbones=tuple(backbone or ()),
            fusions=tuple(fusion or ()),
            losses=tuple(loss or ()),
            datasets=_label_sets(dataset, exclude_label),
            folds=tuple(folds or ()),
            protocol=protocol,
            selection=selection,
            seeds=seeds,
            device=(cluster or devices).resolve(device),
            dtype=devices.check_dtype(dtype),
            untrained=untrained,
            skip_bad=skip_bad,
            shuffle=_shuffle(train),
            storage=_one_of("storage", storage, ("float32", "float16")),
        )
        rules, parts = load_registry(registry), load_catalog(no_plugin, plugin)
        planned = plan.plan(rules, parts, asked)
        if download and planned.missing:
            planned = _fetched(planned, rules, parts, asked)
        say_plan(planned)
        if dry_run:
            return say_dry_run(planned)
        check_room(planned)
        if not planned.jobs:
            echo_err("nothing could run")
            return 2
        debug = bool(ctx.find_root().params.get("debug"))
        return _carry_out(
            planned, out, tracking_uri, cluster, as_json=as_json, rerun=rerun, debug=debug
        )


def _cluster(executor: str, address: str | None, gpus_per_job: float | None) -> RayExecutor | None:
    """Ray's crew, where it is asked for; not connected yet."""
    from nverbench.errors import UsageError

    if _one_of("executor", executor, ("local", "ray")) == "ray":
        from nverbench.pipeline.executors.ray.connection import check_installed

        check_installed()
        from nverbench.pipeline.executors.ray.executor import RayExecutor

        return RayExecutor(address, 1.0 if gpus_per_job is None else gpus_per_job, echo_err)
    for option, value in (("--address", address), ("--gpus-per-job", gpus_per_job)):
        if value is not None:
            raise UsageError(f"{option} says something of Ray; add --executor ray")
    return None


def _fetched(planned: Plan, rules: Registry, parts: Catalog, asked: Selection) -> Plan:
    """The plan once what it lacked is fetched."""
    from nverbench.cli.weights import fetch_missing
    from nverbench.pipeline import plan

    fetch_missing(planned, rules, parts)
    return plan.plan(rules, parts, asked)


def _carry_out(
    planned: Plan,
    out: Path,
    tracking_uri: str | None,
    cluster: RayExecutor | None,
    *,
    as_json: bool,
    rerun: bool,
    debug: bool,
) -> int:
    from nverbench.cli.leaderboard.ranks import tell_ranks
    from nverbench.cli.progress import watching
    from nverbench.pipeline.run import run as run_plan
    from nverbench.results import tracking

    uri = tracking_uri or tracking.DEFAULT_URI
    if cluster is not None:
        cluster.check(planned)
    with watching() as watch:
        summary = run_plan(
            planned, out, uri, say=echo_err, watch=watch, rerun=rerun, debug=debug, executor=cluster
        )
    say_summary(summary, out, uri, as_json=as_json)
    tell_ranks(summary.finished, out, uri)
    return summary.exit_code


def _label_sets(datasets: Names, excluded: Names) -> tuple[str, ...]:
    """The datasets as named, each without the excluded labels."""
    from nverbench.errors import UsageError

    if excluded and not datasets:
        raise UsageError(
            "--exclude-label needs --dataset: a label means something in one corpus only"
        )
    words = f"exclude={'+'.join(excluded)}" if excluded else ""
    return tuple(
        f"{name}{',' if ':' in name else ':'}{words}" if words else name for name in datasets or ()
    )


def _shuffle(train: str | None) -> str:
    """What ``--train shuffle=HOW`` says."""
    from nverbench.errors import UsageError

    name, _, how = (train or "shuffle=none").partition("=")
    if name != "shuffle":
        raise UsageError(f"--train {train}: expected shuffle=none, intra, inter-speaker or inter")
    return _one_of("--train shuffle", how, ("none", "intra", "inter-speaker", "inter"))


def _one_of(what: str, value: str, known: tuple[str, ...]) -> str:
    from nverbench.errors import UsageError

    if value not in known:
        raise UsageError(f"{what}={value}: expected one of {', '.join(known)}")
    return value


def _check_selection(selection: str | None) -> None:
    from nverbench.errors import UsageError

    if selection not in (None, "inner", "test", "last"):
        raise UsageError(f"selection {selection!r} is unknown; expected inner, test or last")


def say_plan(planned: Plan) -> None:
    """What will run, what is worth knowing about the corpora, and what cannot run and why."""
    for note in planned.notes:
        echo_err(note)
    demo = any(job.entry.demo for job in planned.jobs)
    real = [skip for skip in planned.skips if not skip.entry.demo]
    if planned.skips:
        echo_err(f"{_entries(len(planned.skips))} cannot run here:")
        for missing in planned.missing:
            needed = sum(missing in skip.missing for skip in planned.skips)
            echo_err(f"  {missing}  [{_entries(needed)}]")
        for reason, count in Counter(
            r for s in planned.skips if not s.missing for r in s.reasons
        ).items():
            echo_err(f"  {reason}  [{_entries(count)}]")
    if planned.jobs:
        jobs = (
            f"{len(planned.jobs)}"
            f" {'demo ' if demo else ''}job{'s' if len(planned.jobs) > 1 else ''}"
        )
        instead = f" in place of {len(real)} real ones" if demo else ""
        echo_err(
            "running"
            f" {jobs}{instead}{' (controls, not results)' if all(j.control for j in planned.jobs) else ''}"
        )


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


def say_summary(summary: Summary, out: Path, uri: str, *, as_json: bool) -> None:
    """The table (or JSON records), footnotes, what failed, and where everything is."""
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
    for gap in summary.gaps:
        (echo_err if as_json else echo)(speaker_gap.text(gap))
    done = f"{len(summary.finished)} finished, {len(summary.unchanged)} already finished"
    echo_err(f"{done}, {len(summary.failures)} failed, {len(summary.plan.skips)} skipped")
    if summary.failures and len(summary.plan.jobs) > 1:  # a single job's reason stands right above
        for failure in summary.failures:
            echo_err(f"failed: {failure.job}: {failure.reason}")
    if results:
        again = "nverbench leaderboard show" + (f" --out {out}" if out != OUT else "")
        echo_err(
            f"results: {out / 'results'}    table again: {again}    MLflow: mlflow ui"
            f" --backend-store-uri {tracking.shown(uri)}"
        )
