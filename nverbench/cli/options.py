"""Options of commands: their names, types and help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

OUT = Path("nverbench-runs")
"""The default folder of results."""

Names = list[str] | None

# Every command that loads plugins or the registry, or prints records
Device = Annotated[str, Option(help="The device: auto, cpu or cuda.")]
Json = Annotated[
    bool,
    Option("--json", help="Print JSON on standard output, and everything else on standard error."),
]
NoPlugin = Annotated[
    Names,
    Option(
        "--no-plugin",
        help="Do not load this plugin (the name of its entry point or distribution); may be"
        " repeated.",
    ),
]
OutFolder = Annotated[Path, Option("--out", help="The folder of results.")]
PluginFiles = Annotated[
    list[Path] | None,
    Option(
        "--plugin",
        help="A Python file to load as a plugin (its rows are unofficial); may be repeated.",
    ),
]
RegistryFiles = Annotated[
    list[Path] | None,
    Option("--registry", help="A file that adds to registry.yaml; may be repeated."),
]
TrackingUri = Annotated[
    str | None,
    Option(
        "--tracking-uri",
        help="An MLflow tracking server (http://HOST:PORT) or database; default:"
        " MLFLOW_TRACKING_URI where it is set, or sqlite:///mlflow.db in this folder. PostgreSQL: postgresql+psycopg2://USER@HOST/DATABASE,"
        " after pip install psycopg2-binary.",
    ),
]

# What nverbench run runs
Backbones = Annotated[
    Names,
    Option(
        "--backbone",
        help="A backbone, as NAME or NAME:option=value. Given twice: exactly this pair.",
    ),
]
Fusions = Annotated[
    Names,
    Option("--fusion", help="A head or fusion, as NAME or NAME:option=value; may be repeated."),
]
Losses = Annotated[
    Names,
    Option("--loss", help="A loss that replaces the default loss of each fusion; may be repeated."),
]
Datasets = Annotated[
    Names,
    Option("--dataset", help="A dataset, as NAME, folder:PATH or table:FILE.csv; may be repeated."),
]
ExcludedLabels = Annotated[
    Names,
    Option(
        "--exclude-label",
        help="Leave this label out of the named datasets, which makes a label set of its own; may"
        " be repeated.",
    ),
]
FoldKinds = Annotated[
    Names,
    Option(
        "--folds",
        help="The kind of folds: speaker, random, leave-one-group-out, official or holdout=GROUP;"
        " may be repeated.",
    ),
]
Protocol = Annotated[
    str | None,
    Option(help="A protocol of the registry; default: the protocol of each entry (nver-1)."),
]
EpochSelection = Annotated[
    str | None,
    Option(
        "--selection",
        help="How the epoch is chosen: inner, test (optimistic) or last; default: as in the"
        " protocol.",
    ),
]
Seeds = Annotated[int, Option(min=1, help="The number of replicates; an official row has 5.")]
Train = Annotated[
    str | None,
    Option(
        help="The order of turns in training conversations: shuffle=none, intra, inter-speaker or"
        " inter."
    ),
]

# How nverbench run runs it
Dtype = Annotated[
    str,
    Option(
        help="The number format of the backbones: float32, bfloat16 or float16; only float32 is"
        " official."
    ),
]
Untrained = Annotated[
    bool,
    Option("--untrained", help="Use seeded random weights: a control, which needs no network."),
]
Download = Annotated[bool, Option("--download", help="Download missing weights.")]
SkipBad = Annotated[bool, Option("--skip-bad", help="Leave unusable clips out (unofficial).")]
Executor = Annotated[
    str,
    Option(help="Where jobs run: local, or ray (tasks of Ray on this machine or on a cluster)."),
]
Address = Annotated[
    str | None,
    Option(
        help="The address of a running Ray cluster: HOST:PORT or auto; default: Ray is started on"
        " this machine."
    ),
]
GpusPerJob = Annotated[
    float | None,
    Option(
        help="The GPUs of each Ray task: a fraction such as 0.25, or a whole number; default: 1."
    ),
]
Storage = Annotated[
    str,
    Option(
        help="The number format of stored frames: float32, or float16, which takes half the disk"
        " (unofficial)."
    ),
]
DryRun = Annotated[
    bool, Option("--dry-run", help="Print jobs, forward passes, disk and minutes, and run nothing.")
]
Rerun = Annotated[bool, Option("--rerun", help="Compute finished jobs again.")]

# Arguments
BackboneName = Annotated[str, Argument(help="A backbone, as NAME or NAME:option=value.")]
DatasetName = Annotated[str, Argument(help="A dataset, as NAME, folder:PATH or table:FILE.csv.")]
ResultName = Annotated[
    str,
    Argument(help="A result: its id, a unique beginning of its id, or the path of its .json file."),
]
