"""The folder of a working directory that holds finished results: ``<id>.json``,
``<id>.predictions.npz`` beside it, and why jobs failed.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nverbench._io.atomic import cannot_write, write_atomically
from nverbench.errors import ResultError, abbreviated
from nverbench.results.predictions import Predictions
from nverbench.results.record import SCHEMA, Result


class ResultStore:
    """The results of one working directory: ``<id>.json`` and ``<id>.predictions.npz``."""

    def __init__(self, root: Path) -> None:
        self.root = root / "results"

    def path(self, job_id: str) -> Path:
        """Where the result of that id lies, or will lie."""
        return self.root / f"{job_id}.json"

    def predictions_path(self, job_id: str) -> Path:
        """Where its predictions lie."""
        return self.root / f"{job_id}.predictions.npz"

    def predictions(self, result: Result) -> Predictions:
        """What a finished job predicted; ResultError when the file is gone or damaged."""
        return predictions_of(result, self.predictions_path(result.id))

    def finished(self, job_id: str) -> Result | None:
        """The finished result of that id, if there is one."""
        return read_result(self.path(job_id)) if self.path(job_id).exists() else None

    def write(self, result: Result, predictions: Predictions) -> Path:
        """Write a result; the JSON comes last, so that its presence means that all is there."""
        write_atomically(self.predictions_path(result.id), predictions.to_bytes())
        write_atomically(self.path(result.id), (result.model_dump_json(indent=1) + "\n").encode())
        return self.path(result.id)

    def note_failure(self, job_id: str, facts: dict[str, Any]) -> None:
        """Record why a job failed, in ``failures/<id>.json`` beside the results; it runs again next
        time.
        """
        content = {
            **facts,
            "id": job_id,
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        write_atomically(
            self._failure_path(job_id), (json.dumps(content, indent=1) + "\n").encode()
        )

    def clear_failure(self, job_id: str) -> None:
        """The job finished after all."""
        try:
            self._failure_path(job_id).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self._failure_path(job_id), error) from error

    def _failure_path(self, job_id: str) -> Path:
        return self.root.parent / "failures" / f"{job_id}.json"

    def all(self) -> Iterator[Result]:
        """Every result, sorted by file name."""
        for path in sorted(self.root.glob("*.json")):
            yield read_result(path)


def read_result(path: Path) -> Result:
    """The result in a file.

    Raises:
        ResultError: it is damaged, of another version, or was changed by hand.
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
            f"{path}: not a readable result ({' '.join(str(error).split())[:160]}); delete it and"
            " run the job again"
        ) from error
    if digest != result.result_digest:
        raise ResultError(
            f"{path}: its content does not match its result_digest, so it was changed since; delete"
            " it and run the job again"
        )
    return result


def reread(path: Path, digest: str) -> Result:
    """The result in a file that :func:`read` gave before; ResultError when it holds another one
    now.
    """
    try:
        result = Result.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{path}: cannot be read any more ({' '.join(str(error).split())[:160]}); run the"
            " command again"
        ) from error
    if result.result_digest != digest:
        raise ResultError(f"{path}: the result changed while it was read; run the command again")
    return result


def predictions_of(result: Result, path: Path) -> Predictions:
    """The predictions of a result; ResultError when they are gone, damaged or of another result,
    whoever wrote them.
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
