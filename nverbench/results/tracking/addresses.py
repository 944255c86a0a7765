"""Addresses of tracking servers and databases: as users write them, as MLflow takes them, and as
they may be printed.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from nverbench.errors import TrackingError

DEFAULT_URI = "sqlite:///mlflow.db"
POSTGRES = "postgresql+psycopg2"
USER = re.compile(r"(?<=://)(?:[^/\s:@]*:\S*|[^/\s]*)@")
SECRET = re.compile(r"([?&][a-z_.-]*(?:password|passwd|secret|token|key)=)[^&\s#]*", re.IGNORECASE)


def database_of(uri: str) -> Path | None:
    """The file of a SQLite address; None for a server."""
    return Path(uri.removeprefix("sqlite:///")).absolute() if uri.startswith("sqlite:///") else None


def address(uri: str) -> str:
    """An address as MLflow takes it: one of PostgreSQL names its driver, which SQLAlchemy would
    choose by its own version.

    Raises:
        TrackingError: the driver is not installed.
    """
    scheme, separator, rest = uri.partition("://")
    if scheme not in ("postgres", "postgresql", POSTGRES):
        return uri
    if importlib.util.find_spec("psycopg2") is None:
        raise TrackingError(
            f"mlflow {shown(uri)}: a database of PostgreSQL needs its driver: pip install"
            " psycopg2-binary; or name a server, http://HOST:PORT"
        )
    return f"{POSTGRES}{separator}{rest}"


def shown(text: str) -> str:
    """An address, or a sentence that holds one, without user, password and tokens: it is printed
    and kept beside results.

    A password may hold ``@``, ``/`` and ``:`` (SQLAlchemy takes it so): what stands before the last
    ``@`` of a word that begins ``//USER:`` goes.
    """
    return SECRET.sub(r"\1...", USER.sub("", text))
