"""Ranked rows -> the one JSON-able record that the page of the leaderboard draws: a lean line per
result, and the fields they compete in.

Everything comes from the published form of a result: a page is made to be shown. Texts are foreign
(parts, labels and licences come from plugins and submissions), numbers are rounded to what is
drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nverbench.leaderboard.rows import Field, Row, field_of
from nverbench.metrics.chance import HOW, chance
from nverbench.results.published import TERMS
from nverbench.results.record import Result

SCHEMA = 1
DIGITS = 5
"""Decimals of a fraction: a hundredth of the tenth of a percent that is shown."""
FAMILIES = {"mamba": "Mamba", "attention": "attention"}
"""Families whose names the page spells its own way, in the order in which a pair names them."""
COLUMNS = {
    "id": "raw",
    "backbones": "texts",
    "kind": "text",
    "fusion": "text",
    "loss": "text",
    "field": "raw",
    "rank": "raw",
    "unranked": "text",
    "macro_f1": "raw",
    "accuracy": "raw",
    "uar": "raw",
    "behind": "raw",
    "published": "raw",
    "source": "text",
    "gap": "raw",
    "trained": "raw",
    "frozen": "raw",
    "seconds": "raw",
    "standing": "text",
    "level": "text",
    "notes": "texts",
    "control": "raw",
    "licence": "text",
    "seeds": "raw",
}
"""What a line holds: ``raw`` as it is, ``text`` and ``texts`` as places in the list of texts, which
says each one once.
"""


def content(rows: Sequence[Row], *, claims: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The record of all rows: ``columns``, ``texts``, ``rows`` (a list of cells each), ``fields``,
    ``claims`` and ``terms``.

    Args:
        rows: as ``leaderboard.rows`` ranks them.
        claims: papers' sentences with their verdicts; each has paper, sentence, contrast, verdict,
            value, low, high, smallest, corpus and note; if known control (true or false), and
            published, the same contrast on the paper's own table (verdict, value, note).
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
        "claims": [{"control": False, "published": None, **claim} for claim in claims],
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
    e, p = r.entry, r.provenance
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
        "published": (
            [_round(row.published.scores.get(name)) for name in ("accuracy", "macro_f1")]
            if row.published
            else None
        ),
        "source": str(row.published) if row.published else "",
        "gap": interval(row.gap.values.get("macro_f1")) if row.gap else None,
        "trained": p.parameters_trained,
        "frozen": total(p.parameters_frozen.get(name) for name in p.embedding_digests),
        "seconds": _round(
            total(r.timings.embed_per_clip.get(name) for name in p.embedding_digests)
        ),
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
    """What a reader must know before believing the number."""
    said = ["control, not a result"] if r.control else []
    said += ["optimistic: stopped on the test part"] if r.optimistic else []
    said += [f"trained with shuffle={r.shuffle}"] if r.shuffle != "none" else []
    said += (
        [f"heard in pretraining by {', '.join(r.heard_in_pretraining)}"]
        if r.heard_in_pretraining
        else []
    )
    return said


def fields(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What rows must share to be compared, in the order of the lines' ``field``: corpus, folds,
    protocol and selection, with its size and chance.
    """
    by_field: dict[Field, list[Row]] = {}
    for row in rows:
        by_field.setdefault(field_of(row.result), []).append(row)
    firsts = [public(members[0].result) for members in by_field.values()]
    copies = Counter(
        name for name, _ in {(r.entry.dataset, r.provenance.dataset_digest) for r in firsts}
    )
    found = []
    for r, members in zip(firsts, by_field.values(), strict=True):
        several = copies[r.entry.dataset] > 1  # a partial copy must not look like the whole corpus
        found.append(
            {
                "corpus": (
                    r.entry.dataset
                    + (f" (copy {r.provenance.dataset_digest[:8]})" if several else "")
                ),
                "folds": r.folds.kind,
                "protocol": (
                    r.protocol + ("" if r.selection == "inner" else f", selection {r.selection}")
                ),
                "digest": r.provenance.dataset_digest[:12],
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
        )
    return found


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

    def place(text: str) -> int:
        return texts.setdefault(text, len(texts))

    packed: list[Any] = []
    for name, how in COLUMNS.items():
        cell = cells[name]
        packed.append(
            cell
            if how == "raw"
            else place(cell)
            if how == "text"
            else [place(text) for text in cell]
        )
    return packed
