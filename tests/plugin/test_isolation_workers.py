"""A process that trains folds imports the plugins of its job: there too they are alone."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nverbench.data.folds.assign import Fold
from nverbench.pipeline.executors import processes

FOLD = Fold("1", (0,), (), (1,), speakers_seen=False)
LOUD = """
import torch
torch.set_default_dtype(torch.float64)
print("hello")

def fit(training, streams, target, fold, replicate):
    return torch.zeros(1).dtype, target.tolist()
"""


def test_what_a_plugin_prints_and_sets_in_a_worker_reaches_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    (tmp_path / "loud_in_worker.py").write_text(LOUD)
    monkeypatch.syspath_prepend(tmp_path)
    np.save(tmp_path / "target.npy", np.array([0, 1]))
    task = pickle.dumps((importlib.import_module("loud_in_worker").fit, None, None))
    torch.set_default_dtype(torch.float32)
    del sys.modules["loud_in_worker"]
    capfd.readouterr()
    fitted: Any = processes._train(task, (str(tmp_path / "target.npy"),), (FOLD, 0))
    assert (fitted, capfd.readouterr().out) == ((torch.float32, [0, 1]), "")


def test_a_plugin_that_cannot_be_imported_in_a_worker_fails_its_job_with_its_error():
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        processes._train(b"cnothing_of_that_name\nfit\n.", (), (FOLD, 0))
