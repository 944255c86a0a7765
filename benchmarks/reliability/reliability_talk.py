"""A case of ``reliability.py``: a job on conversations, killed in a random epoch, must go on there;
the world is that of test_run_killed.py.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from pathlib import Path

import reliability_left
from reliability_cases import PATIENCE, Outcome, shot

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the corpus of a test

from nverbench._io.state import write_state
from support.iemocap_tree import write_tree
from tests.e2e.test_run_killed import EPOCHS, begun, ended, epochs, result


def killed(root: Path, chance: random.Random, number: int) -> Outcome:
    """Kill the job while it trains, run it again: the epochs begun twice are those that were lost,
    at most the one it was in.
    """
    os.environ["NVERBENCH_HOME"] = str(root / "home")
    if not root.exists():
        write_tree(root / "IEMOCAP", dialogues=2, turns=4)
        write_state("corpora", "paths", "iemocap", str(root / "IEMOCAP"))
        ended(begun(root, "straight"))
    outcome, out, at = (
        Outcome("conversation job killed in an epoch"),
        f"killed-{number}",
        chance.randint(1, EPOCHS),
    )
    process, deadline = begun(root, out), time.monotonic() + PATIENCE
    while len(epochs(root, out)) < at and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(chance.uniform(0.0, 0.02))
    outcome.happened = shot(process)
    process.communicate()
    try:
        ended(begun(root, out))
    except AssertionError as error:
        outcome.wrong.append(str(error))
    twice = len(epochs(root, out)) - EPOCHS
    outcome.lost += [f"{twice} epochs were trained again"] if twice > 1 else []
    outcome.wrong += (
        []
        if result(root, out)["result_digest"] == result(root, "straight")["result_digest"]
        else ["another result_digest"]
    )
    outcome.left += [
        f"{path} was left" for kind in ("*.pt", ".writing-*") for path in (root / out).rglob(kind)
    ]
    outcome.left += reliability_left.processes(root / "home")
    shutil.rmtree(root / out)
    return outcome
