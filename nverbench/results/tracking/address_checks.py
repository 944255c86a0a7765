"""Chooses the address of the tracking server or database that a command uses, and refuses one that
can never work before anything is computed. A server that is down is not refused: it may be up when
the first result is finished.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from nverbench.errors import TrackingError, UsageError, abbreviated
from nverbench.results.tracking.addresses import (
    DEFAULT_URI,
    POSTGRES,
    VARIABLE,
    address,
    database_of,
    shown,
)

OPTION = "--tracking-uri"
KINDS = "http://HOST:PORT, sqlite:///FILE.db or postgresql+psycopg2://USER@HOST/DATABASE"
WEB = ("http", "https")
DATABASES = {"postgresql": POSTGRES, "postgres": POSTGRES, "mysql": "mysql", "mssql": "mssql"}
DRIVERS = {
    "mysql": ("MySQLdb", "mysqlclient"),
    "mysql+pymysql": ("pymysql", "pymysql"),
    "mssql": ("pyodbc", "pyodbc"),
    "mssql+pyodbc": ("pyodbc", "pyodbc"),
    "mssql+pymssql": ("pymssql", "pymssql"),
}
"""Scheme -> module and package of the driver that SQLAlchemy imports."""
HEADER = b"SQLite format 3\0"


def resolve(given: str | None, option: str = OPTION) -> str:
    """The address that a command uses: the given one, else ``MLFLOW_TRACKING_URI``, else
    ``sqlite:///mlflow.db``.

    Args:
        given: by the user; None: not given.
        option: what the user calls it.

    Raises:
        UsageError: MLflow accepts no such address, or its database cannot be written.
    """
    source, uri = option, given
    if uri is None:
        source, uri = VARIABLE, os.environ.get(VARIABLE) or DEFAULT_URI
    uri = uri.strip()
    scheme, separator, rest = uri.partition("://")
    if separator:
        uri = f"{_scheme(scheme)}://{rest}"
    problem = _problem(uri)
    if problem:
        end = f"; correct {VARIABLE}, or name an address with {OPTION}" if source != option else ""
        raise UsageError(f"{source} {shown(uri) or abbreviated(uri)}: {problem}{end}")
    return uri


def _scheme(written: str) -> str:
    """A scheme in lower case, in the spelling that this package knows."""
    lower = written.lower()
    return "sqlite" if lower == "sqlite+pysqlite" else lower


def _problem(uri: str) -> str | None:
    """Why an address can never work, and what to write; None where it may work."""
    scheme, separator, _ = uri.partition("://")
    if uri == "databricks" or scheme == "databricks":
        return None
    if scheme == "sqlite" or uri.startswith("sqlite:"):
        return _sqlite_problem(uri)
    if uri.lower().startswith(("http:", "https:")):
        return _web_problem(uri)
    if not separator or scheme == "file":
        return _path_problem(uri)
    if scheme.partition("+")[0] in DATABASES:
        return _driver_problem(uri, scheme)
    if scheme in {point.name for point in entry_points(group="mlflow.tracking_store")}:
        return None  # of a plugin of MLflow
    return f"MLflow has no tracking server of scheme {scheme!r}; expected {KINDS}"


def _sqlite_problem(uri: str) -> str | None:
    path = uri.removeprefix("sqlite:").lstrip("/")
    if not uri.startswith("sqlite:///"):
        name = path or "mlflow.db"
        return f"write sqlite:///{name} for a file in this folder, or sqlite:////FOLDER/{Path(name).name}"
    database = database_of(uri)
    if not path or path.startswith(":memory:") or database is None:
        return "a database in memory is lost at the end; name a file: sqlite:///mlflow.db"
    if "?" in path:
        return "a name of a file without ? is expected; options of SQLite are not supported"
    if path.startswith("~"):
        return f"~ is not replaced here; write sqlite:///{Path(path).expanduser()}"
    return _file_problem(database)


def _file_problem(database: Path) -> str | None:
    """Why a file cannot be an SQLite database that this process writes."""
    if database.is_dir():
        return f"{database} is a folder; name a file in it: sqlite:///{database}/mlflow.db"
    if database.exists():
        try:
            with database.open("rb") as file:
                start = file.read(len(HEADER))
        except OSError as error:
            return f"the database cannot be read ({error.strerror}); name another file"
        if start not in (b"", HEADER):
            return f"{database} is no SQLite database; name another file"
        if not os.access(database, os.W_OK):
            return "the database cannot be written (Permission denied); name another file"
    folder = next(parent for parent in database.parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"the folder {folder} cannot be written ({error.strerror}); name another file"


def _web_problem(uri: str) -> str | None:
    expected = "expected http://HOST:PORT"
    try:
        place = urlsplit(uri)
        host, _ = place.hostname, place.port
    except ValueError as error:
        return f"{error}; {expected}"
    if not host or re.search(r"\s", uri):
        return f"it names no host; {expected}"
    return None


def _path_problem(uri: str) -> str | None:
    """Why MLflow does not write to a folder, or what a text without a scheme may mean."""
    if not uri:
        return f"the address is empty; expected {KINDS}"
    if uri in ("uc", "databricks-uc") or uri.startswith("uc:"):
        return f"MLflow tracks no runs in Unity Catalog; write databricks, or {KINDS}"
    if re.fullmatch(r"[\w.-]{2,}:\d+(/.*)?", uri):
        return f"write http://{uri} for a server"
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
        return None
    path = uri.removeprefix("file:")
    path = f"/{path.lstrip('/')}" if path.startswith("/") else path.removeprefix("./")
    name = path if path.endswith((".db", ".sqlite")) else f"{path.rstrip('/')}/mlflow.db"
    return (
        "MLflow writes no more runs to plain folders; write a database, such as"
        f" sqlite:///{name} (mlflow migrate-filestore moves old runs into it)"
    )


def _driver_problem(uri: str, scheme: str) -> str | None:
    """Why a database cannot be reached at all: its driver is not installed."""
    try:
        address(uri)
    except TrackingError as error:
        return str(error).partition(": ")[2]
    module, package = DRIVERS.get(scheme, (None, None))
    if module is None or importlib.util.find_spec(module) is not None:
        return None
    return f"a database of {scheme} needs its driver: pip install {package}; or name {KINDS}"
