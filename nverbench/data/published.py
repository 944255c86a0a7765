"""How a local copy differs from the corpus as it was published: pinned files, clips per class and
group, classes, sampling rates, lengths and the digest of all clips.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nverbench.errors import DatasetError
from nverbench.plugin.records import Clip, Dataset

MANY = 50
"""Clips from which on one length of all of them is no chance."""
HEADER = 4096
"""Bytes in which the format of a WAV file is expected."""


def differences(
    dataset: Dataset,
    labelled: Sequence[Clip],
    sha256: Mapping[str, str],
    digest: str,
    excluded: tuple[str, ...],
) -> list[str]:
    """A sentence for each way in which a copy differs from the published corpus.

    Args:
        dataset: what is declared.
        labelled: the labelled clips of the copy, known defects too.
        sha256: clip id -> digest of its file.
        digest: of the copy.
        excluded: labels that the user left out.

    Raises:
        DatasetError: a pinned file has other bytes.
    """
    notes = _unpinned(dataset, labelled, sha256, excluded)
    counts = {label: n for label, n in dataset.counts.items() if label not in excluded}
    by_label = Counter(str(c.label) for c in labelled)  # published counts include known defects
    notes += _partial(counts, by_label, "classes")
    if not excluded and not (dataset.counts and notes):
        by_group = Counter(str(c.unit) for c in labelled)
        notes += _partial(dataset.group_counts, by_group, f"{dataset.group}s")
    absent = [label for label in dataset.labels if label not in {*by_label, *excluded}]
    if absent:
        notes.append(
            f"no clip of {', '.join(absent)}: the classes of this copy are the other"
            f" {len(dataset.labels) - len(absent) - len(excluded)}"
        )
    notes += _altered(dataset, labelled) if dataset.rates else []
    if dataset.data_digest and not (notes or excluded) and digest != dataset.data_digest:
        notes.append(
            f"digest {digest[:12]}, published {dataset.data_digest[:12]}: files of this copy were"
            " altered"
        )
    return notes


def _altered(dataset: Dataset, clips: Sequence[Clip]) -> list[str]:
    """Sentences about sampling rates that were not published, and about one length of all clips."""
    headers = [header for clip in clips if (header := _header(clip.path)) is not None]
    others = Counter(rate for rate, _ in headers if rate not in dataset.rates)
    published = " or ".join(f"{rate:,}" for rate in dataset.rates)
    notes = [
        f"sampling rate {rate:,} Hz in {n} clips, published {published} Hz: this copy was altered"
        for rate, n in sorted(others.items())
    ]
    lengths = {seconds for _, seconds in headers}
    if len(headers) >= MANY and len(lengths) == 1 and dataset.task == "clip":
        notes.append(
            f"every clip lasts {lengths.pop():.2f} s, and the published ones do not: this copy was"
            " cut or padded"
        )
    return notes


def _header(path: Path) -> tuple[int, float] | None:
    """Sampling rate in Hz and length in seconds, from the header; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER)
            end = file.seek(0, os.SEEK_END)
    except OSError:
        return None
    return _of_wav(head, end) or _of_libsndfile(path)


def _of_wav(head: bytes, end: int) -> tuple[int, float] | None:
    """Rate and length of a WAV file of ``end`` bytes, from its header: much faster than libsndfile.
    A declared size of 0 or beyond the end, as a stream has it, stands for the rest of the file.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    rate = bytes_per_second = 0
    for name, at, size in _chunks(head):
        if name == b"fmt " and len(head) >= at + 16:
            rate, bytes_per_second = struct.unpack_from("<II", head, at + 4)
        if name == b"data" and rate and bytes_per_second:
            rest = end - at
            return rate, (min(size, rest) or rest) / bytes_per_second
    return None


def _chunks(head: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte of the content and declared size of each chunk."""
    at = 12
    while at + 8 <= len(head):
        size = int.from_bytes(head[at + 4 : at + 8], "little")
        yield head[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def _of_libsndfile(path: Path) -> tuple[int, float] | None:
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError, ValueError):
        return None  # decoding names the file
    return int(info.samplerate), float(info.duration)


def _unpinned(
    dataset: Dataset, labelled: Sequence[Clip], sha256: Mapping[str, str], excluded: tuple[str, ...]
) -> list[str]:
    """A sentence about pinned clips that are missing."""
    if dataset.manifest is None:
        return []
    pinned = dict(dataset.manifest())
    changed = sorted(i for i in sha256 if i in pinned and sha256[i] != pinned[i])
    if changed:
        first = changed[0]
        source = dataset.sources[0].address if dataset.sources else "its source"
        raise DatasetError(
            f"dataset {dataset.name}: {len(changed)} files are not the pinned ones, first {first}:"
            f" expected sha256 {pinned[first][:12]}, got {sha256[first][:12]}; fetch the corpus"
            f" again from {source}"
        )
    missing = sorted(set(pinned) - {c.id for c in labelled})
    if not missing or excluded:
        return []  # a manifest has no labels: where some are excluded, counts show what is missing
    return [f"{len(missing)} of {len(pinned)} pinned clips are missing, first {missing[0]}"]


def _partial(published: Mapping[str, int], found: Mapping[str, int], what: str) -> list[str]:
    """A sentence where the clips per class (or group) are not the published ones."""
    gaps = [
        f"{name} {found.get(name, 0)} of {n}"
        for name, n in published.items()
        if found.get(name, 0) != n
    ]
    if not gaps:
        return []
    more = f" and {len(gaps) - 4} more {what}" if len(gaps) > 4 else ""
    clips, total = sum(found.values()), sum(published.values())
    return [f"partial copy: {clips} of {total} clips; {', '.join(gaps[:4])}{more}"]
