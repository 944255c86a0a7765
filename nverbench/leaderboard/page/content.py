"""Ranked rows -> the JSON record that the leaderboard's page draws: a short line per result, and
the fields they compete in.

Everything comes from the published form of a result. Texts are third-party (parts, labels and
licences come from plugins and submissions); numbers are rounded to the precision of the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nverbench.leaderboard.rows import Field, Row, field_of
from nverbench.metrics.chance import HOW, chance
from nverbench.results.published import TERMS
from nverbench.results.record import Result
from nverbench.results.status import status_notes

SCHEMA = 1
UNSAID: dict[str, Any] = {
    **dict.fromkeys(("folds", "protocol"), ""),
    **dict.fromkeys(("p", "p_adjusted", "accuracy", "published")),
    "control": False,
    "tracks": (),
}
"""What a record of a claim need not have, with its default."""
DIGITS = 5
"""Decimals of a fraction; the page shows tenths of a percent."""
FAMILIES = {"mamba": "Mamba", "attention": "attention"}
"""Family -> its name on the page, in the order in which a pair names them."""
NAMES = (
    "id backbones kind fusion loss field rank unranked macro_f1 accuracy uar behind published"
    " source gap trained frozen seconds standing level notes control licence seeds"
)
WORDS = ("kind", "fusion", "loss", "unranked", "source", "standing", "level", "licence")
KINDS = {**dict.fromkeys(WORDS, "text"), "backbones": "texts", "notes": "texts"}
COLUMNS = {name: KINDS.get(name, "raw") for name in NAMES.split()}
"""The cells of a line: ``raw`` unchanged, ``text`` and ``texts`` as indices into the list of texts,
which holds each text once.
"""


def content(rows: Sequence[Row], *, claims: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The record of all rows: ``columns``, ``texts``, ``rows`` (a list of cells each), ``fields``,
    ``claims`` and ``terms``.

    Args:
        rows: as ``leaderboard.rows`` ranks them.
        claims: papers' sentences with their verdicts, as ``ClaimVerdict.record`` gives them; each
            has paper, sentence, contrast, verdict, value, low, high, smallest, corpus and note, and
            may have those of ``UNSAID``.
    """
    places: dict[Field, int] = {}
    for row in rows:
        places.setdefault(field_of(row.result), len(places))
    texts: dict[str, int] = {}
    lines = [_packed(line(row, places[field_of(row.result)]), texts) for row in rows]
    return {
        "schema": SCHEMA,
        "columns": COLUMNS,
        "rows": lines,
        "texts": list(texts),
        "fields": fields(rows),
        "claims": [{**UNSAID, **claim} for claim in claims],
        "terms": TERMS,
    }


def public(result: Result) -> Result:
    """The published form of a result; itself where it is that form."""
    return result if result.names is None else result.published()


def line(row: Row, field: int) -> dict[str, Any]:
    """One result as the table shows it; scores and differences are ``[value, low, high]`` as
    fractions, bounds None where no claim is made.
    """
    r = public(row.result)
    e, p, theirs = r.entry, r.provenance, row.published
    seconds = total(r.timings.embed_per_clip.get(name) for name in p.embedding_digests)
    printed = theirs and [_round(theirs.scores.get(name)) for name in ("accuracy", "macro_f1")]
    return {
        "id": r.id,
        "backbones": e.backbones,
        "kind": kind(e.families),
        "fusion": e.fusion,
        "loss": e.loss,
        "field": field,
        "rank": row.rank,
        "unranked": row.unranked,
        **{name: interval(r.scores.get(name)) for name in ("macro_f1", "accuracy", "uar")},
        "behind": interval(row.behind.difference) if row.behind else None,
        "published": printed,
        "source": str(theirs) if theirs else "",
        "gap": interval(row.gap.values.get("macro_f1")) if row.gap else None,
        "trained": p.parameters_trained,
        "frozen": total(p.parameters_frozen.get(name) for name in p.embedding_digests),
        "seconds": _round(seconds),
        "standing": r.standing,
        "level": row.filed.level,
        "notes": notes(r),
        "control": r.control,
        "licence": r.licence,
        "seeds": r.seeds,
    }


def kind(families: Sequence[str]) -> str:
    """The kind of a single backbone or of a pair, whatever the order: ``Mamba``, ``Mamba +
    attention``, ``attention + attention``.
    """
    order = {name: place for place, name in enumerate(FAMILIES)}
    return " + ".join(
        FAMILIES.get(f, f) for f in sorted(families, key=lambda f: (order.get(f, len(order)), f))
    )


def notes(r: Result) -> list[str]:
    """Limits of the score that a reader must know."""
    shuffled = [f"trained with shuffle={r.shuffle}"] if r.shuffle != "none" else []
    return [*status_notes(r), *shuffled]


def fields(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The fields in the order of the lines' ``field``: corpus, folds, protocol and selection, with
    size and chance.
    """
    by_field: dict[Field, list[Row]] = {}
    for row in rows:
        by_field.setdefault(field_of(row.result), []).append(row)
    firsts = [public(members[0].result) for members in by_field.values()]
    copies = Counter(
        name for name, _ in {(r.entry.dataset, r.provenance.dataset_digest) for r in firsts}
    )
    return [
        _field(r, members, several=copies[r.entry.dataset] > 1)
        for r, members in zip(firsts, by_field.values(), strict=True)
    ]


def _field(r: Result, members: Sequence[Row], *, several: bool) -> dict[str, Any]:
    """One field; ``several``: of several copies of a corpus each is marked, because a partial copy
    must not look like the whole corpus.
    """
    digest = r.provenance.dataset_digest
    return {
        "corpus": r.entry.dataset + (f" (copy {digest[:8]})" if several else ""),
        "folds": r.folds.kind,
        "protocol": r.protocol + ("" if r.selection == "inner" else f", selection {r.selection}"),
        "digest": digest[:12],
        "cut": r.folds.digest[:12],
        "number": r.folds.number,
        "clips": r.counts.clips,
        "groups": r.counts.groups,
        "unit": r.unit,
        "classes": len(r.labels),
        "ranked": sum(row.rank is not None for row in members),
        "chance": [
            {"how": HOW[how], **{n: _round(v) for n, v in known.items()}}
            for how, known in chance(r.counts.per_class).items()
        ],
    }


def interval(score: Any) -> list[float | None] | None:
    """``[value, low, high]`` of anything that has them; None of None."""
    return None if score is None else [_round(score.value), _round(score.low), _round(score.high)]


def total(numbers: Any) -> Any:
    """The sum of numbers, None where one of them is not known (or there are none)."""
    given = list(numbers)
    return None if not given or None in given else sum(given)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _packed(cells: Mapping[str, Any], texts: dict[str, int]) -> list[Any]:
    """The cells in the order of COLUMNS, each text as its place among ``texts``."""

    def place(cell: Any) -> Any:
        if isinstance(cell, str):
            return texts.setdefault(cell, len(texts))
        return [place(text) for text in cell]

    return [cells[name] if how == "raw" else place(cells[name]) for name, how in COLUMNS.items()]
