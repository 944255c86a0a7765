"""A server that crawls is given up and left alone for a while, whatever the number of jobs; push
asks it all the same.
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


class Crawling:
    """A client that answers, but late."""

    def __init__(self, client: Any, seconds: float) -> None:
        self.client, self.seconds, self.asked = client, seconds, 0

    def __getattr__(self, name: str) -> Any:
        def late(*words: Any, **options: Any) -> Any:
            self.asked += 1
            time.sleep(self.seconds)
            return getattr(self.client, name)(*words, **options)

        return late


@pytest.fixture
def crawling(uri: str, monkeypatch: pytest.MonkeyPatch) -> Crawling:
    """A server that takes 0.1 s for everything where 0.02 s is slow; half a second of it is
    borne.
    """
    monkeypatch.setattr(backoff, "SLOW_AFTER", 0.5)
    monkeypatch.setattr(backoff, "SLOW", 0.02)
    monkeypatch.setattr(backoff, "TRIFLE", 0.1)
    client = connect(uri)._client
    slow = Crawling(client._client, 0.1)
    monkeypatch.setattr(client, "_client", slow)
    return slow


def test_a_server_that_crawls_is_given_up_in_one_line_and_left_alone_for_a_while(
    uri: str, tmp_path: Path, crawling: Crawling
) -> None:
    results = [result(job) for job in IDS]
    here = folder(tmp_path, *results)
    with pytest.raises(
        TrackingError,
        match=r"answers took .* s; the result is safe in .*; it is left alone for \d+ s",
    ) as caught:
        log(results[0], here, uri)
    assert "\n" not in str(caught.value)
    asked = crawling.asked
    assert [log(r, here, uri) for r in results] == [False] * 3
    assert log_ranks([], uri) == 0
    assert crawling.asked == asked < 10


def test_what_was_not_told_to_a_server_that_crawls_is_told_once_by_push(
    uri: str, tmp_path: Path, crawling: Crawling
) -> None:
    here = folder(tmp_path)
    with pytest.raises(TrackingError):
        log(result(), here, uri)
    assert [
        (done.told, done.known) for done in (push(here, uri, print), push(here, uri, print))
    ] == [(1, 0), (0, 1)]
    assert states(uri) == [("FINISHED", 2)]


def test_once_the_pause_is_over_a_run_tells_again(
    uri: str, tmp_path: Path, crawling: Crawling, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = folder(tmp_path)
    with pytest.raises(TrackingError):
        log(result(), here, uri)
    crawling.seconds = 0.0
    monkeypatch.setitem(backoff._paused, uri, 0.0)
    assert log(result(), here, uri) is True
    assert states(uri) == [("FINISHED", 2)]


def test_many_quick_answers_are_not_slow(uri: str, tmp_path: Path, crawling: Crawling) -> None:
    crawling.seconds = 0.0
    assert log(result(), folder(tmp_path), uri) is True


@pytest.mark.skipif(
    importlib.util.find_spec("psycopg2") is None,
    reason="psycopg2 is not installed (pip install psycopg2-binary)",
)
def test_a_database_that_is_down_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TrackingError, match=r"nobody answers at 127.0.0.1"):
        log(result(), folder(tmp_path), f"postgresql://me:secret@127.0.0.1:{free_port()}/mlflow")
    assert time.monotonic() - began < 5
