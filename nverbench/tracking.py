"""Finished results, told to MLflow: the only file that imports it. Results are safe on disk before anything here runs.

A tracking server may be anybody's, so only the published form is told (``publishing``): no name of a file, a clip or a person. One parent run per
job (headline, mean and sd, parts, predictions and the result's JSON as artifacts), one child run per fold and replicate with its epoch curves, one
``log_batch`` per run. The database is created once, under a lock: processes that create one at the same time crash.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from nverbench import metrics
from nverbench.digests import digest_of
from nverbench.errors import TrackingError
from nverbench.folder import Folder
from nverbench.gaps import Gap
from nverbench.home import write_atomically
from nverbench.predictions import Predictions
from nverbench.publishing import publish
from nverbench.results import FoldScore, Result

DEFAULT_URI = "sqlite:///mlflow.db"
LONGEST_PARAM = 500


def log(result: Result, folder: Folder, uri: str) -> bool:
    """Tell MLflow of a result, once per tracking server; False when it already knows.

    Raises:
        TrackingError: the server cannot be reached or written; the result on disk is safe and a rerun of the job tells it again.
    """
    marker = folder.root / f"{result.id}.tracked"
    told = _told(marker)
    if told.get(uri) == result.result_digest:
        return False
    try:
        with _quiet():
            public, predictions = publish(result, Predictions.read(folder.predictions_path(result.id)))
            client = _client(uri)
            parent = _log_parent(client, public, predictions)
    except Exception as error:  # whatever MLflow, its store or the network raises becomes one line
        reason = " ".join(str(error).split())[:200]
        safe = f"the result is safe in {folder.path(result.id)}, run the job again to tell it"
        raise TrackingError(f"mlflow {uri}: {type(error).__name__}: {reason}; {safe}") from error
    told[uri] = result.result_digest
    write_atomically(marker, json.dumps({**told, f"run {uri}": parent}, sort_keys=True).encode())
    return True


def log_gap(gap: Gap, folder: Folder, uri: str) -> None:
    """Give both runs of a speaker gap its metrics (``speaker_gap_macro_f1``, ``..._low``, ``..._high``) and the other's id.

    Raises:
        TrackingError: the server cannot be reached or written.
    """
    values = {f"speaker_gap_{name}": i.value for name, i in gap.values.items()}
    values |= {f"speaker_gap_{n}_{end}": v for n, i in gap.values.items() for end, v in (("low", i.low), ("high", i.high)) if v is not None}
    for own, other in ((gap.disjoint, gap.random), (gap.random, gap.disjoint)):
        marker = folder.root / f"{own}.tracked"
        told = _told(marker)
        run, what = told.get(f"run {uri}"), digest_of([other, values])
        if run is None or told.get(f"gap {uri}") == what:
            continue
        try:
            with _quiet():
                client = _client(uri)
                _batch(client, run, values, {})
                client.set_tag(run, "nverbench.speaker_gap_with", other)
        except Exception as error:  # whatever MLflow, its store or the network raises becomes one line
            reason = " ".join(str(error).split())[:200]
            raise TrackingError(f"mlflow {uri}: {type(error).__name__}: {reason}; the gap is safe in {folder.root.parent / 'gaps'}") from error
        write_atomically(marker, json.dumps({**told, f"gap {uri}": what}, sort_keys=True).encode())


def _told(marker: Path) -> dict[str, str]:
    """Tracking server -> digest of the result it knows; a damaged marker counts as never told."""
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # A server that does not answer costs a line, not minutes: the result is safe on disk.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow.tracking import MlflowClient

    if not uri.startswith("sqlite:///"):
        return MlflowClient(tracking_uri=uri)
    database = Path(uri.removeprefix("sqlite:///")).absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(database.with_name(f".{database.name}.creating"), timeout=120):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)  # the first call creates and migrates the tables
    return client


def _experiment(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process was first
            found = client.get_experiment_by_name(name)
    return str(found.experiment_id)


def _log_parent(client: Any, result: Result, predictions: Predictions) -> str:
    experiment = _experiment(client, f"{result.protocol} / {result.entry.dataset}")
    name = f"{' + '.join(result.entry.backbones)} / {result.entry.fusion} / {result.folds.kind}"
    parent = client.create_run(experiment, run_name=name, tags=_tags(result)).info.run_id
    values: dict[str, float] = {}
    for metric, score in result.scores.items():
        values |= {metric: score.value, f"{metric}_fold_mean": score.fold_mean, f"{metric}_fold_sd": score.fold_sd}
        if score.low is not None and score.high is not None:
            values |= {f"{metric}_low": score.low, f"{metric}_high": score.high}
        if score.seed_sd is not None:
            values[f"{metric}_seed_sd"] = score.seed_sd
    values |= {f"recall_{_key(label)}": v for label, v in result.per_class_recall.items()}
    values |= {"fit_seconds": result.timings.fit, "parameters_trained": float(result.provenance.parameters_trained)}
    _batch(client, parent, values, _params(result))
    for fold in result.per_fold:
        _log_fold(client, experiment, parent, result, fold)
    with tempfile.TemporaryDirectory() as passing:
        public = Folder(Path(passing))
        public.write(result, predictions)
        client.log_artifact(parent, str(public.path(result.id)))
        client.log_artifact(parent, str(public.predictions_path(result.id)))
    client.set_terminated(parent)
    return str(parent)


def _log_fold(client: Any, experiment: str, parent: str, result: Result, fold: FoldScore) -> None:
    from mlflow.entities import Metric

    tags = {"mlflow.parentRunId": parent, "nverbench.id": result.id, "nverbench.fold": fold.fold, "nverbench.replicate": str(fold.replicate)}
    run = client.create_run(experiment, run_name=f"fold {fold.fold} replicate {fold.replicate}", tags=tags).info.run_id
    now = int(time.time() * 1000)
    curves = [Metric(_key(name), value, now, epoch) for epoch, row in enumerate(fold.curves, 1) for name, value in row.items()]
    finals = [Metric(name, getattr(fold, name), now, 0) for name in metrics.NAMES]
    finals += [Metric("best_epoch", float(fold.best_epoch), now, 0), Metric("epochs", float(fold.epochs), now, 0)]
    for start in range(0, len(curves) + len(finals), 1000):  # MLflow takes at most 1,000 metrics a call
        client.log_batch(run, metrics=(finals + curves)[start : start + 1000])
    client.set_terminated(run)


def _batch(client: Any, run: str, values: dict[str, float], params: dict[str, str]) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    client.log_batch(run, metrics=[Metric(k, v, now, 0) for k, v in values.items()], params=[Param(k, v[:LONGEST_PARAM]) for k, v in params.items()])


def _params(result: Result) -> dict[str, str]:
    entry = result.entry
    return {
        "backbones": " + ".join(entry.backbones),
        "fusion": entry.fusion,
        "loss": entry.loss,
        "dataset": entry.dataset,
        "folds": result.folds.kind,
        "protocol": result.protocol,
        "selection": result.selection,
        "seeds": str(result.seeds),
    }


def _tags(result: Result) -> dict[str, str]:
    description = f"`{result.id}` {result.standing}{', control, not a result' if result.control else ''}. {'; '.join(result.standing_reasons)}"
    return {
        "nverbench.id": result.id,
        "nverbench.standing": result.standing,
        "nverbench.control": str(result.control).lower(),
        "nverbench.optimistic": str(result.optimistic).lower(),
        "nverbench.result_digest": result.result_digest,
        "nverbench.fold_digest": result.folds.digest,
        "nverbench.licence": result.licence,
        "mlflow.note.content": description,
    }


def _key(name: str) -> str:
    """A metric name MLflow accepts."""
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """MLflow's migration log and warnings do not belong between our lines."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
