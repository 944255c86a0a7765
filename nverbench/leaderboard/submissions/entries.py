"""The folder of entries -> the submitted rows of the leaderboard: checked submissions with their
levels.

Verdicts are cached under the digests of a folder's files, of these checks, the registry, the
plugins and the corpora of this machine: a second check of ten thousand entries takes seconds. A
corpus that was changed in place, and parts that were changed without a new version, are not
noticed; then delete ``submissions.json`` in nverbench's home.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nverbench import registry
from nverbench._io import atomic, paths, state
from nverbench._io.digests import digest_of, file_digests
from nverbench.errors import DiskError, ResultError
from nverbench.leaderboard.rows import Field, Level, StoredResult, field_of
from nverbench.leaderboard.submissions import read as reading
from nverbench.leaderboard.submissions.attest import accepted
from nverbench.leaderboard.submissions.checks import identity_of
from nverbench.leaderboard.submissions.parts import look_up
from nverbench.leaderboard.submissions.records import assignment
from nverbench.leaderboard.submissions.verify import CONSISTENT, Verdict, Verifier, known
from nverbench.plugin import discovery
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result


@dataclass(frozen=True)
class Checked:
    """A folder's verdict, and the facts that the leaderboard shows."""

    verdict: Verdict
    attested_by: tuple[str, ...] = ()
    """The other parties who reproduced it."""
    rerun: bool = False
    """Its submitters are the maintainers, and they reran it."""
    doubts: tuple[str, ...] = ()
    """Attestations that do not count, and why."""
    assignment: str = ""
    submitter: str = ""
    citation: str = ""

    @property
    def level(self) -> Level:
        """The level of the row, if it is self-consistent."""
        return "reproduced" if self.attested_by else "rerun" if self.rerun else "self-consistent"


CHECKED: TypeAdapter[Checked] = TypeAdapter(Checked)


def load_entries(
    entries: Path, verifier: Verifier | None = None
) -> tuple[list[StoredResult], list[str]]:
    """The submissions of a folder that do not contradict themselves, and a line on each other one
    and on attestations that do not count.

    Args:
        entries: a folder of submissions; one that is not there is empty.
    """
    verifier = verifier or Verifier(registry.load(), discovery.discover())
    there = sorted(entries.iterdir()) if entries.is_dir() else []
    folders = [p for p in there if not p.name.startswith(".") and (p.is_dir() or p.is_symlink())]
    checked = _checked(folders, verifier)
    good = {f: c for f, c in checked.items() if c.verdict.verdict == CONSISTENT}
    problems = [str(c.verdict) for f, c in checked.items() if f not in good]
    problems += [f"{f.name}: attestation {doubt}" for f, c in checked.items() for doubt in c.doubts]
    results = {folder: _result(folder).without_curves() for folder in good}
    odd = _other_folds({f: (field_of(r), checked[f].assignment) for f, r in results.items()})
    problems += [f"{folder.name}: rejected ({why})" for folder, why in odd.items()]
    found = []
    for f, r in results.items():
        if f not in odd:
            c, read, again = checked[f], _reader(f, r, verifier), partial(_result, f)
            by = (c.level, c.attested_by, c.submitter, c.citation)
            found.append(StoredResult(r, read, *by, again))
    return found, problems


def _checked(folders: list[Path], verifier: Verifier) -> dict[Path, Checked]:
    """Every folder's verdict, from the cache or new."""
    remembered, context = _remembered(verifier)
    digests = _digests(folders)
    found, fresh = {}, False
    for folder in folders:
        key = digests.get(folder)
        known = _from_record(remembered.get(key)) if key is not None else None
        found[folder] = known or check(folder, verifier)
        if key is not None and known is None:
            remembered[key], fresh = asdict(found[folder]), True
    if fresh:
        kept = {key: remembered[key] for key in digests.values() if key in remembered} | remembered
        with suppress(DiskError):  # a cache: verdicts that it lacks are checked again
            atomic.write_atomically(
                _memory(), json.dumps({"context": context, "checked": kept}).encode()
            )
    return found


def check(folder: Path, verifier: Verifier) -> Checked:
    """The verdict on a folder with its attestations."""
    verdict, bundle = verifier.judge(folder)
    if bundle is None or verdict.verdict != CONSISTENT:
        return Checked(verdict)
    found, by = accepted(bundle), bundle.submitter
    named = (by.name, by.citation) if by is not None else ()
    return Checked(
        verdict, found.others, found.rerun, found.doubts, assignment(bundle.predictions), *named
    )


def _digests(folders: list[Path]) -> dict[Path, str]:
    """The digest of names and contents of every folder that holds allowed files only."""
    files: dict[Path, list[Path]] = {}
    for folder in folders:
        try:
            reading.check_files(folder)
            files[folder] = [
                *(p for p in sorted(folder.iterdir()) if p.is_file()),
                *reading.attestation_files(folder),
            ]
        except (ResultError, OSError):
            continue
    sha = file_digests(p for own in files.values() for p in own)
    return {
        f: digest_of([f.name, [[str(p.relative_to(f)), sha[p]] for p in own]])
        for f, own in files.items()
    }


def _memory() -> Path:
    return paths.home() / "submissions.json"


def _remembered(verifier: Verifier) -> tuple[dict[str, Any], str]:
    """Cached verdicts under the same registry, plugins, lock and corpora, and their digest."""
    rules, parts = verifier.registry, verifier.catalog
    pins = [
        {name: pin.model_dump() for name, pin in pins.items()}
        for pins in (rules.weights, rules.datasets, rules.protocols)
    ]
    origins = [
        sorted((name, str(o)) for name, o in s.origins.items())
        for s in (parts.backbones, parts.datasets, parts.fusions, parts.losses)
    ]
    checks = sorted(file_digests(Path(__file__).parent.glob("*.py")).values())
    entries, corpora = [asdict(e) for e in rules.entries], state.read_state("corpora")
    context = digest_of([checks, pins, entries, origins, verifier.lock, corpora])
    try:
        content = json.loads(_memory().read_bytes())
        if content["context"] == context and isinstance(content["checked"], dict):
            return content["checked"], context
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # absent, damaged or of another version: checked again
    return {}, context


def _from_record(record: Any) -> Checked | None:
    """The cached verdict of a folder; None where there is none, or it is damaged."""
    try:
        return CHECKED.validate_python(record) if record is not None else None
    except ValueError:  # pydantic's errors are ValueErrors
        return None


def _result(folder: Path) -> Result:
    """A result that was checked before, without checking it again."""
    return Result.model_validate_json((folder / "result.json").read_bytes())


def _reader(folder: Path, result: Result, verifier: Verifier) -> Callable[[], Predictions]:
    """Reads a submission's predictions, with labels from the local copy where they were not
    published.
    """

    def read() -> Predictions:
        try:
            bundle = reading.read(folder.absolute())
        except OSError as error:
            raise ResultError(
                f"{folder}: its predictions cannot be read ({error.strerror})"
            ) from error
        if len(bundle.predictions.target):
            return bundle.predictions
        named = look_up(result, identity_of(result), verifier.registry, verifier.catalog).named
        return known(bundle, named, verifier.copies)

    return read


def _other_folds(places: dict[Path, tuple[Field, str]]) -> dict[Path, str]:
    """Submissions of one field that differ from most others in keys, labels, groups or folds; all
    of them in a tie.
    """
    fields: dict[tuple[object, ...], list[tuple[Path, str]]] = defaultdict(list)
    for folder, (place, digest) in places.items():
        fields[place[:2]].append((folder, digest))
    odd = {}
    for members in fields.values():
        counts = Counter(digest for _, digest in members).most_common()
        draw = len(counts) > 1 and counts[0][1] == counts[1][1]
        for folder, digest in members:
            if len(counts) > 1 and (draw or digest != counts[0][0]):
                odd[folder] = (
                    f"its labels, groups or folds are not those of {len(members) - 1} other"
                    " submissions with the same digests"
                )
    return odd
