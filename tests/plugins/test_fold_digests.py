"""The folds that registry.yaml pins are those of the published lists of clips, and every other
corpus is said to need a copy.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import ModuleType

import pytest

from nverbench import registry
from nverbench_datasets import crema_d, nverbench_datasets
from support.paths import ROOT

SCRIPT = ROOT / "benchmarks" / "science" / "fold_digests.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fold_digests", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_registered_digests_are_those_of_the_published_names():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  registered") == 10


def test_every_published_corpus_is_either_pinned_or_said_to_need_a_copy(script: ModuleType):
    pinned = {dataset.corpus for dataset, _, _ in script.FOLLOWS}
    published = {
        dataset.corpus
        for dataset in nverbench_datasets()
        if dataset.corpus and dataset.make is None
    }
    assert pinned | set(script.DOES_NOT) == published
    assert not pinned & set(script.DOES_NOT)
    assert {name for name, pin in registry.load().datasets.items() if pin.folds} == {
        dataset.name for dataset, _, _ in script.FOLLOWS
    }


def test_the_list_of_crema_d_is_the_published_file_but_for_its_order(script: ModuleType):
    names = [
        clip.id for clip in script.clips(crema_d.CREMA_D, crema_d.parse, script.crema_d_names())
    ]
    assert len(names) == 7442 - 1  # one is silent
    lines = [
        '"Stimulus_Number","Filename"',
        *(f'{number},"{name}"' for number, name in enumerate([*names, "1076_MTI_SAD_XX"], 1)),
    ]
    assert len("\n".join(lines)) == 170_087  # the size of SentenceFilenames.csv


def test_names_that_do_not_give_the_declared_counts_stop_the_script(script: ModuleType):
    with pytest.raises(SystemExit, match="crema-d: the published names give"):
        script.clips(crema_d.CREMA_D, crema_d.parse, ["1001_DFA_ANG_XX.wav"])
