"""Options of commands: their names, types and help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

OUT = Path("nverbench-runs")
"""The default folder of results."""

Names = list[str] | None

# Every command that loads plugins or the registry, or prints records
Device = Annotated[str, Option(help="auto, cpu or cuda.")]
Json = Annotated[
    bool,
    Option(
        "--json",
        help="Machine-readable: JSON on standard output, everything else on standard error.",
    ),
]
NoPlugin = Annotated[
    Names,
    Option(
        "--no-plugin", help="Leave a plugin (entry point or distribution) out; may be repeated."
    ),
]
OutFolder = Annotated[Path, Option("--out", help="Folder of results.")]
PluginFiles = Annotated[
    list[Path] | None,
    Option("--plugin", help="A Python file to use as a plugin (unofficial); may be repeated."),
]
RegistryFiles = Annotated[
    list[Path] | None,
    Option("--registry", help="An overlay that adds to registry.yaml; may be repeated."),
]
TrackingUri = Annotated[
    str | None,
    Option(
        "--tracking-uri",
        help="An MLflow tracking server (http://HOST:PORT) or database; default:"
        " sqlite:///mlflow.db in this folder. PostgreSQL: postgresql+psycopg2://USER@HOST/DATABASE,"
        " which needs pip install psycopg2-binary.",
    ),
]

# What nverbench run runs
Backbones = Annotated[
    Names, Option("--backbone", help="NAME or NAME:option=value; twice: exactly that pair.")
]
Fusions = Annotated[Names, Option("--fusion", help="A head or fusion.")]
Losses = Annotated[Names, Option("--loss", help="Instead of each fusion's default.")]
Datasets = Annotated[Names, Option("--dataset", help="NAME, folder:PATH or table:FILE.csv.")]
ExcludedLabels = Annotated[
    Names,
    Option(
        "--exclude-label", help="Leave a label of the named datasets out: a label set of its own."
    ),
]
FoldKinds = Annotated[
    Names,
    Option(
        "--folds",
        help="speaker, random, leave-one-group-out, official, holdout=GROUP; twice: both.",
    ),
]
Protocol = Annotated[
    str | None, Option(help="A protocol of the registry; default: each entry's own (nver-1).")
]
EpochSelection = Annotated[
    str | None, Option("--selection", help="inner, test (optimistic) or last.")
]
Seeds = Annotated[int, Option(min=1, help="Replicates; an official row carries 5.")]
Train = Annotated[
    str | None,
    Option(help="shuffle=none, intra, inter-speaker or inter: turns of training conversations."),
]

# How nverbench run runs it
Dtype = Annotated[str, Option(help="float32; anything else is unofficial.")]
Untrained = Annotated[
    bool, Option("--untrained", help="Seeded random weights: a control, needs no network.")
]
Download = Annotated[bool, Option("--download", help="Fetch missing weights.")]
SkipBad = Annotated[bool, Option("--skip-bad", help="Leave unusable clips out (unofficial).")]
Executor = Annotated[str, Option(help="local, or ray: tasks of Ray on this machine or a cluster.")]
Address = Annotated[
    str | None,
    Option(help="Of a Ray cluster that runs: HOST:PORT or auto; without it Ray starts here."),
]
GpusPerJob = Annotated[
    float | None,
    Option(help="Of Ray's tasks: a share of a GPU, as 0.25, or a whole number; default 1."),
]
Storage = Annotated[
    str, Option(help="float32; float16 halves the disk that frames take (unofficial).")
]
DryRun = Annotated[
    bool, Option("--dry-run", help="Print jobs, forward passes, disk and minutes; run nothing.")
]
Rerun = Annotated[bool, Option("--rerun", help="Compute finished jobs again.")]

# A result of nverbench compare, figure and submit
ResultName = Annotated[
    str, Argument(help="A result: its id, a beginning of it that no other has, or its file.")
]
