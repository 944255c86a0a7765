"""One file over https, resumed where an earlier try was cut off; it lies at its target only when it
is whole and, where pinned, the right one.

Own code, because neither client at hand does this: pooch begins from zero after every failure, and
``http_get`` of huggingface_hub appends whatever comes, whether or not the server began where it was
asked to and whether or not the file there is still the same.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from tqdm import tqdm

from nverbench._io.digests import file_sha256
from nverbench._io.partial_download import Partial
from nverbench.errors import ArtifactError

TRIES = 5
"""Failures in a row, without a megabyte gained, until we give up."""
GAIN = 1_000_000
PAUSE = 1.0
"""Seconds before the second try; each further pause is twice as long."""
LONGEST_PAUSE = 60.0
TIMEOUT = 30.0
"""Seconds without a byte that count as a stall."""
REDIRECTS = 10
CHUNK = 1 << 14
RESERVE = 64_000_000
"""Bytes of the disk that are left free."""
SLOW = 15.0
"""Seconds between lines of progress where no terminal shows a bar."""
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Statuses by which a server says: later."""
LOCAL = ("127.0.0.1", "localhost")


class DiskError(ArtifactError):
    """The disk is full, or cannot be written; nothing is wrong with the file, and what came of it
    is kept.
    """


class _Again(Exception):
    """This try failed and another may not; ``pause`` is what the server asks for."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class _Way:
    """How a fetch talks: to the server, to the user, and how patiently."""

    session: requests.Session
    say: Callable[[str], None]
    timeout: float


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
    """Downloads ``address`` to the file ``target`` and gives its sha256. Two processes must not do
    so at once: the caller holds a lock.

    What a failed try got is kept beside the target (``.part``), with what the server said of the
    file (``.part.json``).

    Args:
        sha256, size: what the file must be, where known; size in bytes.
        say: gets a line for every try that failed, and for progress where there is no terminal.
        timeout: seconds to wait for an answer, and for each further byte.
        sleep: waits between tries.

    Raises:
        ArtifactError: the server has no such file, or another one than pinned, or it failed too
            often, or the disk is full.
    """
    part = Partial(target, address, pinned=sha256, size=size)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            with requests.Session() as session:
                _repeat(part, _Way(session, say, timeout), tries, sleep)
        return _verified(part)
    except (requests.RequestException, ValueError) as error:  # an address that is none
        raise ArtifactError(f"{address} could not be fetched ({_root(error, timeout)})") from error
    except OSError as error:
        raise DiskError(
            f"{address} could not be fetched ({target.parent} cannot be written:"
            f" {error.strerror or error})"
        ) from error


def check_room(folder: Path, need: int, what: str) -> None:
    """Raises a DiskError where ``folder`` has no room for ``need`` more bytes."""
    free = shutil.disk_usage(folder).free
    if free < need + RESERVE:
        wanted = f"{need / 1e6:.1f} MB and {RESERVE / 1e6:.0f} MB to spare"
        raise DiskError(
            f"{what}: expected room for {wanted} in {folder}, got {free / 1e6:.1f} MB; make room"
            " (NVERBENCH_HOME moves the folder)"
        )


def next_address(address: str, location: str | None) -> str:
    """Where a redirect leads.

    Raises:
        ArtifactError: nowhere, or from https to http, or to anything else than https (http on this
            machine is allowed).
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


def _repeat(part: Partial, way: _Way, tries: int, sleep: Callable[[float], None]) -> None:
    """Tries until the file is whole."""
    failures, furthest = 0, part.length
    while not part.whole:
        try:
            _try_once(part, way)
        except ArtifactError as error:
            raise type(error)(
                f"{part.address} could not be fetched ({_printable(str(error))})"
            ) from error
        except (
            _Again,
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            if part.length >= furthest + GAIN:  # slow, but it goes on
                failures, furthest = 0, part.length
            failures += 1
            reason = _printable(
                str(error) if isinstance(error, _Again) else _root(error, way.timeout)
            )
            if failures >= tries:
                kept = (
                    f"{part.length / 1e6:.1f} MB are kept, the same command goes on from there"
                    if part.length
                    else "nothing came"
                )
                raise ArtifactError(
                    f"{part.address} could not be fetched ({reason}; tried {tries} times; {kept})"
                ) from error
            way.say(f"{part.address}: {reason}; trying again")
            sleep(
                min(max(PAUSE * 2 ** (failures - 1), getattr(error, "pause", 0.0)), LONGEST_PAUSE)
            )


def _try_once(part: Partial, way: _Way) -> None:
    """One request, for what is missing."""
    have = part.resumable()
    asked = {"Accept-Encoding": "identity", "User-Agent": "nverbench"}
    if have:
        asked["Range"] = f"bytes={have}-"
        asked |= {"If-Range": part.tag} if part.tag else {}
    with _answer(part.address, asked, way) as answer:
        _check_answer(answer, part, have)
        if answer.status_code == 206:
            if not part.continues(answer.headers, have):
                part.drop()
                raise _Again("the server did not go on where it was asked to, so it begins anew")
        else:
            part.begin(answer.headers)
        _write(answer, part, way)
    if not part.whole:
        raise _Again(f"the transfer ended after {part.length} of {part.total} bytes")


def _answer(address: str, asked: dict[str, str], way: _Way) -> requests.Response:
    """The answer at the end of all redirects; every try goes from the first address, since signed
    ones further on expire.
    """
    _check_scheme(address)
    for _ in range(REDIRECTS + 1):
        answer = way.session.get(
            address, headers=asked, stream=True, timeout=way.timeout, allow_redirects=False
        )
        if answer.status_code not in (301, 302, 303, 307, 308):
            return answer
        answer.close()
        address = next_address(address, answer.headers.get("Location"))
    raise ArtifactError(
        f"expected at most {REDIRECTS} redirects, got more; the address may have moved"
    )


def _check_answer(answer: requests.Response, part: Partial, have: int) -> None:
    status = answer.status_code
    if status == 416 and have:
        part.drop()
        raise _Again("the server has no such range, so it begins anew")
    if status in AGAIN:
        asked = answer.headers.get("Retry-After", "")
        raise _Again(
            f"the server answered {status} {answer.reason}",
            float(asked) if re.fullmatch(r"\d{1,6}", asked) else 0.0,
        )
    if status == 206 and not have:
        raise _Again("the server sent a part of the file, unasked")
    if status not in (200, 206):
        raise ArtifactError(
            f"expected the file, the server answered {status} {answer.reason}; it moved, or the"
            " address is wrong, or needs a login"
        )
    if answer.headers.get("Content-Encoding", "identity") not in ("", "identity"):
        raise ArtifactError(
            "expected the bytes of the file, the server sends them as"
            f" {answer.headers['Content-Encoding']}; they were not taken"
        )


def _write(answer: requests.Response, part: Partial, way: _Way) -> None:
    """Appends what comes; never more than was announced."""
    total, length = part.total, part.length
    check_room(part.path.parent, (total or length) - length, part.target.name)
    said, unchecked = time.monotonic(), 0
    bar = tqdm(
        total=total,
        initial=length,
        desc=part.target.name,
        unit="B",
        unit_scale=True,
        disable=None,
        leave=False,
        file=sys.stderr,
    )
    with part.path.open("ab") as file, bar:
        for chunk in answer.iter_content(CHUNK):
            length, unchecked = length + len(chunk), unchecked + len(chunk)
            if total is not None and length > total:
                file.close()
                part.drop()
                raise ArtifactError(
                    f"expected {total} bytes, got more; they were removed; the file there changed,"
                    " or it is another"
                )
            file.write(chunk)
            bar.update(len(chunk))
            if unchecked > RESERVE // 4:  # a length may be unknown, and the disk is not ours alone
                check_room(part.path.parent, 0, part.target.name)
                unchecked = 0
            if bar.disable and time.monotonic() - said > SLOW:
                said = time.monotonic()
                way.say(
                    f"  {part.target.name}: {length / 1e6:.1f}"
                    f" MB{f' of {total / 1e6:.1f} MB' if total else ''}"
                )
    part.ended()


def _verified(part: Partial) -> str:
    """The digest of the whole file, read from the disk as it lies there, before it gets its
    name.
    """
    file = part.target if part.target.exists() else part.path
    size, digest = file.stat().st_size, file_sha256(file)
    if (part.pinned or digest) != digest or (part.size or size) != size:
        part.drop()
        part.target.unlink(missing_ok=True)
        wanted = f"sha256 {part.pinned}" if part.pinned else f"{part.size} bytes"
        raise ArtifactError(
            f"{part.address} could not be fetched (expected {wanted}, got sha256 {digest} in {size}"
            " bytes; it was removed; the file there is another version, or something on the way"
            " changed it)"
        )
    part.keep()
    return digest


def _check_scheme(address: str) -> None:
    where = urlsplit(address)
    if where.scheme != "https" and not (where.scheme == "http" and where.hostname in LOCAL):
        raise ArtifactError(f"expected an https address, got {address}; nothing was fetched")


def _root(error: BaseException, timeout: float) -> str:
    """What a client's nested error comes down to, in a few words."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, TimeoutError):
        return f"nothing came for {timeout:g} s"
    if isinstance(error, IncompleteRead):
        return "the connection ended before the file did"
    return " ".join(str(error).split()) or type(error).__name__


def _printable(text: str) -> str:
    """What a stranger's server says, harmless to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)[:500]
