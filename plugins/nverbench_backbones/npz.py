"""Backbone ``npz``: features computed elsewhere, looked up by clip id in an .npz file (what
``nverbench embed`` writes).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nverbench import ArtifactError, Backbone
from nverbench_backbones.checkpoint_errors import reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXPECTED = (
    "expected an .npz with arrays `embeddings` (n, d) and `files` or `ids` (n), as `nverbench"
    " embed` writes"
)

SMALL, SWELLS = 256_000_000, 100
"""Bytes that are unpacked without a question, and how many times smaller than its content a larger
file may be: a bomb is a thousand times.
"""


def lookup(ids: Sequence[str], *, path: str) -> NDArray[np.float32]:
    """Stored features (n, d), float32, one row per id and in the order of ``ids``.

    An id finds its row by its full text, else by the longest common tail of path parts
    (``a/b/c.wav``, ``b/c.wav``, ``c.wav``), else the same without file endings. A tail that fits
    several rows, or one row that fits several ids, is refused and never guessed.

    Args:
        ids: clip ids.
        path: the .npz file.

    Raises:
        ArtifactError: the file is not such a file, ids are missing or ambiguous, or features are
            not finite.
    """
    import numpy as np

    file = Path(path)
    names, embeddings = _read(file)
    rows = _match(ids, names, file)
    features = embeddings[rows].astype(np.float32)  # (n, d)
    bad = [
        name
        for name, finite in zip(ids, np.isfinite(features).all(axis=1), strict=True)
        if not finite
    ]
    if bad:
        raise ArtifactError(
            f"{file}: features that are not finite numbers for {_first(bad)}; compute them again"
        )
    return features


def _read(file: Path) -> tuple[list[str], NDArray[Any]]:
    """The names (n) and the embeddings (n, d) of a file, checked."""
    import numpy as np

    if not file.is_file():
        raise ArtifactError(f"{file}: no such file; {EXPECTED}")
    try:
        with file.open("rb") as stream:  # opened here: numpy leaves a damaged file open
            stored = np.load(stream, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise ArtifactError(f"{file}: a single array, not an .npz archive; {EXPECTED}")
            unpacked, packed = (
                sum(member.file_size for member in stored.zip.infolist()),
                file.stat().st_size,
            )
            if unpacked > max(SMALL, SWELLS * packed):
                raise ArtifactError(
                    f"{file}: {packed:,} bytes that unpack to {unpacked:,}; {EXPECTED}"
                )
            arrays = {key: stored[key] for key in ("embeddings", "files", "ids") if key in stored}
    except ArtifactError:
        raise
    # zipfile, zlib, numpy and the tokenizer it reads headers with have errors of their own
    except Exception as error:
        raise ArtifactError(f"{file}: cannot be read ({reason(error)}); {EXPECTED}") from error
    names, embeddings = arrays.get("files", arrays.get("ids")), arrays.get("embeddings")
    if names is None or embeddings is None:
        raise ArtifactError(
            f"{file}: holds {', '.join(sorted(arrays)) or 'neither array'}; {EXPECTED}"
        )
    if (
        embeddings.ndim != 2
        or names.shape != embeddings.shape[:1]
        or embeddings.shape[1] == 0
        or embeddings.dtype.kind not in "fiu"
    ):
        raise ArtifactError(
            f"{file}: embeddings {embeddings.shape} of {embeddings.dtype} with names {names.shape};"
            f" {EXPECTED}"
        )
    return [str(name) for name in names.tolist()], embeddings


def _match(ids: Sequence[str], names: Sequence[str], file: Path) -> list[int]:
    """The row of every id."""
    exact, tails, bare = (
        _index(names, lambda n: [n]),
        _index(names, _tails),
        _index(names, lambda n: _tails(_bare(n))),
    )
    found = {
        i: exact.get(i) or _longest(tails, i) or _longest(bare, i) or _longest(bare, _bare(i)) or []
        for i in ids
    }
    missing = [i for i, rows in found.items() if not rows]
    if missing:
        raise ArtifactError(
            f"{file}: no features for {_first(missing)}; embed these clips too, or name rows by"
            " clip id"
        )
    claims = Counter(rows[0] for rows in found.values())
    ambiguous = [i for i, rows in found.items() if len(rows) > 1 or claims[rows[0]] > 1]
    if ambiguous:
        raise ArtifactError(
            f"{file}: no row of its own for {_first(ambiguous)}: several fit, or one fits several"
            " clips; name rows by full clip id"
        )
    return [found[i][0] for i in ids]


def _index(names: Sequence[str], forms: Callable[[str], list[str]]) -> dict[str, list[int]]:
    """Every form of every name, with the rows that have it."""
    index: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        for form in forms(name):
            index[form].append(row)
    return dict(index)


def _longest(index: dict[str, list[int]], name: str) -> list[int] | None:
    """The rows that share the longest tail with ``name``; None where not even the last part is
    shared.
    """
    return next((index[tail] for tail in _tails(name) if tail in index), None)


def _tails(name: str) -> list[str]:
    """``a/b/c.wav``, ``b/c.wav``, ``c.wav``."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _bare(name: str) -> str:
    """The name without its file ending."""
    posix = name.replace("\\", "/")
    return str(PurePosixPath(posix).with_suffix("")) if PurePosixPath(posix).name else posix


def _first(names: Sequence[str]) -> str:
    """The first three names, and how many there are."""
    return ", ".join(names[:3]) + (
        f" and {len(names) - 3} more ({len(names)} clips)"
        if len(names) > 3
        else f" ({len(names)} clips)"
    )


NPZ = Backbone(
    name="npz",
    family="features",
    frame_dim=0,
    dim=0,
    lookup=lookup,
    positional="path",
    local=("path",),
)
