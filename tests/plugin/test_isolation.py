"""A plugin's code alone: what it prints, warns, changes and how long it takes is kept from
everybody else and named.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nverbench.plugin import process_state as process
from nverbench.plugin.isolation import isolated_call
from nverbench.plugin.time_limit import AGAIN, ImportTimeout


def state() -> dict[str, Any]:
    """Everything that is watched."""
    groups = (
        process.python_settings,
        process.logging_settings,
        process.numpy_settings,
        process.torch_settings,
        process.torch_random,
    )
    return {name: value for group in groups for name, value in process.read(group()).items()} | {
        "filters": list(warnings.filters)
    }


CHANGES: dict[str, Callable[[], object]] = {
    "environment variables (STRANGER)": lambda: os.environ.update(STRANGER="secret"),
    "environment variables (PATH)": lambda: os.environ.pop("PATH"),
    "working folder": lambda: os.chdir("/"),
    "sys.path": lambda: sys.path.insert(0, "/nowhere"),
    "standard streams": lambda: setattr(sys, "stdin", None),
    "sys.excepthook": lambda: setattr(sys, "excepthook", print),
    "root logger": lambda: logging.basicConfig(level=logging.DEBUG, force=True),
    "signal handlers (SIGINT)": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "random state of python": (
        random.random
    ),  # a draw always changes it: another test may have left it at any seed
    "random state of numpy": np.random.random,
    "numpy's treatment of errors (divide, invalid, over, under)": lambda: np.seterr(all="raise"),
    "random state of torch": lambda: torch.rand(1),
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "gradient mode": lambda: torch.set_grad_enabled(False),
    "deterministic mode": lambda: torch.use_deterministic_algorithms(True),
    "precision of products": lambda: torch.set_float32_matmul_precision("medium"),
    "benchmark mode of cuDNN": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "filters of warnings": lambda: warnings.simplefilter("ignore"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_setting_is_put_back_and_named(what: str):
    before = state()
    outcome = isolated_call(CHANGES[what], None)  # torch's deterministic mode imports for seconds
    (remark,) = outcome.remarks
    assert remark.startswith("changes ")
    assert what in remark  # torch's deterministic mode comes with an environment variable
    assert state() == before


def test_what_a_plugin_changes_before_it_fails_is_put_back():
    def half() -> None:
        CHANGES["default dtype"]()
        raise RuntimeError("no")

    outcome = isolated_call(half, 10.0)
    assert (str(outcome.error), torch.get_default_dtype()) == ("no", torch.float32)


def test_the_answer_of_code_that_minds_its_own_business_comes_without_remarks():
    outcome = isolated_call(lambda: 3, 10.0)
    assert (outcome.answer, outcome.error, outcome.remarks) == (3, None, [])


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), RecursionError(), BaseException("mine")], ids=repr
)
def test_whatever_it_raises_stays_inside(error: BaseException):
    def fails() -> None:
        raise error

    assert isolated_call(fails, None).error is error


def test_ctrl_c_is_the_users():
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolated_call(interrupted, 10.0)


# heard


def test_what_it_prints_reaches_neither_stream(capfd: pytest.CaptureFixture[str]):
    def prints() -> None:
        print("to all\nof you")
        os.write(2, b"from below")

    assert isolated_call(prints, 10.0).remarks == ['prints "to all of you from below"']
    assert capfd.readouterr() == ("", "")


def test_what_it_prints_is_cut(capfd: pytest.CaptureFixture[str]):
    (remark,) = isolated_call(lambda: print("x" * 100_000), 10.0).remarks
    assert len(remark) < 200


def test_a_handler_that_kept_a_stream_writes_to_the_real_one_later(
    capsys: pytest.CaptureFixture[str],
):
    kept = isolated_call(lambda: sys.stderr, 10.0).answer
    print("later", file=kept)
    assert capsys.readouterr().err == "later\n"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_process_without_a_stream_is_fine(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(sys, name, None)
    assert isolated_call(lambda: 3, 10.0).answer == 3


@pytest.mark.parametrize("action", ["error", "ignore", "default"])
def test_a_warning_is_named_whatever_the_user_does_with_warnings(action: Any):
    def warns() -> int:
        warnings.warn("look out", stacklevel=1)
        warnings.warn("look out", stacklevel=1)
        return 3

    with warnings.catch_warnings():
        warnings.simplefilter(action)
        outcome = isolated_call(warns, 10.0)
    assert (outcome.answer, outcome.remarks) == (3, ['warns "UserWarning: look out"'])


def test_a_warning_for_developers_is_not_shown_to_users():
    assert (
        isolated_call(
            lambda: warnings.warn("soon gone", DeprecationWarning, stacklevel=1), 10.0
        ).remarks
        == []
    )


# the time limit


def swallows() -> None:
    while True:
        try:
            time.sleep(60)
        except BaseException:  # the worst case
            continue


def spins() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    "hang", [swallows, spins, lambda: time.sleep(60)], ids=["swallows", "spins", "sleeps"]
)
def test_code_that_takes_too_long_is_stopped(hang: Callable[[], Any]):
    assert isinstance(isolated_call(hang, 0.05).error, ImportTimeout)


def test_code_that_takes_too_long_is_stopped_outside_of_the_main_thread():
    errors: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: errors.append(isolated_call(spins, 0.05).error))
    thread.start()
    thread.join(20)
    assert [type(e) for e in errors] == [ImportTimeout]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_a_timer_of_the_process_goes_on_afterwards():
    rung: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    kept = signal.setitimer(signal.ITIMER_REAL, 0.3)
    began = time.monotonic()
    try:
        isolated_call(lambda: time.sleep(0.1), 10.0)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        time.sleep(0.5)
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *kept)
    assert 0 < left < 0.25
    assert [moment - began > 0.25 for moment in rung] == [True]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_no_timer_and_no_thread_is_left_behind():
    before = (signal.getsignal(signal.SIGALRM), threading.active_count())
    isolated_call(spins, 0.05)
    time.sleep(2 * AGAIN)
    assert (signal.getsignal(signal.SIGALRM), threading.active_count()) == before


# libraries that the plugin is the first to import


FRESH = """
import sys
from nverbench.plugin.isolation import LIBRARIES, isolated_call
sys.path.insert(0, {folder!r})
library = lambda: sys.modules["slowlib"]
LIBRARIES["slowlib"] = lambda: {{"mood of slowlib": (lambda: library().mood, lambda value: setattr(library(), "mood", value))}}
def first():
    import importlib.util
    importlib.util.find_spec("slowlib")
    import slowlib
    slowlib.mood = "bad"
outcome = isolated_call(first, 0.2)
import slowlib
print(outcome.error, outcome.remarks, slowlib.mood)
"""


def test_a_library_that_a_plugin_imports_first_is_as_it_was_when_imported_and_its_import_does_not_count(
    tmp_path: Path,
):
    (tmp_path / "slowlib.py").write_text("import time\ntime.sleep(0.5)\nmood = 'good'\n")
    ran = subprocess.run(
        [sys.executable, "-c", FRESH.format(folder=str(tmp_path))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "None ['changes mood of slowlib (put back)'] good\n"
