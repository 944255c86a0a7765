"""A worker that raises, dies or hangs costs its item alone, and no process outlives the call."""

from __future__ import annotations

import multiprocessing
import operator
import os
import signal
import time
from functools import partial

import pytest

from nverbench.data.audit.pool import ItemFailure, map_isolated
from nverbench.errors import NverbenchError


def test_every_item_gets_its_own_answer():
    assert sorted(map_isolated(abs, range(-50, 0), processes=2)) == [(i, 50 - i) for i in range(50)]


def test_no_items_need_no_process():
    assert list(map_isolated(abs, [])) == []


def test_a_worker_that_dies_on_an_item_costs_that_item_alone():
    items = [partial(abs, -n) for n in range(20)]
    items[3] = partial(os._exit, 7)
    items[4] = partial(signal.raise_signal, signal.SIGSEGV)  # what a decoder's bug looks like
    answers = dict(map_isolated(operator.call, items, processes=2))
    assert answers[3] == ItemFailure("the process that decoded it died (exit code 7)")
    assert answers[4] == ItemFailure("the process that decoded it died (SIGSEGV)")
    assert [answers[n] for n in range(20) if n not in (3, 4)] == [
        n for n in range(20) if n not in (3, 4)
    ]


def test_a_worker_that_hangs_is_ended():
    items = [partial(abs, -1), partial(time.sleep, 600), partial(abs, -2)]
    began = time.monotonic()
    assert dict(map_isolated(operator.call, items, processes=1, seconds=0.5)) == {
        0: 1,
        1: ItemFailure("not done after 0 s"),
        2: 2,
    }
    assert time.monotonic() - began < 30


def test_an_exception_is_that_items_reason():
    answers = dict(map_isolated(operator.call, [partial(int, "x"), partial(int, "4")], processes=1))
    assert answers[1] == 4
    assert answers[0].reason.startswith("ValueError: invalid literal")


def test_no_process_outlives_a_caller_that_stops_early():
    running = map_isolated(operator.call, [partial(abs, -n) for n in range(40)], processes=2)
    next(running)
    assert multiprocessing.active_children()
    running.close()
    assert not multiprocessing.active_children()


def test_workers_that_cannot_start_are_an_error_and_no_finding(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nverbench.data.audit.pool._discard_stderr", os._exit)
    with pytest.raises(NverbenchError, match="cannot be started"):
        list(map_isolated(abs, [1, 2, 3]))
