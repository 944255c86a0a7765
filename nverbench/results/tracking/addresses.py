"""Addresses of tracking servers and databases: as users write them, as MLflow accepts them, and
without secrets.
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
    """Return the file of a SQLite address; None for a server."""
    return Path(uri.removeprefix("sqlite:///")).absolute() if uri.startswith("sqlite:///") else None


def address(uri: str) -> str:
    """Return an address as MLflow accepts it. One of PostgreSQL gets its driver: SQLAlchemy's
    default depends on its version.

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
    """Return an address, or a sentence that holds one, without user, password and tokens, to be
    printed and kept next to results.

    A password may hold ``@``, ``/`` and ``:`` (SQLAlchemy accepts it): everything up to the last
    ``@`` of a word that begins with ``//USER:`` is removed.
    """
    return SECRET.sub(r"\1...", USER.sub("", text))
