"""Addresses of tracking servers and databases: as users write them, as MLflow accepts them, and
without secrets.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

from nverbench.errors import TrackingError, reason_of

UNUSABLE = frozenset(
    {
        "ArgumentError",
        "InvalidSchema",
        "InvalidURL",
        "InvalidUrlException",
        "MissingSchema",
        "ModuleNotFoundError",
        "NoSuchModuleError",
        "UnsupportedModelRegistryStoreURIException",
    }
)
"""Names of errors of MLflow, SQLAlchemy and requests that no later attempt can overcome."""
ANOTHER = "upload them to another address: nverbench leaderboard push --tracking-uri ADDRESS"
VARIABLE = "MLFLOW_TRACKING_URI"
"""MLflow's own variable: the address where none is given on the command line."""
DEFAULT_URI = "sqlite:///mlflow.db"
POSTGRES = "postgresql+psycopg2"
USER = re.compile(r"(?<=://)(?:[^/\s:@]*:\S*|[^/\s]*)@")
SECRET = re.compile(r"([?&][a-z_.-]*(?:password|passwd|secret|token|key)=)[^&\s#]*", re.IGNORECASE)


class UnusableAddress(TrackingError):
    """An address that MLflow will not accept later either."""


def failure(uri: str, error: Exception, safe: str) -> TrackingError:
    """Return an error of MLflow, its store or the network as one of this package, in one line.

    Args:
        safe: the end of the line: what is safe, and what to do; replaced where the address can
            never work.
    """
    kind = type(error).__name__
    line = f"mlflow {shown(uri)}: {kind}: {shortened(shown(reason_of(error)))}"
    if kind in UNUSABLE:
        return UnusableAddress(f"{line}; results on disk are safe; {ANOTHER}")
    return TrackingError(f"{line}; {safe}")


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


def push_command(uri: str) -> str:
    """Return the command that uploads results to an address later."""
    known = uri in (DEFAULT_URI, os.environ.get(VARIABLE))
    return f"nverbench leaderboard push{'' if known else f' --tracking-uri {shown(uri)}'}"


def shortened(text: str, most: int = 200) -> str:
    """Return a text of at most ``most`` letters; a longer one ends after a whole word."""
    if len(text) <= most:
        return text
    words = text[: most - 3].rpartition(" ")[0] or text[: most - 4]
    return f"{words} ..."


def shown(text: str) -> str:
    """Return an address, or a sentence that holds one, without user, password and tokens, to be
    printed and kept next to results.

    A password may hold ``@``, ``/`` and ``:`` (SQLAlchemy accepts it): everything up to the last
    ``@`` of a word that begins with ``//USER:`` is removed.
    """
    return SECRET.sub(r"\1...", USER.sub("", text))
