"""Download of one file over https. A later try resumes an earlier one; the file gets its target's
name only when it is complete and, where its digest is pinned, has that digest.

The HTTP clients at hand do not do this: pooch does not resume, and ``http_get`` of huggingface_hub
appends an answer without a check of Content-Range, ETag or the scheme of a redirect.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from tqdm import tqdm

from nverbench._io.digests import file_sha256
from nverbench._io.partial_download import PartialDownload
from nverbench._io.text import escape_control_characters
from nverbench.errors import ArtifactError, DiskError, reason_of

TRIES = 5
"""Failures in a row, without a gain of ``GAIN`` bytes, until the download is given up."""
GAIN = 1_000_000
PAUSE = 1.0
"""Seconds before the second try; each further pause is twice as long."""
LONGEST_PAUSE = 60.0
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as stalled."""
REDIRECTS = 10
CHUNK = 1 << 14
RESERVE = 64_000_000
"""Bytes of the disk that stay free."""
SLOW = 15.0
"""Seconds between lines of progress where no terminal shows a bar."""
RETRIED = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses of temporary failures."""
LOCAL = ("127.0.0.1", "localhost")


class _Retry(Exception):
    """A failure that may be temporary; ``pause`` is the server's Retry-After in seconds."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


TEMPORARY = (
    _Retry,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


@dataclass(frozen=True)
class _Client:
    """The HTTP session, its timeout in seconds, and the function that gets lines of progress."""

    session: requests.Session
    timeout: float
    say: Callable[[str], None]


def fetch(
    address: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    say: Callable[[str], None] = print,
    tries: int = TRIES,
    timeout: float = TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Downloads ``address`` to the file ``target`` and returns its sha256. The caller holds a lock:
    two processes must not download to one target.

    Args:
        sha256, size: the expected digest and size in bytes, where known.
        say: gets a line for every failed try, and for progress where there is no terminal.
        timeout: seconds to wait for an answer, and for each further byte.
        sleep: waits between tries.

    Raises:
        ArtifactError: the server does not have the file or has another one than pinned, or too many
            tries failed; the bytes received so far are kept in ``.part``.
        DiskError: the disk is full or cannot be written.
    """
    try:
        part = PartialDownload(target, address, sha256, size)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            with requests.Session() as session:
                _download(part, _Client(session, timeout, say), tries, sleep)
        return _verified(part)
    except (requests.RequestException, ValueError) as error:  # not a valid address
        raise ArtifactError(
            f"{address} could not be fetched ({_reason(error, timeout)})"
        ) from error
    except OSError as error:
        raise DiskError(
            f"{address} could not be fetched ({target.parent} cannot be written:"
            f" {error.strerror or error})"
        ) from error


def check_room(folder: Path, need: int, what: str) -> None:
    """Raises a DiskError where ``folder`` has no room for ``need`` more bytes."""
    free = shutil.disk_usage(folder).free
    if free < need + RESERVE:
        raise DiskError(
            f"{what}: expected room for {need / 1e6:.1f} MB and {RESERVE / 1e6:.0f} MB to spare in"
            f" {folder}, got {free / 1e6:.1f} MB; make room (NVERBENCH_HOME moves the folder)"
        )


def next_address(address: str, location: str | None) -> str:
    """The address that a redirect leads to.

    Raises:
        ArtifactError: it has no location, or leads from https to http, or to anything else than
            https (http on this machine is allowed).
    """
    if not location:
        raise ArtifactError("the server redirects to nowhere")
    onward = urljoin(address, location)
    _check_scheme(onward)
    if urlsplit(address).scheme == "https" and urlsplit(onward).scheme != "https":
        raise ArtifactError(
            f"expected https throughout, got a redirect to {onward}; nothing was fetched from there"
        )
    return onward


def _download(
    part: PartialDownload, client: _Client, tries: int, sleep: Callable[[float], None]
) -> None:
    """Tries until the file is complete, with a growing pause after each failure."""
    failures, furthest = 0, part.length
    while not part.complete:
        try:
            _try_once(part, client)
        except (ArtifactError, DiskError) as error:
            reason = escape_control_characters(str(error))
            raise type(error)(f"{part.address} could not be fetched ({reason})") from error
        except TEMPORARY as error:
            if part.length >= furthest + GAIN:  # slow, but not stuck
                failures, furthest = 0, part.length
            failures += 1
            reason = _reason(error, client.timeout)
            if failures >= tries:
                kept = f"{part.length / 1e6:.1f} MB are kept, the same command goes on from there"
                raise ArtifactError(
                    f"{part.address} could not be fetched ({reason}; tried {tries} times;"
                    f" {kept if part.length else 'nothing came'})"
                ) from error
            client.say(f"{part.address}: {reason}; trying again")
            pause = max(PAUSE * 2 ** (failures - 1), getattr(error, "pause", 0.0))
            sleep(min(pause, LONGEST_PAUSE))


def _try_once(part: PartialDownload, client: _Client) -> None:
    """Requests the missing bytes once."""
    have = part.resumable()
    headers = {"Accept-Encoding": "identity", "User-Agent": "nverbench"}
    if have:
        headers["Range"] = f"bytes={have}-"
        headers |= {"If-Range": part.tag} if part.tag else {}
    with _answer(part.address, headers, client) as answer:
        _check_answer(answer, part, have)
        if answer.status_code == 200:
            part.begin(answer.headers)
        elif not part.continues(answer.headers, have):
            part.drop()
            raise _Retry("the server did not continue at the requested byte; starting again")
        _append(answer, part, client)
    length = part.length
    part.total = length if part.total is None else part.total
    if length > part.total:
        expected = part.total
        part.drop()
        raise ArtifactError(
            f"expected {expected} bytes, got more; they were removed; the file there changed, or it"
            " is another one"
        )
    if length < part.total:
        raise _Retry(f"the transfer ended after {length} of {part.total} bytes")


def _answer(address: str, headers: dict[str, str], client: _Client) -> requests.Response:
    """The answer at the end of all redirects; every try starts at the first address, because signed
    addresses further on expire.
    """
    _check_scheme(address)
    for _ in range(REDIRECTS + 1):
        answer = client.session.get(
            address, headers=headers, stream=True, timeout=client.timeout, allow_redirects=False
        )
        if answer.status_code not in (301, 302, 303, 307, 308):
            return answer
        answer.close()
        address = next_address(address, answer.headers.get("Location"))
    raise ArtifactError(
        f"expected at most {REDIRECTS} redirects, got more; the address may have moved"
    )


def _check_answer(answer: requests.Response, part: PartialDownload, have: int) -> None:
    """Raises where an answer holds neither the file nor the requested range."""
    status = answer.status_code
    if status == 416 and have:
        part.drop()
        raise _Retry("the server has no such range; starting again")
    if status in RETRIED:
        later = answer.headers.get("Retry-After", "")
        pause = float(later) if re.fullmatch(r"\d{1,6}", later) else 0.0
        raise _Retry(f"the server answered {status} {answer.reason}", pause)
    if status == 206 and not have:
        raise _Retry("the server sent a part of the file that was not requested")
    if status not in (200, 206):
        raise ArtifactError(
            f"expected the file, the server answered {status} {answer.reason}; it moved, or the"
            " address is wrong, or needs a login"
        )
    encoding = answer.headers.get("Content-Encoding") or "identity"
    if encoding != "identity":
        raise ArtifactError(
            f"expected the bytes of the file, the server sends them as {encoding}; nothing was"
            " downloaded"
        )


def _append(answer: requests.Response, part: PartialDownload, client: _Client) -> None:
    """Appends the body to the part, and stops where it is longer than announced."""
    total, length, name = part.total, part.length, part.target.name
    check_room(part.path.parent, (total or length) - length, name)
    printed = time.monotonic()
    of_total = f" of {total / 1e6:.1f} MB" if total else ""
    bar = tqdm(
        total=total, initial=length, desc=name, unit="B", unit_scale=True, disable=None, leave=False
    )
    with part.path.open("ab") as file, bar:
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            length += len(chunk)
            if total is not None and length > total:
                return
            bar.update(len(chunk))
            check_room(part.path.parent, 0, name)  # other programs write to the disk too
            if bar.disable and time.monotonic() - printed > SLOW:
                printed = time.monotonic()
                client.say(f"  {name}: {length / 1e6:.1f} MB{of_total}")


def _verified(part: PartialDownload) -> str:
    """The digest of the complete file, read from the disk before the file gets its name."""
    file = part.target if part.target.exists() else part.path
    size, digest = file.stat().st_size, file_sha256(file)
    if (part.sha256 or digest) != digest or (part.size or size) != size:
        part.drop()
        part.target.unlink(missing_ok=True)
        expected = f"sha256 {part.sha256}" if part.sha256 else f"{part.size} bytes"
        raise ArtifactError(
            f"{part.address} could not be fetched (expected {expected}, got sha256 {digest} in"
            f" {size} bytes; it was removed; the file there is another version, or something on the"
            " way changed it)"
        )
    if part.path.exists():
        part.path.replace(part.target)
    part.note.unlink(missing_ok=True)
    return digest


def _check_scheme(address: str) -> None:
    where = urlsplit(address)
    if where.scheme != "https" and not (where.scheme == "http" and where.hostname in LOCAL):
        raise ArtifactError(f"expected an https address, got {address}; nothing was fetched")


def _reason(error: BaseException, timeout: float) -> str:
    """The innermost cause of an HTTP client's nested error, in a few words."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, TimeoutError):
        return f"nothing came for {timeout:g} s"
    if isinstance(error, IncompleteRead):
        return "the connection ended before the file did"
    return escape_control_characters(reason_of(error))
