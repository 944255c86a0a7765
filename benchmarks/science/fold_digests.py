"""Digests of the folds of every corpus whose list of clips follows from its publication: no audio
is needed to know them.

``python benchmarks/science/fold_digests.py`` prints what registry.yaml should hold under
``pins.datasets.NAME.folds``; ``--check`` compares and exits 1 where they differ. The clips are all
names that the published scheme allows and the loader's own parser accepts, without known defects,
cut as nver-1 says; copies of one recording are those that the registry lists (``same_recordings``).
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

from nverbench import Clip, Dataset, registry
from nverbench.data.folds.protocol import folds_of_protocol
from nverbench_datasets import crema_d, emogator, ravdess
from nverbench_datasets.named_files import Parse, Said

PROTOCOL = "nver-1"
KINDS = ("speaker", "random")


def emogator_names() -> Iterable[str]:
    """The scheme of EmoGator's README: 357 contributors, 30 categories, 3 takes."""
    ranges = (
        range(1, emogator.CONTRIBUTORS + 1),
        range(1, len(emogator.CATEGORIES) + 1),
        range(1, emogator.TAKES + 1),
    )
    return (
        f"{contributor:06d}-{category:02d}-{take}.mp3"
        for contributor, category, take in itertools.product(*ranges)
    )


def pinned_names() -> Iterable[str]:
    """The committed list of emogator-41."""
    return (f"{clip}.mp3" for clip in emogator.manifest())


def ravdess_names() -> Iterable[str]:
    """The scheme of RAVDESS' speech part: 24 actors x 60; neutral has one intensity."""
    twice, emotions, actors = (
        ("01", "02"),
        range(1, len(ravdess.EMOTIONS) + 1),
        range(1, ravdess.ACTORS + 1),
    )
    grid = itertools.product(emotions, twice, twice, twice, actors)
    return (
        f"03-01-{emotion:02d}-{intensity}-{statement}-{take}-{actor:02d}.wav"
        for emotion, intensity, statement, take, actor in grid
    )


def crema_d_names() -> Iterable[str]:
    """The grid that SentenceFilenames.csv of the repository fills but for 20 holes, which the
    parser knows: 7,442 names.
    """
    actors = map(str, range(crema_d.FIRST_ACTOR, crema_d.LAST_ACTOR + 1))
    grid = itertools.product(
        actors, crema_d.SENTENCES, crema_d.EMOTIONS, (*crema_d.LEVELS, crema_d.NO_LEVEL)
    )
    return ("_".join(parts) + ".wav" for parts in grid)


FOLLOWS: tuple[tuple[Dataset, Parse, Callable[[], Iterable[str]]], ...] = (
    (emogator.EMOGATOR, emogator.parse, emogator_names),
    (emogator.EMOGATOR_10, emogator.parse, emogator_names),
    (emogator.EMOGATOR_41, emogator.parse, pinned_names),
    (ravdess.RAVDESS, ravdess.parse, ravdess_names),
    (crema_d.CREMA_D, crema_d.parse, crema_d_names),
)
DOES_NOT = {
    "asvp-esd": (
        "which statements, intensities and sources each actor has is told by the files only"
    ),
    "jnv": "how many clips each speaker has per emotion is not published",
    "vivae": "clips per speaker and per state are published, clips per speaker and state are not",
    "emodb": (
        "535 of about 800 recordings were kept after a listening test; which ones is told by the"
        " files only"
    ),
    "mesd": "the words of each emotion and voice are told by the files only",
    "donate-a-cry": "a name holds the id of an installation and a time",
    "vocalsound": "which numbers of speakers and collections exist is told by the files only",
    "iemocap": (
        "the turns of a dialogue are told by its evaluation file, which is had by request only"
    ),
}
"""Corpus -> why its folds cannot be known without a copy."""


def clips(dataset: Dataset, parse: Parse, names: Iterable[str]) -> list[Clip]:
    """The scored clips of the published corpus; their paths lead nowhere.

    Raises:
        SystemExit: the names do not give the counts that the dataset declares.
    """
    said = [
        item
        for item in map(parse, names)
        if isinstance(item, Said) and item.label in dataset.labels
    ]
    have = {label: sum(item.label == label for item in said) for label in dataset.labels}
    if have != dict(dataset.counts):
        raise SystemExit(
            f"{dataset.name}: the published names give {have}, the loader declares"
            f" {dict(dataset.counts)}"
        )
    return [
        Clip(item.id, Path(item.id), item.label, item.speaker, item.group)
        for item in said
        if item.id not in dataset.defects
    ]


def digests(dataset: Dataset, parse: Parse, names: Iterable[str]) -> dict[str, str]:
    """Kind of folds -> digest."""
    rules, published = registry.load(), clips(dataset, parse, names)
    protocol, same = rules.protocol(PROTOCOL), rules.same_recordings(dataset.name)
    return {
        kind: folds_of_protocol(published, kind, protocol, "last", same=same).digest
        for kind in KINDS
    }


def main() -> None:
    """Print the digests, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with registry.yaml")
    check = parser.parse_args().check
    wrong = 0
    for dataset, parse, names in FOLLOWS:
        pinned = registry.load().datasets[dataset.name].folds
        for kind, digest in digests(dataset, parse, names()).items():
            differs = pinned.get(kind) != digest
            wrong += differs
            note = (
                ""
                if not check
                else f"  is not the registered {pinned.get(kind)}"
                if differs
                else "  registered"
            )
            print(f"{dataset.name:12} {kind:8} {digest}{note}")
    for corpus, why in DOES_NOT.items():
        print(f"{corpus:12} needs a copy: {why}")
    if check and wrong:
        raise SystemExit(f"{wrong} digests differ from registry.yaml")


if __name__ == "__main__":
    main()
