"""``nverbench data check``: counts of a local copy, and whether every clip decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nverbench.cli import options
from nverbench.cli.common import echo, load_catalog

if TYPE_CHECKING:
    from nverbench.data.corpus import Corpus


def data_check(
    name: options.DatasetName,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Count the clips of a dataset, compare the counts with the published ones, and decode each."""
    from nverbench.cli.progress import watching
    from nverbench.data import clip_facts
    from nverbench.data import corpus as corpora
    from nverbench.data.overview import overview
    from nverbench.pipeline.bad_clips import check_usable
    from nverbench.pipeline.own_data import find_dataset

    corpus = corpora.load_local(find_dataset(load_catalog(no_plugin, plugin), name), name)
    print_corpus(corpus)
    for line in overview(corpus)[1:]:
        echo(f"  {line}")
    with watching() as watch:
        tick = watch(f"decode {name}", len(corpus.clips))
        facts = clip_facts.facts_of(corpus.clips, corpus.sha256, tick)
    check_usable({i: f.reason for i, f in facts.items() if f.reason is not None}, name)
    echo(f"{len(corpus.clips)} clips decode")


def print_corpus(corpus: Corpus) -> None:
    """Print the counts of a corpus, and how they differ from the published ones."""
    groups = {c.unit for c in corpus.clips if c.unit is not None}
    counts = (
        f"{len(corpus.clips)} clips, {len(corpus.labels)} classes, {len(groups)}"
        f" {corpus.dataset.group}s"
    )
    echo(f"{corpus.reference}: {counts}, digest {corpus.digest[:12]}")
    for note in (*corpus.notes, *corpus.remarks):
        echo(f"  {note}")
    for clip, why in corpus.left_out.items():
        echo(f"  left out {clip}: {why}")
    for misfit in corpus.misfits[:5]:
        echo(f"  does not fit: {misfit.path}: {misfit.reason}")
    if len(corpus.misfits) > 5:
        echo(f"  and {len(corpus.misfits) - 5} more files that do not fit")
