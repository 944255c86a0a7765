"""The folder of finished results: ``<id>.json`` with ``<id>.predictions.npz`` next to it, and the
records of failed jobs.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from nverbench._io.atomic import cannot_write, write_atomically
from nverbench.errors import ResultError, UsageError, abbreviated, nearest, reason_of
from nverbench.results.predictions import Predictions
from nverbench.results.record import SCHEMA, Result


class ResultStore:
    """The results of one working directory: ``<id>.json`` and ``<id>.predictions.npz``."""

    def __init__(self, root: Path) -> None:
        self.root = root / "results"

    def path(self, job_id: str) -> Path:
        """The file of the result with that id, whether or not it exists."""
        return self.root / f"{job_id}.json"

    def paths(self) -> list[Path]:
        """The files of all finished results, sorted by name."""
        return sorted(self.root.glob("*.json"))

    def predictions_path(self, job_id: str) -> Path:
        """The file of the predictions of the result with that id."""
        return self.root / f"{job_id}.predictions.npz"

    def predictions(self, result: Result) -> Predictions:
        """The predictions of a finished job; ResultError when the file is missing or damaged."""
        return predictions_of(result, self.predictions_path(result.id))

    def finished(self, job_id: str) -> Result | None:
        """The finished result of that id, if there is one."""
        return read_result(self.path(job_id)) if self.path(job_id).exists() else None

    def results(self) -> tuple[dict[Path, Result], list[str]]:
        """Every readable result by its file, sorted and without learning curves, and one message
        per damaged file.
        """
        found, problems = {}, []
        for path in self.paths():
            try:
                found[path] = read_result(path).without_curves()
            except ResultError as error:
                problems.append(str(error))
        return found, problems

    def by_id(self, prefix: str) -> Path:
        """The file of the only result whose id is ``prefix`` or begins with it.

        Raises:
            UsageError: no id, or more than one, begins so; the message names similar ids.
        """
        ids = [path.stem for path in self.paths()]
        found = [i for i in ids if i == prefix] or [
            i for i in ids if prefix and i.startswith(prefix)
        ]
        if not found:
            raise UsageError(
                f"no result in {self.root} has an id that begins with {prefix!r};"
                f" {nearest(prefix, ids)}"
            )
        if len(found) > 1:
            raise UsageError(
                f"{prefix!r} begins {len(found)} ids in {self.root}: {', '.join(found[:4])}; give"
                " more of it"
            )
        return self.path(found[0])

    def locate(self, text: str) -> Path:
        """The file of a result that a path of a ``.json``, an id or the beginning of an id names.

        Raises:
            UsageError: no result, or more than one, is named so.
        """
        path = Path(text)
        if path.suffix != ".json":
            return self.by_id(text)
        if not path.is_file():
            raise UsageError(
                f"{path}: there is no such result file; give an id of {self.root} or a path"
            )
        return path

    def write(self, result: Result, predictions: Predictions) -> Path:
        """Write the predictions, then the JSON: a result whose JSON exists is complete."""
        write_atomically(self.predictions_path(result.id), predictions.to_bytes())
        write_atomically(self.path(result.id), (result.model_dump_json(indent=1) + "\n").encode())
        return self.path(result.id)

    def note_failure(self, job_id: str, facts: dict[str, Any]) -> None:
        """Record in ``failures/<id>.json`` why a job failed; the next run tries it again."""
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        content = json.dumps({**facts, "id": job_id, "when": when}, indent=1) + "\n"
        write_atomically(self._failure_path(job_id), content.encode())

    def clear_failure(self, job_id: str) -> None:
        """Remove the record of a failure, after the job has finished."""
        try:
            self._failure_path(job_id).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self._failure_path(job_id), error) from error

    def _failure_path(self, job_id: str) -> Path:
        return self.root.parent / "failures" / f"{job_id}.json"


def read_result(path: Path) -> Result:
    """The result in a file.

    Raises:
        ResultError: the file is damaged, of another version, or was edited.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.get("schema_version") if isinstance(content, dict) else None
        if version != SCHEMA:
            raise ResultError(
                f"{path}: expected a result of schema {SCHEMA}, got {abbreviated(version)}; run the"
                " job again (embeddings are kept)"
            )
        result = Result.model_validate(content)
        digest = result.digest()  # refuses NaN
    except (OSError, ValueError, RecursionError) as error:  # pydantic's errors are ValueErrors
        raise ResultError(
            f"{path}: not a readable result ({reason_of(error, 160)}); delete it and"
            " run the job again"
        ) from error
    if digest != result.result_digest:
        raise ResultError(
            f"{path}: its content does not match its result_digest, so it was changed since; delete"
            " it and run the job again"
        )
    return result


def reread(path: Path, digest: str) -> Result:
    """Read a file that :func:`read_result` has read before; ResultError when it now holds another
    result.
    """
    try:
        result = Result.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{path}: cannot be read any more ({reason_of(error, 160)}); run the command again"
        ) from error
    if result.result_digest != digest:
        raise ResultError(f"{path}: the result changed while it was read; run the command again")
    return result


def predictions_of(result: Result, path: Path) -> Predictions:
    """The predictions of a result; ResultError when they are missing, damaged or of another
    result.
    """
    import numpy as np

    found = Predictions.read(path)
    n, k = len(found.ids), len(result.labels)
    shapes = found.probabilities.shape == (result.seeds, n, k)
    lengths = (
        len(found.groups) == len(found.folds) == n > 0
        and found.target.shape in ((0,), (n,))
        and len(found.keys) in (0, n)
    )
    if not shapes or not lengths or not np.isin(found.target, np.arange(k)).all():
        expected = (
            f"{result.seeds} x {n} x {k} probabilities (replicates, clips, classes), and groups,"
            " folds and labels of the clips"
        )
        raise ResultError(
            f"{path}: expected {expected}; it holds others: they belong to another result, or were"
            " changed; run the job with --rerun"
        )
    return found
