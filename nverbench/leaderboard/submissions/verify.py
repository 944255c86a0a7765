"""The verdict on a submission: self-consistent, rejected or incomplete, with reasons.

Self-consistent means that every number follows from the predictions and that nothing contradicts
the registry, the installed parts or, if it is on this machine, the corpus. Invented predictions
pass: only a rerun finds them (``reproduce``).
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
from nverbench.leaderboard.submissions.parts import Lookup, ResolvedParts, look_up, selected_by
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
MOST_REASONS = 20
"""Reasons in a verdict; more are counted."""
UNUSABLE = (ValueError, TypeError, KeyError, RecursionError, OverflowError, MemoryError)
UNCHECKABLE = (NverbenchError, OSError, *UNUSABLE)


@dataclass(frozen=True)
class Verdict:
    """The outcome of checking a submission."""

    folder: str
    id: str
    verdict: Word
    reasons: tuple[str, ...] = ()
    """Reasons why it is rejected or incomplete."""
    notes: tuple[str, ...] = ()
    """Skipped checks, and versions that differ."""

    def __str__(self) -> str:
        details = "; ".join(self.reasons or self.notes)
        return f"{self.folder}: {self.verdict}{f' ({details})' if details else ''}"

    def record(self) -> dict[str, Any]:
        """The verdict for ``--json``."""
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
        """The verdict on one folder; any content gets one."""
        return self.judge(folder)[0]

    def judge(self, folder: Path) -> tuple[Verdict, Bundle | None]:
        """The verdict, and the content of the folder where it is readable."""
        folder = Path(os.path.abspath(folder))  # noqa: PTH100  # resolve() would follow a link
        shown, name = quoted(folder.name).strip("'"), folder.name if folder.name.isalnum() else ""
        bundle = None
        try:
            bundle = read(folder)
            reasons, missing, notes = self._check(bundle)
        except Incomplete as error:
            return Verdict(shown, name, INCOMPLETE, (str(error),)), bundle
        except ResultError as error:
            return Verdict(shown, name, REJECTED, (str(error),)), bundle
        except UNCHECKABLE as error:
            why = f"it cannot be checked: {quoted(f'{type(error).__name__}: {error}')}"
            return Verdict(shown, name, REJECTED, (why,)), bundle
        reasons = list(dict.fromkeys(reasons))
        if len(reasons) > MOST_REASONS:
            reasons[MOST_REASONS:] = [f"and {len(reasons) - MOST_REASONS} more"]
        word = REJECTED if reasons else INCOMPLETE if missing else CONSISTENT
        return Verdict(folder.name, name, word, tuple(reasons or missing), tuple(notes)), bundle

    def _check(self, bundle: Bundle) -> tuple[list[str], list[str], list[str]]:
        """Reasons, what is missing, and notes."""
        result = bundle.result
        identity = checks.identity_of(result)
        reasons = [
            *checks.check_itself(bundle, identity),
            *checks.check_protocol(result, identity, self.registry),
        ]
        notes: list[str] = []
        found = Lookup()
        if len(identity.backbones) == len(result.entry.backbones):
            found = look_up(result, identity, self.registry, self.catalog)
        named, missing = found.named, found.missing
        reasons += found.reasons
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
        select = selected_by(named, identity.protocol) if named is not None else None
        corpus = self.copies.of(named) if named is not None else "its dataset is not installed here"
        if isinstance(corpus, Corpus):
            reasons += self._with_copy(bundle, identity, corpus, seed, select)
        elif len(bundle.predictions.target):
            wrong = [*recompute.check(result, bundle.predictions, seed, select)]
            reasons += wrong or recompute.check_bootstrap_roughly(result, bundle.predictions, seed)
            notes.append(f"labels and folds were not checked against the corpus: {corpus}")
        else:
            missing.append(f"its labels are not published, and {corpus}")
        return reasons, missing, notes

    def _with_copy(
        self, bundle: Bundle, identity: Identity, corpus: Corpus, seed: int, select: str | None
    ) -> Iterable[str]:
        """The checks that need a copy of the corpus."""
        result = bundle.result
        try:
            joined = rejoin(bundle.predictions, corpus)
        except ResultError as error:
            return [str(error)]
        own = recompute.labelled(bundle.predictions, joined)
        wrong = [*local_copies.check_columns(bundle.predictions, joined)]
        if result.protocol in self.registry.protocols:
            wrong += local_copies.check(result, identity, joined, corpus, self.registry)
        wrong += recompute.check(result, own, seed, select)
        return wrong or recompute.check_bootstrap(result, joined, seed)


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
