"""A slow server is given up and not used for a while, whatever the number of jobs; push uses it all
the same.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import pytest

from nverbench.errors import TrackingError
from nverbench.results.tracking import backoff, log, log_ranks, push
from nverbench.results.tracking.client import connect
from support.tracking_processes import free_port
from support.tracking_results import IDS, folder, result, states


class Slow:
    """A client that answers after a delay."""

    def __init__(self, client: Any, seconds: float) -> None:
        self.client, self.seconds, self.requests = client, seconds, 0

    def __getattr__(self, name: str) -> Any:
        def late(*words: Any, **options: Any) -> Any:
            self.requests += 1
            time.sleep(self.seconds)
            return getattr(self.client, name)(*words, **options)

        return late


@pytest.fixture
def slow(uri: str, monkeypatch: pytest.MonkeyPatch) -> Slow:
    """A server that takes 0.3 s for each request, where more than 0.15 s each, and 0.7 s in total,
    is slow.
    """
    monkeypatch.setattr(backoff, "SLOW_AFTER", 0.7)
    monkeypatch.setattr(backoff, "SLOW", 0.15)
    monkeypatch.setattr(backoff, "BRIEF", 0.1)
    server = connect(uri)
    made = Slow(server._mlflow, 0.3)
    monkeypatch.setattr(server, "_mlflow", made)
    return made


def test_a_slow_server_is_given_up_in_one_line_and_not_used_for_a_while(
    uri: str, tmp_path: Path, slow: Slow
) -> None:
    results = [result(job) for job in IDS]
    here = folder(tmp_path, *results)
    with pytest.raises(
        TrackingError,
        match=r"answers took .* s; the result is safe in .*; the server is not used for \d+ s",
    ) as caught:
        log(results[0], here, uri)
    assert "\n" not in str(caught.value)
    before = slow.requests
    assert [log(r, here, uri) for r in results] == [False] * 3
    assert log_ranks([], uri) == 0
    assert slow.requests == before < 10


def test_what_a_slow_server_did_not_get_is_uploaded_once_by_push(
    uri: str, tmp_path: Path, slow: Slow
) -> None:
    here = folder(tmp_path)
    with pytest.raises(TrackingError):
        log(result(), here, uri)
    slow.seconds = 0.01
    assert [
        (done.told, done.known) for done in (push(here, uri, print), push(here, uri, print))
    ] == [(1, 0), (0, 1)]
    assert states(uri) == [("FINISHED", 2)]


def test_push_waits_for_a_slow_server(uri: str, tmp_path: Path, slow: Slow) -> None:
    slow.seconds = 0.16
    assert push(folder(tmp_path), uri, print).told == 1


def test_once_the_pause_is_over_a_run_uploads_again(
    uri: str, tmp_path: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = folder(tmp_path)
    with pytest.raises(TrackingError):
        log(result(), here, uri)
    slow.seconds = 0.0
    monkeypatch.setattr(backoff, "SLOW_AFTER", 20.0)
    monkeypatch.setitem(backoff._paused, uri, 0.0)
    assert log(result(), here, uri) is True
    assert states(uri) == [("FINISHED", 2)]


def test_many_quick_answers_are_not_slow(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "SLOW_AFTER", 0.01)
    monkeypatch.setattr(backoff, "SLOW", 5.0)
    assert log(result(), folder(tmp_path), uri) is True


@pytest.mark.skipif(
    importlib.util.find_spec("psycopg2") is None,
    reason="psycopg2 is not installed (pip install psycopg2-binary)",
)
def test_a_database_that_is_down_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TrackingError, match=r"no server answers at 127.0.0.1"):
        log(result(), folder(tmp_path), f"postgresql://me:secret@127.0.0.1:{free_port()}/mlflow")
    assert time.monotonic() - began < 5
