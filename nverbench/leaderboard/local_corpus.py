"""The corpus of a result, as this machine has it."""

from __future__ import annotations

from nverbench._io.text import escape_control_characters
from nverbench.data.corpus import Corpus
from nverbench.data.cross_corpus import load_local_pair
from nverbench.errors import ArtifactError
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import split
from nverbench.results.record import Result


def local_corpus(result: Result, catalog: Catalog, reference: str | None = None) -> Corpus:
    """The clips that a result was made on.

    Args:
        result: the result.
        catalog: the parts of this machine.
        reference: the dataset as this machine writes it; None: as the result does, which has the
            name of a table or folder without its path.

    Raises:
        ArtifactError: the corpus is not here, or is another copy than the result's.
    """
    reference, expected = reference or result.entry.dataset, result.provenance.dataset_digest
    dataset = catalog.dataset(split(reference)[0])
    corpus = load_local_pair(catalog.dataset, reference)
    if corpus.digest != expected:
        message = (
            f"the copy of {reference} here has digest {corpus.digest[:12]}, and result {result.id}"
            f" was made on {expected[:12]}; nverbench data check {dataset.name} says how it differs"
        )
        raise ArtifactError(escape_control_characters(message))
    return corpus
