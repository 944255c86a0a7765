"""What every test gets: a home of its own, quiet libraries, and two fixtures for tiny plugins and
tiny corpora.
"""

from __future__ import annotations

import os

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false"
)
os.environ.setdefault(
    "OMP_NUM_THREADS",
    "1",
    # files are tested beside each other: threads of two processes on the same cores wait for each other
)

os.environ.pop("MLFLOW_TRACKING_URI", None)  # of whoever runs the tests

import hypothesis
import pytest  # the environment above must be set before anything imports mlflow or transformers

from nverbench import import_torchaudio

# A busy machine is no failure; CI draws the same examples every time. Each run draws others, so that
# few per run are enough: all tests must end within minutes.
slow = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=slow,
    derandomize=bool(os.environ.get("CI")),
    max_examples=int(os.environ.get("NVERBENCH_EXAMPLES", "40")),
)
hypothesis.settings.load_profile("house")

import_torchaudio()  # before anything imports transformers


LONG = (
    "test_readme.py",
    "test_ray_alone.py",
    "test_ray.py",
    "test_docs_plugins.py",
    "test_run_trouble.py",
    "test_write_sites.py",
    "test_installed.py",
)
"""Files that take minutes. Two processes share the files of the tests: begun last, one of these
would keep one of them waiting at the end.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; the order within a file stays."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches the caches of whoever runs it."""
    monkeypatch.setenv("NVERBENCH_HOME", str(tmp_path_factory.mktemp("home")))
