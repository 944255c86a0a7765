"""A loader can say a sentence about its whole input, and the plan prints it."""

from __future__ import annotations

from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Note
from nverbench.data import corpus as corpora


def test_a_note_of_a_loader_is_a_remark_of_the_corpus_and_no_misfit(tmp_path: Path) -> None:
    names = ("a.wav", "b.wav")
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    dataset = Dataset(
        name="noted",
        load=lambda root: [
            Note("column mood is not used"),
            *(Clip(name, tmp_path / name, name[0]) for name in names),
        ],
        label_card=LabelCard(kind="portrayed", setting="acted"),
    )
    corpus = corpora.load_local(dataset, "noted")
    assert corpus.remarks == ("column mood is not used",)
    assert (corpus.misfits, corpus.notes, corpus.partial) == ((), (), False)
