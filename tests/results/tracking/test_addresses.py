"""The address of the tracking server: the option wins over MLFLOW_TRACKING_URI, which wins over the
default; an address that can never work is refused in one line before anything is computed.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from pathlib import Path

import pytest

import nverbench
from nverbench import UsageError
from nverbench.cli import main
from nverbench.results import tracking
from nverbench.results.tracking import address_checks, addresses

VARIABLE = "MLFLOW_TRACKING_URI"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "variable", "used"),
    [
        (None, None, "sqlite:///mlflow.db"),
        (None, "", "sqlite:///mlflow.db"),
        (None, "sqlite:///mine.db", "sqlite:///mine.db"),
        (None, " http://localhost:5000 ", "http://localhost:5000"),
        ("sqlite:///yours.db", "sqlite:///mine.db", "sqlite:///yours.db"),
        ("sqlite:///yours.db", "ftp://x", "sqlite:///yours.db"),
        ("HTTP://Host:5000/p", None, "http://Host:5000/p"),
        ("sqlite+pysqlite:///x.db", None, "sqlite:///x.db"),
    ],
)
def test_the_option_wins_over_the_variable_and_the_variable_over_the_default(
    given: str | None, variable: str | None, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    assert tracking.resolve(given) == used


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "https://user:secret@mlflow.example.org/path",
        "http://[::1]:5000",
        "databricks",
        "databricks://profile",
        "sqlite:///new/folder/x.db",
        "sqlite:///a b.db",
        "postgresql+psycopg2://me@host/runs",
        "postgresql://me@host:5432/runs",
    ],
)
def test_an_address_that_may_work_passes_and_nothing_is_written(uri: str, tmp_path: Path) -> None:
    if uri.startswith("postgresql") and importlib.util.find_spec("psycopg2") is None:
        pytest.skip("psycopg2 is not installed")
    assert tracking.resolve(uri) == uri
    assert list(tmp_path.iterdir()) == []


def make_files(folder: Path) -> None:
    (folder / "notes.txt").write_text("no database, but text that is long enough")
    (folder / "sub").mkdir()


WRONG = [
    (
        "ftp://x",
        "MLflow has no tracking server of scheme 'ftp'; expected http://HOST:PORT, sqlite:",
    ),
    ("nowhere://server", "MLflow has no tracking server of scheme 'nowhere'"),
    ("s3://bucket/x", "MLflow has no tracking server of scheme 's3'"),
    ("sqlite://x.db", "write sqlite:///x.db for a file in this folder, or sqlite:////FOLDER/x.db"),
    ("sqlite:x.db", "write sqlite:///x.db"),
    ("sqlite:/x.db", "write sqlite:///x.db"),
    ("sqlite://", "write sqlite:///mlflow.db"),
    ("sqlite:///", "a database in memory is lost at the end; name a file"),
    ("sqlite:///:memory:", "a database in memory is lost at the end; name a file"),
    ("sqlite:///x.db?timeout=3", "a name of a file without ? is expected"),
    ("sqlite:///~/x.db", "~ is not replaced here; write sqlite:////"),
    ("sqlite:///sub", "is a folder; name a file in it: sqlite:////"),
    ("sqlite:///notes.txt", "notes.txt is no SQLite database; name another file"),
    ("sqlite:///notes.txt/x.db", "notes.txt cannot be written (Not a directory); name another"),
    ("sqlite:////proc/none/mlflow.db", "the folder /proc cannot be written"),
    ("./mlruns", "plain folders; write a database, such as sqlite:///mlruns/mlflow.db (mlflow"),
    ("mlruns/", "such as sqlite:///mlruns/mlflow.db"),
    ("x.db", "such as sqlite:///x.db"),
    ("/data/mlruns", "such as sqlite:////data/mlruns/mlflow.db"),
    ("file:///data/mlruns", "such as sqlite:////data/mlruns/mlflow.db"),
    ("file:mlruns", "such as sqlite:///mlruns/mlflow.db"),
    ("localhost:5000", "write http://localhost:5000 for a server"),
    ("10.0.0.1:80/x", "write http://10.0.0.1:80/x for a server"),
    ("http://", "it names no host; expected http://HOST:PORT"),
    ("http:///x", "it names no host"),
    ("http:/host", "it names no host"),
    ("http:host", "it names no host"),
    ("https://:5000", "it names no host"),
    ("http://my host:5000", "it names no host"),
    ("http://host:port", "; expected http://HOST:PORT"),
    ("http://host:99999", "; expected http://HOST:PORT"),
    ("http://[::1", "; expected http://HOST:PORT"),
    ("uc:catalog", "MLflow tracks no runs in Unity Catalog"),
    ("databricks-uc", "MLflow tracks no runs in Unity Catalog"),
    ("", "the address is empty; expected http://HOST:PORT"),
    ("  ", "the address is empty"),
]


@pytest.mark.parametrize(("uri", "words"), WRONG)
def test_an_address_that_can_never_work_is_refused_in_one_line(
    uri: str, words: str, tmp_path: Path
) -> None:
    make_files(tmp_path)
    with pytest.raises(UsageError) as caught:
        tracking.resolve(uri)
    message = str(caught.value)
    assert message.startswith(
        f"--tracking-uri {uri.strip()}" if uri.strip() else "--tracking-uri '"
    )
    assert words in message
    assert "\n" not in message
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt", "sub"]


@pytest.mark.parametrize(("uri", "words"), [pair for pair in WRONG if pair[0].strip()])
def test_a_wrong_variable_is_named(
    uri: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files(tmp_path)
    monkeypatch.setenv(VARIABLE, uri)
    with pytest.raises(UsageError, match=rf"^{VARIABLE} .*; correct {VARIABLE}, or name") as caught:
        tracking.resolve(None)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "package"), [("mysql+pymysql://u@h/x", "pymysql"), ("mssql://u@h/x", "pyodbc")]
)
def test_a_missing_driver_is_named_before_the_computing(uri: str, package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(UsageError, match=f"needs its driver: pip install {package}"):
        tracking.resolve(uri)


def test_a_missing_driver_of_postgresql_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^--tracking-uri .*pip install psycopg2-binary"):
        tracking.resolve("postgresql://u@h/x")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        tracking.resolve("ftp://me:secret@host")
    assert "secret" not in str(caught.value)


def test_a_database_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite3.connect(tmp_path / "x.db").close()
    monkeypatch.setattr(address_checks.os, "access", lambda path, mode: False)  # root may write all
    with pytest.raises(UsageError, match="the database cannot be written"):
        tracking.resolve("sqlite:///x.db")


def test_folders_pass_where_mlflow_is_told_to_accept_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert tracking.resolve("./mlruns") == "./mlruns"


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return int(left.value.code or 0)


@pytest.mark.parametrize(
    "words",
    [("run", "--backbone", "none"), ("leaderboard", "push"), ("leaderboard", "pull")],
    ids=" ".join,
)
def test_a_command_refuses_a_wrong_address_first(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, "--tracking-uri", "ftp://x") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("nverbench: --tracking-uri ftp://x: MLflow has no tracking server")


def test_serve_refuses_a_wrong_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("leaderboard", "serve", "--tracking-uri", "sqlite://x.db") == 2
    assert "write sqlite:///x.db" in capsys.readouterr().err


def test_pull_reads_the_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "sqlite:///mine.db")
    assert run("leaderboard", "pull") == 2
    assert "mine.db: no MLflow database is there" in capsys.readouterr().err


def test_a_notebook_refuses_a_wrong_address_first() -> None:
    with pytest.raises(UsageError, match=r"^tracking_uri \./mlruns: MLflow writes no more runs"):
        nverbench.run("none", tracking_uri="./mlruns", quiet=True)


def test_the_command_that_uploads_later_names_the_address_where_it_must(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = "nverbench leaderboard push --tracking-uri http://host:1"
    assert addresses.push_command("http://me:secret@host:1") == named
    assert addresses.push_command("sqlite:///mlflow.db") == "nverbench leaderboard push"
    monkeypatch.setenv(VARIABLE, "http://host:1")
    assert addresses.push_command("http://host:1") == "nverbench leaderboard push"


@pytest.mark.parametrize("most", [20, 200])
def test_a_shortened_text_ends_after_a_word(most: int) -> None:
    text = "the quick brown fox " * 40
    got = addresses.shortened(text, most)
    assert len(got) <= most
    assert got.endswith(" ...")
    assert set(got.removesuffix(" ...").split()) <= set(text.split())
    assert addresses.shortened("x" * 500, most) == f"{'x' * (most - 4)} ..."
    assert addresses.shortened("short", most) == "short"
