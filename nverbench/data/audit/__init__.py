"""``nverbench data audit``: faults of a corpus, found before it is trained on.

One decode per clip (``measurements``), in processes that may die on a file (``pool``); then copies
(``duplicates``), balance, confounds, folds (``leakage``), and the findings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.data import corpus as corpora
from nverbench.data.audit import (
    balance,
    confounds,
    duplicates,
    findings,
    leakage,
    near_copies,
    pool,
)
from nverbench.data.audit.measurements import Measurement, Place, measure
from nverbench.data.audit.records import Measured, Report
from nverbench.data.copies import usable_copies

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nverbench.plugin.options import PartRef
    from nverbench.plugin.records import Clip, Dataset

Watch = Callable[[str, int], Callable[[int], None]]
"""``(stage, total) -> tick(steps)``, as the progress display of the command line provides it."""


@dataclass(frozen=True)
class AuditResult:
    """The report, and what the plots need in addition: every clip and the fold that tests it."""

    report: Report
    clips: tuple[Clip, ...]
    places: Mapping[str, str]


def audit(
    dataset: Dataset,
    reference: PartRef,
    root: Path | None,
    *,
    kind: str | None = None,
    k: int,
    seed: int,
    shortest: Iterable[tuple[str, float]] = (),
    shuffles: int = confounds.SHUFFLES,
    listed: Sequence[Collection[str]] = (),
    watch: Watch = lambda stage, total: lambda steps: None,
    processes: int | None = None,
) -> AuditResult:
    """The audit of a dataset's local copy ``root``; a fault of a file is reported, never raised.

    ``kind``, ``k`` and ``seed`` choose the folds (``kind`` None: the default one); ``shortest`` has
    the seconds that each backbone embeds without padding; chance comes from ``shuffles`` (>= 2)
    shuffled labels; ``listed``: ``same_recordings`` of the registry. A DatasetError: not the
    corpus; a FoldError: it cannot be cut by ``kind``.
    """
    corpus = whole = corpora.load(dataset, reference, root)
    if corpus.left_out:  # known defects are measured too, so that the audit confirms them
        whole = corpora.load(replace(dataset, defects={}), reference, root)
    same = usable_copies(corpus.clips, corpus.sha256, listed).recordings
    made, found = leakage.cut(corpus.clips, dataset, kind, k=k, seed=seed, same=same)
    place = leakage.places(corpus.clips, made)
    with duplicates.signal_store() as store:
        measured, prints = _measured(whole.clips, store, watch, processes)
        tick = _ticker(watch, "compare")
        copies = duplicates.copies(whole, prints, store, place.get, processes, tick)
    chance = {"k": k, "seed": seed, "shuffles": shuffles}
    tick = _ticker(watch, "confounds")
    trees = confounds.confounds(corpus.clips, measured, made, **chance, tick=tick)
    if made is not None:
        found = leakage.crossing(corpus.clips, corpus.labels, made, place, copies)
    report = Report(
        dataset=str(reference),
        digest=corpus.digest,
        clips=len(whole.clips),
        labels=corpus.labels,
        verdicts=(),
        defects=dict(corpus.left_out),
        notes=(*corpus.notes, *corpus.remarks),
        misfits=tuple(sorted((m.path, m.reason) for m in corpus.misfits)),
        sizes=balance.sizes(measured.values(), shortest),
        copies=copies,
        same_recordings=near_copies.unlisted(copies, listed),
        balance=balance.balance(whole.clips, corpus.labels, measured),
        confounds=trees,
        folds=found,
        measured=tuple(measured.values()),
    )
    return AuditResult(replace(report, verdicts=findings.of_report(report)), whole.clips, place)


def as_json(report: Report) -> dict[str, Any]:
    """Plain JSON: numbers to six digits, no NaN."""
    return _rounded(asdict(report))  # type: ignore[no-any-return]


def _measured(
    clips: Iterable[Clip], store: duplicates.Signals, watch: Watch, processes: int | None
) -> tuple[dict[str, Measured], dict[str, NDArray[np.float32]]]:
    """Every clip measured, in the order of the clips, and the fingerprints of those that can be
    compared.
    """
    places = [Place(c.id, c.path, c.start, c.end) for c in clips]
    tick = watch("decode", len(places))
    found: dict[str, Measured] = {}
    fingerprints: dict[str, NDArray[np.float32]] = {}
    for index, result in pool.map_isolated(measure, places, processes=processes):
        clip = places[index].id
        if isinstance(result, pool.ItemFailure):
            result = Measurement(Measured(clip, reason=result.reason))
        found[clip] = result.measured
        if result.fingerprint is not None and result.signal is not None:
            fingerprints[clip] = result.fingerprint
            store.add(clip, result.signal)
        tick(1)
    return {place.id: found[place.id] for place in places}, fingerprints


def _ticker(watch: Watch, stage: str) -> Callable[[int, int], None]:
    """``tick(steps, total)`` for a stage whose total is known only while it runs."""
    begun: list[Callable[[int], None]] = []

    def tick(steps: int, total: int) -> None:
        if not begun:
            begun.append(watch(stage, total))
        begun[0](steps)

    return tick


def _rounded(thing: Any) -> Any:
    if isinstance(thing, float):
        return float(f"{thing:.6g}") if math.isfinite(thing) else None
    if isinstance(thing, dict):
        return {str(key): _rounded(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_rounded(value) for value in thing]
    return thing
