"""``nverbench data``: local copies of corpora. ``add`` and ``check`` are here; the other commands
have files of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nverbench.cli.common import NoPlugin, PluginFiles, echo, load_catalog
from nverbench.cli.data.folds import data_folds

if TYPE_CHECKING:
    from nverbench.data.corpus import Corpus

data = typer.Typer(help="Local copies of corpora.", no_args_is_help=True, rich_markup_mode=None)
data.command("folds")(data_folds)


@data.command("add")
def data_add(name: str, path: Path, no_plugin: NoPlugin = None, plugin: PluginFiles = None) -> None:
    """Use the folder PATH as the local copy of a dataset's corpus."""
    from nverbench.data import corpus as corpora

    catalog = load_catalog(no_plugin, plugin)
    dataset = catalog.dataset(name)
    say_corpus(corpora.add(dataset, path))
    others = sorted(
        d.name
        for d in catalog.datasets.parts.values()
        if d.corpus == dataset.corpus and d.name != name
    )
    echo(
        f"added {path} as corpus"
        f" {dataset.corpus}{'; it serves ' + ', '.join(others) + ' too' if others else ''}"
    )


@data.command("check")
def data_check(name: str, no_plugin: NoPlugin = None, plugin: PluginFiles = None) -> None:
    """Count a dataset's clips, compare them with what was published, and decode every one."""
    from nverbench.cli.progress import watching
    from nverbench.data import audio
    from nverbench.data import corpus as corpora
    from nverbench.embedding.pooled import check_usable
    from nverbench.errors import AudioError
    from nverbench.plugin.options import split

    corpus = corpora.load_local(load_catalog(no_plugin, plugin).dataset(split(name)[0]), name)
    say_corpus(corpus)
    bad = {}
    with watching() as watch:
        tick = watch(f"decode {name}", len(corpus.clips))
        for clip in corpus.clips:
            try:
                audio.read(clip.path, 16000, clip.start, clip.end)
            except AudioError as error:
                bad[clip.id] = str(error)
            tick(1)
    check_usable(bad, name)
    echo(f"{len(corpus.clips)} clips decode")


def say_corpus(corpus: Corpus) -> None:
    """What was found in a corpus, and how it differs from what was published."""
    groups = {c.unit for c in corpus.clips if c.unit is not None}
    counts = (
        f"{len(corpus.clips)} clips, {len(corpus.labels)} classes, {len(groups)}"
        f" {corpus.dataset.group}s"
    )
    echo(f"{corpus.reference}: {counts}, digest {corpus.digest[:12]}")
    for note in corpus.notes:
        echo(f"  {note}")
    for clip, why in corpus.left_out.items():
        echo(f"  left out {clip}: {why}")
    for misfit in corpus.misfits[:5]:
        echo(f"  does not fit: {misfit.path}: {misfit.reason}")
    if len(corpus.misfits) > 5:
        echo(f"  and {len(corpus.misfits) - 5} more files that do not fit")
