"""``nverbench data audit``: what is wrong with a corpus, before anybody trains on it.

One decode per clip (``hearing``), spread over processes that may die on a file (``pool``); then
copies, balance, confounds, folds, and a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.data import corpus as corpora
from nverbench.data.audit import balance, confounds, findings, leakage, pool
from nverbench.data.audit import duplicates as copies
from nverbench.data.audit.measurements import Measurement, Place, measure
from nverbench.data.audit.records import Measured, Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nverbench.plugin.options import PartRef
    from nverbench.plugin.records import Clip, Dataset

Watch = Callable[[str, int], Callable[[int], None]]
"""``(stage, total) -> tick(steps)``, as the command line's progress gives it."""


@dataclass(frozen=True)
class AuditResult:
    """The report, and what pictures need beside it: every clip and the fold it is tested in."""

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
    watch: Watch = lambda stage, total: lambda steps: None,
    processes: int | None = None,
) -> AuditResult:
    """Everything there is to find in a dataset's local copy; what a file holds is reported, never
    raised.

    Args:
        root: the local copy; None where the dataset needs none.
        kind: kind of folds; None: the dataset's default.
        k, seed: of the protocol.
        shortest: name and seconds of what each backbone takes without padding.
        shuffles: how often labels are shuffled to know chance, at least 2.
        processes: how many decode; None: one per core.

    Raises:
        DatasetError: the copy is not the corpus.
        FoldError: the clips cannot be cut as ``kind`` asks.
    """
    corpus = corpora.load(dataset, reference, root)
    # The known defects are heard too: an audit that finds them shows that they are what they are
    # said to be.
    whole = (
        corpora.load(replace(dataset, defects={}), reference, root) if corpus.left_out else corpus
    )
    made, found = leakage.cut(corpus.clips, dataset, kind, k=k, seed=seed)
    place = leakage.places(corpus.clips, made)
    with copies.signal_store() as store:
        measured, fingerprints = _hear(whole.clips, store, watch, processes)
        groups = copies.identical(whole.clips, whole.sha256, place.get)
        by_id = {c.id: c for c in whole.clips}
        near = copies.near(
            by_id,
            fingerprints,
            store,
            groups,
            place.get,
            processes=processes,
            tick=_ticker(watch, "compare"),
        )
    trees = confounds.confounds(
        corpus.clips,
        measured,
        made,
        k=k,
        seed=seed,
        shuffles=shuffles,
        tick=_ticker(watch, "confounds"),
    )
    if made is not None:
        found = leakage.crossing(corpus.clips, corpus.labels, made, place, near)
    report = Report(
        dataset=str(reference),
        digest=corpus.digest,
        clips=len(whole.clips),
        labels=corpus.labels,
        verdicts=(),
        defects=dict(corpus.left_out),
        notes=corpus.notes,
        misfits=tuple(sorted((m.path, m.reason) for m in corpus.misfits)),
        sizes=balance.sizes(measured.values(), shortest),
        copies=near,
        balance=balance.balance(whole.clips, corpus.labels, measured),
        confounds=trees,
        folds=found,
        measured=tuple(measured.values()),
    )
    return AuditResult(replace(report, verdicts=findings.of_report(report)), whole.clips, place)


def as_json(report: Report) -> dict[str, Any]:
    """Plain JSON: numbers to six digits, no NaN."""
    return _rounded(asdict(report))  # type: ignore[no-any-return]


def _hear(
    clips: Iterable[Clip], store: copies.Signals, watch: Watch, processes: int | None
) -> tuple[dict[str, Measured], dict[str, NDArray[np.float32]]]:
    """Every clip measured, in the order of the clips, and the fingerprints of those that can be
    compared.
    """
    wanted = [Place(c.id, c.path, c.start, c.end) for c in clips]
    tick = watch("decode", len(wanted))
    found: dict[str, Measured] = {}
    fingerprints: dict[str, NDArray[np.float32]] = {}
    for index, answer in pool.map_isolated(measure, wanted, processes=processes):
        clip = wanted[index].id
        heard = (
            Measurement(Measured(clip, reason=answer.reason))
            if isinstance(answer, pool.Failure)
            else answer
        )
        found[clip] = heard.measured
        if heard.fingerprint is not None and heard.signal is not None:
            fingerprints[clip] = heard.fingerprint
            store.add(clip, heard.signal)
        tick(1)
    return {place.id: found[place.id] for place in wanted}, fingerprints


def _ticker(watch: Watch, stage: str) -> Callable[[int, int], None]:
    """``tick(steps, total)`` for a stage whose total is known only once it runs."""
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
