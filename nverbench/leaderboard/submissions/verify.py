"""The verdict on a submission: self-consistent, rejected (why) or incomplete (why).

Self-consistent means that every number follows from the predictions and that nothing contradicts
the registry, the installed parts or, where it is on this machine, the corpus. Predictions that were
invented pass: only a rerun finds them (``reproduce``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from nverbench._io import state
from nverbench.data.corpus import Corpus
from nverbench.errors import NverbenchError, ResultError
from nverbench.leaderboard.submissions import checks, local_copies, recompute
from nverbench.leaderboard.submissions.parts import ResolvedParts, look_up, selected_by
from nverbench.leaderboard.submissions.read import Bundle, Incomplete, read
from nverbench.leaderboard.submissions.records import Identity, quoted
from nverbench.plugin.catalog import Catalog
from nverbench.registry import Registry
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import rejoin

Word = Literal["self-consistent", "rejected", "incomplete"]
CONSISTENT: Word = "self-consistent"
REJECTED: Word = "rejected"
INCOMPLETE: Word = "incomplete"
MOST_SAID = 20
"""Reasons given; more are counted."""


@dataclass(frozen=True)
class Verdict:
    """What checking a submission came to."""

    folder: str
    id: str
    verdict: Word
    reasons: tuple[str, ...] = ()
    """Why it is rejected or incomplete."""
    notes: tuple[str, ...] = ()
    """What was not checked, and versions that differ."""

    def __str__(self) -> str:
        said = "; ".join(self.reasons or self.notes)
        return f"{self.folder}: {self.verdict}{f' ({said})' if said else ''}"

    def record(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass
class Verifier:
    """Checks submissions against one registry, one catalog and the copies of this machine."""

    registry: Registry
    catalog: Catalog
    lock: dict[str, Any] = field(default_factory=lambda: state.read_state("lock"))
    copies: local_copies.LocalCopies = field(init=False)

    def __post_init__(self) -> None:
        self.copies = local_copies.LocalCopies(self.catalog, self.registry)

    def verify(self, folder: Path) -> Verdict:
        """The verdict on one folder; whatever is in it, there is one."""
        return self.judge(folder)[0]

    def judge(self, folder: Path) -> tuple[Verdict, Bundle | None]:
        """The verdict, and what was read of the folder where it could be."""
        folder = Path(os.path.abspath(folder))  # noqa: PTH100  # resolve() would follow a link
        shown, name = quoted(folder.name).strip("'"), folder.name if folder.name.isalnum() else ""
        bundle = None
        try:
            bundle = read(folder)
            reasons, missing, notes = self._check(bundle)
        except Incomplete as error:
            return Verdict(shown, name, INCOMPLETE, (str(error),)), bundle
        except (
            NverbenchError,
            OSError,
            ValueError,
            TypeError,
            KeyError,
            RecursionError,
            OverflowError,
            MemoryError,
        ) as error:
            why = (
                str(error)
                if isinstance(error, ResultError)
                else f"it cannot be checked: {quoted(f'{type(error).__name__}: {error}')}"
            )
            return Verdict(shown, name, REJECTED, (why,)), bundle
        reasons = list(dict.fromkeys(reasons))
        more = (f"and {len(reasons) - MOST_SAID} more",) if len(reasons) > MOST_SAID else ()
        if reasons:
            return (
                Verdict(folder.name, name, REJECTED, (*reasons[:MOST_SAID], *more), tuple(notes)),
                bundle,
            )
        if missing:
            return Verdict(folder.name, name, INCOMPLETE, tuple(missing), tuple(notes)), bundle
        return Verdict(folder.name, name, CONSISTENT, (), tuple(notes)), bundle

    def _check(self, bundle: Bundle) -> tuple[list[str], list[str], list[str]]:
        """Reasons, what is missing, and notes."""
        result = bundle.result
        identity = checks.identity_of(result)
        reasons = [
            *checks.check_itself(bundle, identity),
            *checks.check_protocol(result, identity, self.registry),
        ]
        missing: list[str] = []
        notes: list[str] = []
        named = None
        if len(identity.backbones) == len(result.entry.backbones):
            found = look_up(result, identity, self.registry, self.catalog)
            named = found.named
            reasons += found.reasons
            missing += found.missing
        if named is not None:
            reasons += checks.check_parts(result, identity, named, self.registry, self.lock)
            notes += checks.notes(identity, named)
        if result.protocol not in self.registry.protocols:
            missing.append(
                f"protocol {quoted(result.protocol)} is not in the registry, so that its constants"
                " and folds are not checked (--registry)"
            )
        seed = identity.protocol.get("seed")
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
            return [*reasons, f"protocol seed {quoted(seed)} is none"], missing, notes
        select = selected_by(named) if named is not None else None
        corpus = self.copies.of(named) if named is not None else "its dataset is not installed here"
        if isinstance(corpus, Corpus):
            reasons += self._with_copy(bundle, identity, corpus, seed, select)
        elif len(bundle.predictions.target):
            said = [*recompute.check(result, bundle.predictions, seed, select)]
            reasons += said or recompute.check_bootstrap_roughly(result, bundle.predictions, seed)
            notes.append(f"labels and folds were not checked against the corpus: {corpus}")
        else:
            missing.append(f"its labels are not published, and {corpus}")
        return reasons, missing, notes

    def _with_copy(
        self, bundle: Bundle, identity: Identity, corpus: Corpus, seed: int, select: str | None
    ) -> Iterable[str]:
        """All that a copy of the corpus allows to check."""
        result = bundle.result
        try:
            joined = rejoin(bundle.predictions, corpus)
        except ResultError as error:
            return [str(error)]
        own = recompute.labelled(bundle.predictions, joined)
        said = [*local_copies.check_columns(bundle.predictions, joined)]
        protocol = self.registry.protocols.get(result.protocol)
        said += (
            local_copies.check(result, identity, joined, corpus, protocol)
            if protocol is not None
            else ()
        )
        said += recompute.check(result, own, seed, select)
        return [*said, *(recompute.check_bootstrap(result, joined, seed) if not said else ())]


def known(
    bundle: Bundle, named: ResolvedParts | None, own: local_copies.LocalCopies
) -> Predictions:
    """Predictions with labels: as published, or joined with the copy of this machine; ResultError
    where there is neither.
    """
    if len(bundle.predictions.target):
        return bundle.predictions
    corpus = own.of(named) if named is not None else "its dataset is not installed here"
    if not isinstance(corpus, Corpus):
        raise ResultError(f"result {bundle.result.id}: its labels are not published, and {corpus}")
    return recompute.labelled(bundle.predictions, rejoin(bundle.predictions, corpus))
