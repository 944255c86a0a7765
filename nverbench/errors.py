"""One tree of errors. Each says which part or file, what was expected, what came, and what to do.

The command line prints them in one line: exit code 2 for a user's mistake, 1 for a job that failed;
a traceback only with ``--debug``.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

LONGEST = 1500
"""Characters of an error message; a longer one holds the text of a file, not advice."""


class NverbenchError(Exception):
    """Root of all errors that this package raises on purpose. The message is always one readable
    line, also if it quotes texts from files.
    """

    def __str__(self) -> str:
        return single_line(super().__str__())


class UsageError(NverbenchError):
    """A name or option on the command line, or an argument of a public function, does not fit."""


class PartError(NverbenchError):
    """A plugin's part breaks its contract: a wrong record, a wrong shape, a wrong type."""


class CatalogError(NverbenchError):
    """A part is not installed, its plugin is quarantined, or two distributions claim its name."""


class RegistryError(NverbenchError):
    """registry.yaml or an overlay does not follow the schema, or an overlay changes an existing
    entry.
    """


class ArtifactError(NverbenchError):
    """Weights or a corpus are missing, are not what was pinned, or cannot be read."""


class DatasetError(NverbenchError):
    """A corpus folder, a table of clips, or a file name does not fit the dataset."""


class AudioError(NverbenchError):
    """A clip cannot be decoded, is empty, silent or holds non-finite samples."""


class FoldError(NverbenchError):
    """A dataset cannot be split into the requested folds."""


class FitError(NverbenchError):
    """A training went wrong: a loss that is not finite, logits of a wrong shape."""


class ResultError(NverbenchError):
    """A result file is damaged or of another version."""


class DiskError(NverbenchError):
    """A file cannot be written: the disk is full, or the permission is gone. Nothing of it is under
    its name.
    """


class ClusterError(NverbenchError):
    """Processes or machines that work for a run were lost more often than is tried again."""


class ClusterGone(ClusterError):
    """All of them are gone: nothing more of this run can be done. What was finished is on disk."""


class ConformanceError(NverbenchError):
    """A plugin's part breaks a rule of the conformance kit (``nverbench.testing``)."""


class TrackingError(NverbenchError):
    """MLflow could not be reached or written; the results on disk are safe."""


def single_line(text: str) -> str:
    """The text without line breaks. The middle of a very long text is left out: its end says what
    to do.
    """
    line = " ".join(text.split()) if len(text.splitlines()) > 1 else text
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 500]} [...] {line[-400:]}"


def reason_of(error: BaseException, most: int | None = None) -> str:
    """The message of an error on one line, cut to ``most`` letters; without a message, the name of
    its type.
    """
    return " ".join(str(error).split())[:most] or type(error).__name__


def nearest(name: str, known: Iterable[str]) -> str:
    """Names close to a mistyped one, as advice: ``did you mean a, b?`` or ``known: a, b, c``."""
    names = sorted(set(known))
    name = name[:100]  # the comparison takes quadratic time
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(close)}?"
    return f"known: {', '.join(names)}" if names else "none is installed"


def abbreviated(thing: object, most: int = 60) -> str:
    """The shortened ``repr`` of a value. Deeply nested values, values that YAML aliases repeat a
    billion times, and huge numbers are not written out.
    """
    return _SHORT.repr(thing)[:most]


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write very long numbers.
        return repr(x) if x.bit_length() < 256 else f"a number of {x.bit_length():,} bits"


_SHORT = _Short()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 100, 100
