"""``nverbench reproduce``: the job behind a submission, planned and run again, and compared by the
rule of the protocol ("Seeds").
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nverbench._io import paths
from nverbench._io.tempfiles import temporary_folder
from nverbench.data import cross_corpus
from nverbench.embedding import cache
from nverbench.embedding.frames import FrameEmbeddings
from nverbench.embedding.pooled import Embeddings
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import UsageError
from nverbench.leaderboard.submissions.attest import Attestation, From, outcome
from nverbench.leaderboard.submissions.checks import identity_of
from nverbench.leaderboard.submissions.read import Bundle
from nverbench.leaderboard.submissions.records import environment, quoted
from nverbench.metrics.scores import NAMES
from nverbench.pipeline import assemble
from nverbench.pipeline.embeddings import Embedded, RunEmbeddings, Watch, unwatched
from nverbench.pipeline.executors.processes import ProcessExecutor
from nverbench.pipeline.job import Job, Plan
from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection
from nverbench.plugin.catalog import Catalog
from nverbench.registry import Registry
from nverbench.results.publishing import rejoin
from nverbench.results.record import Result
from nverbench.results.store import ResultStore

ELSEWHERE = ("device", "plugins")
"""Fields of an identity that may differ when a result is reproduced on another machine."""


def reproduce(
    bundle: Bundle,
    registry: Registry,
    catalog: Catalog,
    *,
    source: From,
    by: str,
    device: str | None = None,
    keep: Path | None = None,
    watch: Watch = unwatched,
    say: Callable[[str], None] = print,
) -> Attestation:
    """Run a submission's job again and compare the outcome.

    Args:
        source: ``embeddings``: train the heads again on the embeddings of this machine's cache,
            which must have the digests of the submission; ``audio``: compute the embeddings anew
            first.
        by: the name of the party that runs it.
        device: cpu or cuda; None: the submission's.
        keep: a folder of results that the rerun's own is written to; None: it is discarded.

    Raises:
        UsageError: the same job cannot be planned here, or the embeddings are not here or are
            others.
    """
    job = planned(bundle, registry, catalog, device)
    recorded = bundle.result.provenance.embedding_digests
    with temporary_folder() as empty:
        store = cache.EmbeddingCache(
            paths.embeddings_folder() if source == "embeddings" else empty, say
        )
        if source == "embeddings":
            check_cached(job, store)
        shared = RunEmbeddings(store, ProcessExecutor(say=say))
        with shared.workers:
            parts = list(zip(job.names, job.backbones, strict=True))
            own = {name: shared.heard(job, b, watch) for name, b in parts}
            digests = {name: own[name].read_out_digest(b.reference) for name, b in parts}
            other = [name for name, digest in digests.items() if digest != recorded.get(name)]
            if source == "embeddings" and other:
                raise UsageError(
                    f"the embeddings of {', '.join(other)} in this machine's cache are not those of"
                    " the submission; use --from audio"
                )
            apart = _apart(job, own, recorded) if other else 0.0
            result, predictions = assemble.begin_job(job, shared, watch)()
    if keep is not None:
        ResultStore(keep).write(result, predictions)
    return attested(bundle, result, source=source, by=by, same=not other, apart=apart)


def attested(
    bundle: Bundle, rerun: Result, *, source: From, by: str, same: bool, apart: float | None
) -> Attestation:
    """The comparison of a submission with its rerun.

    The standing and the registered entry are judgements of a registry, not outcomes of a run: they
    are taken over before digests are compared.
    """
    theirs = bundle.result
    judgements = {name: getattr(theirs, name) for name in ("standing", "standing_reasons", "entry")}
    ours = rerun.published().model_copy(update=judgements).sealed()
    differences = {name: ours.scores[name].value - theirs.scores[name].value for name in NAMES}
    return Attestation(
        result=theirs.id,
        by=by,
        when=datetime.datetime.now(datetime.UTC).date().isoformat(),
        source=source,
        environment=environment(ours),
        result_digest=theirs.result_digest,
        reproduced_digest=ours.result_digest,
        embeddings_identical=same,
        embeddings_differ_by=apart,
        differences=differences,
        verdict=outcome(theirs, ours.result_digest, differences, apart),
    )


def planned(bundle: Bundle, registry: Registry, catalog: Catalog, device: str | None) -> Job:
    """The job of a submission, planned here.

    Raises:
        UsageError: it cannot be; says what differs or is missing.
    """
    result, identity = bundle.result, identity_of(bundle.result)
    e = result.entry
    _check_no_paths(result, catalog)
    selection = Selection(
        backbones=tuple(e.backbones),
        fusions=(e.fusion,),
        losses=(e.loss,),
        datasets=(e.dataset,),
        folds=(_kind(bundle, catalog),),
        protocol=result.protocol,
        selection=result.selection,
        seeds=result.seeds,
        device=device or identity.device,
        dtype=identity.dtype,
        skip_bad=identity.skip_bad,
        shuffle=identity.train.get("shuffle", "none"),
        storage=identity.storage,
    )
    found = plan(registry, catalog, selection)
    submitted = result.provenance.identity
    jobs = [job for job in found.jobs if not differing(job.identity, submitted, ELSEWHERE)]
    if jobs:
        return next((job for job in jobs if job.id == result.id), jobs[0])
    why = _why(found, submitted, len(e.backbones))
    raise UsageError(f"result {result.id} cannot be run again here: {why}")


def differing(
    here: Mapping[str, Any], there: Mapping[str, Any], leave_out: tuple[str, ...] = ()
) -> list[str]:
    """The dotted names of the fields in which two identities differ."""
    places = []
    for key in sorted({*here, *there} - {*leave_out}):
        a, b = here.get(key), there.get(key)
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            a, b = ({str(i): item for i, item in enumerate(side)} for side in (a, b))
        if isinstance(a, dict) and isinstance(b, dict):
            places += [f"{key}.{place}" for place in differing(a, b)]
        elif a != b:
            places.append(key)
    return places


def check_cached(job: Job, store: cache.EmbeddingCache) -> None:
    """Raise unless the embeddings of all clips are in the store."""
    for b in job.backbones:
        keys = job.wanted(b) if b.part.lookup is None else []
        absent = sum(not store.path(key).exists() for key in keys)
        if absent:
            raise UsageError(
                f"{absent} of {len(job.heard)} embeddings of {b} are not in this machine's cache;"
                " use --from audio to compute them"
            )


def _apart(job: Job, own: Mapping[str, Embedded], recorded: Mapping[str, str]) -> float | None:
    """The largest difference from the submitter's embeddings, where this machine's cache holds
    them; else None.
    """
    store, largest = cache.EmbeddingCache(paths.embeddings_folder()), 0.0
    for name, b in zip(job.names, job.backbones, strict=True):
        if own[name].read_out_digest(b.reference) == recorded.get(name):
            continue
        if not all(store.path(key).exists() for key in job.wanted(b)):
            return None
        theirs = RunEmbeddings(store).heard(job, b, unwatched)
        if theirs.read_out_digest(b.reference) != recorded.get(name) or theirs.ids != own[name].ids:
            return None
        largest = max(largest, _largest(theirs, own[name], b))
    return largest


def _largest(theirs: Embedded, own: Embedded, b: PlannedBackbone) -> float:
    """The largest difference of two sets of embeddings, or of frames, of the same clips; infinite
    where a clip has more frames in one.
    """
    if isinstance(theirs, Embeddings) and isinstance(own, Embeddings):
        return float(np.abs(theirs.read_out(b.reference) - own.read_out(b.reference)).max())
    assert isinstance(theirs, FrameEmbeddings)  # the fusion of a job takes one kind
    assert isinstance(own, FrameEmbeddings)
    if not np.array_equal(theirs.lengths, own.lengths):
        return float("inf")
    return max(float(np.abs(theirs[i].astype(np.float64) - own[i]).max()) for i in range(len(own)))


def _check_no_paths(result: Result, catalog: Catalog) -> None:
    """Refuse a submission that names files: it must not choose a file of this machine."""
    e = result.entry
    local_parts = [
        b for b in e.backbones if catalog.backbone(b.partition(":")[0]).local or "weights=" in b
    ]
    local_parts += [e.dataset] if catalog.dataset(e.dataset.partition(":")[0]).local else []
    if local_parts:
        raise UsageError(
            f"result {result.id} was made from its author's own files"
            f" ({quoted(', '.join(local_parts))}); only the author can run it again"
        )


def _kind(bundle: Bundle, catalog: Catalog) -> str:
    """The kind of folds, with the group that is held out: its published form does not name it."""
    result = bundle.result
    if result.folds.kind != "holdout":
        return result.folds.kind
    corpus = cross_corpus.load_local_pair(catalog.dataset, result.entry.dataset)
    return f"holdout={min(rejoin(bundle.predictions, corpus).groups)}"


def _why(found: Plan, submitted: Mapping[str, Any], backbones: int) -> str:
    own = [job for job in found.jobs if len(job.backbones) == backbones]
    if own:
        places = min((differing(job.identity, submitted, ELSEWHERE) for job in own), key=len)
        return f"other {quoted(', '.join(places))}"
    reasons = [str(m) for m in found.missing]
    reasons += [reason for skip in found.skips if not skip.missing for reason in skip.reasons]
    return "; ".join(dict.fromkeys(reasons)) or "no such job can be planned"
