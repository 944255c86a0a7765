"""A result as one JSON record, for other programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nverbench.leaderboard.rows import Row
from nverbench.leaderboard.tables.wording import differences
from nverbench.metrics.chance import chance
from nverbench.results.published import TERMS, Published, reported
from nverbench.results.record import Result
from nverbench.results.speaker_gap import Gap


def record(result: Result, gaps: Sequence[Gap] = ()) -> dict[str, object]:
    """A result as one JSON record, without the epoch curves and the table of names.

    With it: what chance scores; the paper's score and ours minus it, where there is one; the
    speaker gap it is a side of, if any.
    """
    content: dict[str, object] = result.model_dump(
        mode="json", exclude={"per_fold": {"__all__": {"curves"}}, "names": True}
    )
    content["chance"] = chance(result.counts.per_class)
    if reference := reported(result):
        content["published"] = {
            **_published(reference),
            "difference": differences(result, reference),
            "terms": TERMS,
        }
    own = [gap.model_dump(mode="json") for gap in gaps if result.id in gap.ids]
    return content | ({"speaker_gap": own[0]} if own else {})


def _published(reference: Published) -> dict[str, object]:
    """Without what the paper does not print, also in its other readings."""
    said = {
        key: value
        for key, value in dataclasses.asdict(reference).items()
        if key != "others" and value is not None
    }
    content = {key: value for key, value in said.items() if value != "" or key == "table"}
    return content | (
        {"others": [_published(other) for other in reference.others]} if reference.others else {}
    )


def ranked_record(row: Row, gaps: Sequence[Gap] = ()) -> dict[str, object]:
    """The record of a result with its place: ``rank`` or why there is none, and ``behind``, the
    best row of its field minus this one (macro-F1).
    """
    return {
        **record(row.result, gaps),
        "rank": row.rank,
        "unranked": row.unranked,
        "behind": dataclasses.asdict(row.behind) if row.behind else None,
        "level": row.filed.level,
    }
