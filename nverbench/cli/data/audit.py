"""``nverbench data audit``: problems of a local copy, found before anything is trained on it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo_err, load_catalog, load_registry
from nverbench.errors import ArtifactError, DiskError

if TYPE_CHECKING:
    from nverbench.data.audit import AuditResult
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Dataset

FOLDER = Path("nverbench-audit")


def audit(
    name: options.DatasetName,
    folds: Annotated[
        str | None, typer.Option(help="The kind of folds; default: the kind that a run uses.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder for audit.json, report.txt and figures; default: nverbench-audit/NAME."
        ),
    ] = None,
    as_json: options.Json = False,
    registry_files: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Check the clips of a dataset for duplicates, silence, clipping, sizes, balance, confounds and
    folds: writes a report, the same as JSON, and figures.

    NAME is a dataset, folder:PATH or table:FILE.csv. The report stays on this machine: it names
    clips and speakers.
    """
    from nverbench.cli.progress import watching
    from nverbench.data import audit as auditor
    from nverbench.data import corpus as corpora
    from nverbench.data.audit.report import text
    from nverbench.data.missing import missing_corpus
    from nverbench.pipeline.own_data import find_dataset
    from nverbench.plugin.options import resolve

    catalog = load_catalog(no_plugin, plugin)
    dataset = find_dataset(catalog, name)
    if (root := corpora.local_copy(dataset)) is None and dataset.corpus is not None:
        raise ArtifactError(str(missing_corpus(dataset.name, dataset, None)))
    rules, reference = load_registry(registry_files), resolve(dataset, name)
    protocol = rules.protocol("nver-1")
    with watching() as watch:
        found = auditor.audit(
            dataset,
            reference,
            root,
            kind=folds,
            k=protocol.k,
            seed=protocol.seed,
            shortest=_shortest(catalog),
            listed=rules.same_recordings(dataset.name),
            watch=watch,
        )
    report = text(found.report, dataset.shown)
    record = json.dumps(auditor.as_json(found.report), indent=1, allow_nan=False)
    folder = out or FOLDER / re.sub(r"[^A-Za-z0-9.+=-]+", "-", str(reference)).strip("-.")
    written = _write(found, dataset, folder, report, record)
    typer.echo(record if as_json else report, nl=as_json)
    echo_err(f"written to {folder}: {', '.join(written)}")


def _shortest(catalog: Catalog) -> list[tuple[str, float]]:
    """The seconds that each backbone embeds without padding."""
    encoders = [b for b in catalog.backbones.parts.values() if b.load is not None]
    return [(b.name, b.min_samples / b.sample_rate) for b in encoders]


def _write(
    found: AuditResult, dataset: Dataset, folder: Path, report: str, record: str
) -> list[str]:
    """Write the files of an audit; their names."""
    from nverbench._io.atomic import write_atomically
    from nverbench.data.audit.near_copies import block
    from nverbench.data.audit.plots import draw

    texts = {"audit.json": f"{record}\n", "report.txt": report}
    if groups := found.report.same_recordings:
        texts["same_recordings.yaml"] = "\n".join([*block(dataset.name, groups), ""])
    try:
        for name, content in texts.items():
            write_atomically(folder / name, content.encode("utf-8", "backslashreplace"))
        figures = draw(found, folder, dataset.shown)
    except (OSError, DiskError) as error:
        reason = getattr(error.__cause__ or error, "strerror", error)
        raise ArtifactError(
            f"{folder}: the audit cannot be written ({reason}); choose another folder with --out"
        ) from error
    return [*texts, *(path.name for path in figures)]
