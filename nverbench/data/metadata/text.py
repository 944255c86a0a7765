"""The text of a table on disk: its bytes decoded, or refused with the row of the first byte that
does not fit.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from nverbench.errors import NverbenchError, abbreviated

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel workbook or another zip file; export it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; export it as CSV"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"PAR1", "a Parquet file; write it as CSV"),
    (b"version https://git-lfs", "a git-lfs pointer; run git lfs pull"),
    (b"<!doctype html", "an HTML page; the download failed, fetch the file again"),
    (b"<html", "an HTML page; the download failed, fetch the file again"),
)
"""First bytes -> what the file is, and what to do."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no text table holds."""


@dataclass(frozen=True)
class Where:
    """The name of a table in messages, and the class of its errors."""

    name: str
    """Such as ``table clips.csv``."""
    error: type[NverbenchError]
    row: str = "row"
    """The word for a row: row or line."""
    encoding: str = ""
    """How to name another encoding, at the end of a message."""

    def fault(self, problem: str, row: int | None = None) -> NverbenchError:
        """The error for a problem of a row, or of the whole table."""
        place = f", {self.row} {row}" if row is not None else ""
        return self.error(f"{self.name}{place}: {problem}")


def decode(raw: bytes, where: Where, encoding: str = "") -> str:
    """The text in UTF-8, or in UTF-16 or UTF-32 with a byte order mark, or in the named encoding.

    Raises:
        NverbenchError: the bytes are another format, not of this encoding, or hold a control
            character.
    """
    begin = raw[:64].lstrip().lower()
    for magic, what in OTHER_FORMATS:
        if raw.startswith(magic) or begin.startswith(magic):
            raise where.fault(f"expected CSV text, got {what}")
    marked = next((name for mark, name in BYTE_ORDER_MARKS if raw.startswith(mark)), "utf-8")
    text = _decoded(raw, _known(encoding, where) or marked, where)
    text = text.removeprefix("\ufeff")
    strange = CONTROL.search(text)
    if strange is not None:
        raise where.fault(
            f"expected text, got control character {strange[0]!a}; save it as CSV UTF-8",
            _row(text[: strange.start()]),
        )
    return text


def read_text(path: Path, where: Where, encoding: str = "") -> str:
    """The text of a file.

    Raises:
        OSError, ValueError: the file cannot be read, or no file can have this path.
        NverbenchError: as :func:`decode`.
    """
    return decode(path.read_bytes(), where, encoding)


def _decoded(raw: bytes, encoding: str, where: Where) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode(encoding, "replace")
        name = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise where.fault(
            f"expected {name} text, got byte 0x{raw[error.start]:02x}; save it as CSV"
            f" UTF-8{where.encoding}",
            _row(before),
        ) from error


def _known(encoding: str, where: Where) -> str:
    """The encoding if Python has it as an encoding of text."""
    if not encoding:
        return ""
    try:
        "a".encode(encoding)
    except (LookupError, ValueError) as error:
        raise where.fault(
            f"encoding={abbreviated(encoding)} is not known; write it as in utf-8, latin-1, cp1252"
        ) from error
    return encoding


def _row(before: str) -> int:
    """The number of the line that follows this text, whatever ends its lines."""
    return len(re.findall(r"\r\n|\r|\n", before)) + 1
