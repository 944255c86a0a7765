"""MLflow stores of a test's own, copied from one that was made once: making the tables takes
seconds.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from nverbench.results.tracking.client import connect, tracking_errors

NOISE = (
    "ignore::DeprecationWarning:mlflow",
    "ignore::DeprecationWarning:sqlalchemy",
    "ignore::DeprecationWarning:alembic",
    "ignore::ResourceWarning",  # pooled sqlite connections are closed by the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """MLflow 3.17 and its SQLAlchemy models warn about their own deprecated calls; nothing of
    ours.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for noise in NOISE:
                item.add_marker(pytest.mark.filterwarnings(noise))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    with tracking_errors("", ""):
        connect(f"sqlite:///{path}")
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture
def uri(empty_store: Path, tmp_path: Path) -> str:
    """The address of a database of this test's own."""
    (tmp_path / "store").mkdir()
    shutil.copy(empty_store, tmp_path / "store" / "mlflow.db")
    return f"sqlite:///{tmp_path}/store/mlflow.db"
