"""What a run prints about its clips: their classes and speakers in one line, and what looks wrong.

A corpus of a plugin gets the line alone: its classes are those that its authors published.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from nverbench.data.corpus import Corpus
from nverbench.data.folds.official import WORDS
from nverbench.data.metadata.names import NO_VALUE, UNCERTAIN

SHOWN = 5
"""Classes of the line; of more, the largest three and the smallest."""
MAJORITY = 0.8
"""Share of the largest class from which accuracy says little."""
HALF = 0.5
"""A speaker with more of the clips than this decides the score."""
MANY = 8
"""Numbers from which labels such as 0.37 look like a measured quantity."""
PERSON = re.compile(
    r"(actor|speaker|spk|spkr|subject|subj|participant|person|sub)[ _-]?\d+", re.IGNORECASE
)
NUMBERED = re.compile(r"(s|p|m|f|sp|id|pt)[ _-]?\d{2,}", re.IGNORECASE)
"""s00, f01: people, where every class is called so."""
DECIMAL = re.compile(r"[-+]?\d*[.,]\d+")


def overview(corpus: Corpus) -> list[str]:
    """The line of a corpus, then a sentence for everything that looks wrong in one's own data."""
    dataset = corpus.dataset
    counts = Counter(str(clip.label) for clip in corpus.clips)
    units = {clip.unit for clip in corpus.clips} - {None}
    people = f"{len(units) or 'no'} {dataset.group}{'' if len(units) == 1 else 's'}"
    classes = ", ".join(
        dataset.shown(name) if n is None else f"{dataset.shown(name)} {n}"
        for name, n in _listed(counts)
    )
    line = f"{len(corpus.clips):,} clips, {len(counts)} classes ({classes}), {people}"
    return [line] if dataset.corpus is not None else [line, *_oddities(corpus, counts)]


def _listed(counts: Counter[str]) -> Iterator[tuple[str, int | None]]:
    """Classes with their clips; of many, the largest three, the smallest, and how many more."""
    order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if len(order) <= SHOWN:
        yield from sorted(counts.items())
        return
    yield from order[:3]
    yield f"{len(order) - 4} more", None
    yield order[-1]


def _oddities(corpus: Corpus, counts: Counter[str]) -> Iterator[str]:
    """Sentences about classes and speakers that look wrong."""
    single = sorted(name for name, n in counts.items() if n == 1)
    if single:
        yield f"{_classes(single)} one clip: it cannot be both trained and tested"
    yield from _of_names(sorted(counts))
    yield from _of_people(corpus, set(single))
    largest, most = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
    share = most / counts.total()
    if share > MAJORITY:
        yield (
            f"{share:.0%} of the clips are of class {largest}: always guessing it has that"
            " accuracy, so read macro-F1 and UAR"
        )


def _of_names(names: Sequence[str]) -> Iterator[str]:
    """Sentences about classes whose names are not those of classes."""
    numbered = list(names) if all(map(NUMBERED.fullmatch, names)) else []
    tests = (
        ("the parts of a split", [n for n in names if n.casefold() in WORDS]),
        ("people", [n for n in names if PERSON.fullmatch(n)] or numbered),
        ("missing values", [n for n in names if n.casefold() in NO_VALUE | UNCERTAIN]),
    )
    for what, found in tests:
        if found:
            yield f"{_classes(found, 'look')} like {what}; check which column or folder has labels"
    numbers = [n for n in names if DECIMAL.fullmatch(n)]
    if len(numbers) == len(names) and len(names) >= MANY:
        yield (
            f"the {len(names)} labels are decimal numbers (first {names[0]}) and look continuous;"
            " each is a class of its own here, so group them into classes"
        )


def _of_people(corpus: Corpus, single: set[str]) -> Iterator[str]:
    """Sentences about classes of one speaker, speakers of one class, and a speaker of most
    clips.
    """
    group, of_class = corpus.dataset.group, defaultdict(set)
    of_unit = defaultdict(set)
    for clip in corpus.clips:
        if clip.unit is None:
            return
        of_class[str(clip.label)].add(clip.unit)
        of_unit[clip.unit].add(str(clip.label))
    if len(of_unit) < 2:
        return
    alone = sorted(c for c, units in of_class.items() if len(units) == 1 and c not in single)
    each = all(len(labels) == 1 for labels in of_unit.values())
    if len(alone) == len(of_class) and each:
        yield (
            f"every class has one {group} and every {group} one class: a score cannot tell the"
            f" class from the {group}"
        )
    elif alone:
        yield (
            f"{_classes(alone)} one {group}: it is never both trained and tested in folds that"
            f" keep {group}s apart"
        )
    elif each:
        yield (
            f"every {group} has one class: a model that recognises {group}s gains from it, so keep"
            f" {group}s apart"
        )
    unit, most = Counter(clip.unit for clip in corpus.clips).most_common(1)[0]
    share = most / len(corpus.clips)
    if share > HALF and len(of_unit) > 2:
        yield f"{group} {unit} has {share:.0%} of the clips and decides the score"


def _classes(names: Sequence[str], verb: str = "have") -> str:
    """The names of classes with a verb: ``class sigh has``, ``classes cry, laugh have``."""
    if len(names) == 1:
        return f"class {names[0]} {'has' if verb == 'have' else f'{verb}s'}"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"classes {', '.join(names[:SHOWN])}{more} {verb}"
