"""What a run writes and prints holds no secret of the environment and no password of an address:
every byte is searched.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nverbench._io.paths import home
from nverbench.results import tracking

log = tracking.log  # the real one: the tiny world puts a stand-in in its place
# As in test_tracking.py: MLflow's and SQLAlchemy's own warnings.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sqlalchemy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:alembic"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NAMES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "HF_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "GITHUB_TOKEN",
    "SSH_AUTH_SOCK",
    "DATABASE_URL",
    "SOMETHING_OF_MY_OWN",
)
SECRET = "Zq7wxS3cr3t"


@pytest.fixture
def guarded(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny world in an environment of secrets, with tracking as it is."""
    monkeypatch.setattr(tracking, "log", log)
    for number, name in enumerate(NAMES):
        monkeypatch.setenv(name, f"{SECRET}{number}")
    return world


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file under a folder, and what archives hold unpacked."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield str(path), path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from ((f"{path}:{name}", archive.read(name)) for name in archive.namelist())


def leaks(world: Any, ran: Any, needle: str = SECRET) -> list[str]:
    """Where a secret, or the name of a variable that holds one, is found."""
    written = [*contents(world.root), *contents(home())]
    assert len(written) > 5
    found = [
        (name, b)
        for name, b in (
            *written,
            ("standard output", ran.out.encode()),
            ("standard error", ran.err.encode()),
        )
    ]
    return [
        name
        for name, content in found
        if needle.encode() in content or any(n.encode() in content for n in NAMES)
    ]


def test_no_secret_of_the_environment_is_written_or_printed(guarded: Any) -> None:
    ran = guarded.job("--tracking-uri", f"sqlite:///{guarded.root}/mlflow.db")
    assert ran.code == 0, ran.err
    assert (guarded.root / "mlflow.db").stat().st_size > 10_000
    assert leaks(guarded, ran) == []


def test_the_search_would_find_one(guarded: Any) -> None:
    ran = guarded.job("--tracking-uri", f"sqlite:///{guarded.root}/mlflow.db")
    (guarded.root / "note.txt").write_text(f"x{SECRET}3y")
    assert [Path(name).name for name in leaks(guarded, ran)] == ["note.txt"]


@pytest.mark.parametrize("password", [SECRET, f"a@{SECRET}", f"a%2F{SECRET}"])
def test_a_password_in_the_address_of_a_server_is_neither_written_nor_printed(
    guarded: Any, password: str
) -> None:
    ran = guarded.job("--tracking-uri", f"http://me:{password}@127.0.0.1:9")
    assert "mlflow http://127.0.0.1:9" in ran.err
    assert len(guarded.results) == 1
    assert leaks(guarded, ran) == []
