"""Unpacking: the exact files of a valid archive; nothing of any other one, and an error of one line
that names the member.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from nverbench import ArtifactError
from nverbench._io.archive import unpack
from nverbench.errors import DiskError

FILES = {
    "corpus/a.wav": b"RIFF" * 500,
    "corpus/deep/b é.wav": bytes(range(256)) * 40,
    "corpus/empty": b"",
    "read me.txt": b"hello",
}
ROOM = {"most_bytes": 50_000_000, "most_files": 1000}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.mkdir("corpus")
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def tarred(
    files: dict[str, bytes], *others: tarfile.TarInfo, kind: int = tarfile.PAX_FORMAT
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for other in others:
            archive.addfile(other)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": zipped,
    "zip, stored": lambda files: zipped(files, zipfile.ZIP_STORED),
    "tar": tarred,
    "tar, gnu": lambda files: tarred(files, kind=tarfile.GNU_FORMAT),
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
}
packers = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def unpacked(content: bytes, place: Path, **room: int) -> Path:
    """Unpacks ``content`` below ``place``; gives the folder."""
    (place / "in").mkdir(exist_ok=True)
    (place / "in" / "a.bin").write_bytes(content)
    unpack(place / "in" / "a.bin", place / "out" / "corpus", **{**ROOM, **room})
    return place / "out" / "corpus"


def refused(content: bytes, place: Path, **room: int) -> str:
    """The error message; no file is left anywhere."""
    with pytest.raises(ArtifactError) as error:
        unpacked(content, place, **room)
    assert "\n" not in str(error.value)
    assert not list((place / "out").iterdir())
    assert sorted(p.name for p in place.iterdir()) == ["in", "out"]
    return str(error.value)


def whole_or_nothing(content: bytes, place: Path) -> Path | None:
    """The folder, or None where the archive was refused and nothing is left."""
    try:
        return unpacked(content, place)
    except ArtifactError:
        refused(content, place)
        return None


@packers
def test_a_valid_archive_gives_its_files_under_any_name(tmp_path: Path, pack: Any) -> None:
    folder = unpacked(pack(FILES), tmp_path)
    assert tree(folder) == FILES
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["corpus"]


def test_the_number_of_files_is_given(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(zipped(FILES))
    assert unpack(tmp_path / "a", tmp_path / "b", **ROOM) == 4


def test_folders_that_an_archive_names_again_and_dots_in_paths_are_no_fault(tmp_path: Path) -> None:
    again = [tarfile.TarInfo(name) for name in (".", "./corpus", "./corpus", "corpus/")]
    for info in again:
        info.type = tarfile.DIRTYPE
    assert set(
        tree(unpacked(tarred({"./corpus//a": b"1", "corpus/./b": b"2"}, *again), tmp_path))
    ) == {"corpus/a", "corpus/b"}


def test_modes_are_not_taken_over(tmp_path: Path) -> None:
    wild = tarfile.TarInfo("a")
    wild.mode = 0o6777
    folder = unpacked(tarred({"b": b""}, wild), tmp_path)
    (tmp_path / "own").write_text("")
    assert (folder / "a").stat().st_mode == (tmp_path / "own").stat().st_mode
    (tmp_path / "mine").mkdir()
    assert folder.stat().st_mode == (tmp_path / "mine").stat().st_mode


@packers
def test_files_that_macos_adds_are_skipped_but_counted(tmp_path: Path, pack: Any) -> None:
    clutter = {"__MACOSX/corpus/._a.wav": b"x" * 99, "corpus/.DS_Store": b"y"}
    assert tree(unpacked(pack({**clutter, **FILES}), tmp_path)) == FILES
    shutil.rmtree(tmp_path / "out")
    assert "at most 0.0 MB" in refused(
        pack({"__MACOSX/a": b"x" * 99, "b": b""}), tmp_path, most_bytes=98
    )


def test_an_archive_inside_is_a_file_like_others(tmp_path: Path) -> None:
    inner = zipped({"../evil": b""})
    assert tree(unpacked(zipped({"inner.zip": inner}), tmp_path)) == {"inner.zip": inner}


# --- names


NAMES = {
    "/etc/evil": "absolute",
    "//evil": "absolute",
    "../evil": "leads out",
    "a/../../evil": "leads out",
    "a/..": "leads out",
    "..": "leads out",
    "C:/evil": "another system",
    "c:evil": "another system",
    "..\\evil": "another system",
    "a\\b": "another system",
    "a\nb": "control",
    "a\x1b[2Jb": "control",
    "a\x7f": "control",
    "b" * 256: "longer than 255",
    "é" * 128: "longer than 255",
    "__MACOSX/../../evil": "leads out",
    "d/" * 65 + "e": "longer than",
    ".": "no name",
    "f" * 250 + ("/" + "f" * 250) * 16: "longer than",
}


@packers
@pytest.mark.parametrize(("name", "words"), NAMES.items(), ids=[ascii(n)[:20] for n in NAMES])
def test_a_name_that_leads_elsewhere_is_refused_and_named(
    tmp_path: Path, pack: Any, name: str, words: str
) -> None:
    message = refused(pack({"good": b"1", name: b"2"}), tmp_path)
    assert words in message
    assert repr(name[:120]) in message
    assert "nothing was unpacked" in message


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_with_nul_is_refused(tmp_path: Path, pack: Any) -> None:
    content = pack({"good": b"1", "evilNwav": b"2"})
    if pack is zipped:
        content = content.replace(b"evilNwav", b"evil\0wav")
    else:  # a tar header ends a name there; the extended one does not
        info = tarfile.TarInfo("short")
        info.pax_headers = {"path": "evil\0wav"}
        content = tarred({"good": b"1"}, info)
    assert "NUL" in refused(content, tmp_path)


@packers
@pytest.mark.parametrize(
    "names",
    [
        ("a", "a"),
        ("a", "A"),
        ("dir/a", "Dir/A"),
        ("\u00e9", "e\u0301"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("stra\u00dfe", "STRASSE"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(
    tmp_path: Path, pack: Any, names: tuple[str, str]
) -> None:
    if pack in (zipped, PACKERS["zip, stored"]) and names[0] == names[1]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a", b"1")
            archive.writestr("a", b"2")
        content = buffer.getvalue()
    elif names[0] == names[1]:
        content = tarred({"a": b"2"}, tarfile.TarInfo("a"))
    else:
        content = pack(dict.fromkeys(names, b"1"))
    assert "comes twice" in refused(content, tmp_path)


STEPS = st.sampled_from(
    ["..", ".", "", "a", "B", "c:", "\\", "~", "é", "\n", "con", " "]
) | st.text(max_size=6)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    names=st.lists(
        st.lists(STEPS, min_size=1, max_size=5).map("/".join), min_size=1, max_size=4, unique=True
    ),
    tar=st.booleans(),
)
def test_nothing_is_ever_written_outside_the_folder(
    tmp_path_factory: Any, names: list[str], tar: bool
) -> None:
    place = tmp_path_factory.mktemp("names")
    try:
        content = tarred(dict.fromkeys(names, b"1")) if tar else zipped(dict.fromkeys(names, b"1"))
    except (ValueError, UnicodeError, struct.error):  # cannot even be packed
        return
    folder = whole_or_nothing(content, place)
    assert folder is None or all(p.resolve().is_relative_to(folder) for p in folder.rglob("*"))
    assert {p.name for p in place.iterdir()} == {"in", "out"}
    shutil.rmtree(place)


# --- kinds of members


def special(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("evil")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (b"Z", "an unknown kind"),
    ],
)
def test_a_tar_member_that_is_neither_file_nor_folder_is_refused(
    tmp_path: Path, kind: bytes, words: str
) -> None:
    message = refused(tarred(FILES, special(kind)), tmp_path)
    assert "member 'evil' is " in message
    assert words.removeprefix("a").removeprefix("n").strip() in message


@pytest.mark.parametrize(
    ("mode", "words"),
    [(stat.S_IFLNK, "a symbolic link"), (stat.S_IFIFO, "a pipe"), (stat.S_IFBLK, "a device")],
)
def test_a_zip_member_that_is_neither_file_nor_folder_is_refused(
    tmp_path: Path, mode: int, words: str
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("evil")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert words in refused(buffer.getvalue(), tmp_path)


def central(content: bytes, offset: int, packed: bytes) -> bytes:
    """Other bytes in the first entry of a zip's central directory."""
    place = content.index(b"PK\1\2") + offset
    return content[:place] + packed + content[place + len(packed) :]


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    assert "is encrypted" in refused(central(zipped(FILES), 8, b"\1\0"), tmp_path)


def test_a_zip_with_an_uncommon_compression_is_refused(tmp_path: Path) -> None:
    assert "packed by method 12, neither stored nor deflated" in refused(
        zipped(FILES, zipfile.ZIP_BZIP2), tmp_path
    )


# --- sizes


def lying(size: int, content: bytes = b"12345") -> bytes:
    """A zip whose only member says that it has ``size`` bytes, everywhere."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("liar", content)
    made = buffer.getvalue()
    made = central(made, 24, struct.pack("<I", size))
    return made[:22] + struct.pack("<I", size) + made[26:]


@pytest.mark.parametrize(
    ("size", "words"),
    [(4, "holds more than the 4 bytes it declares"), (0, "CRC"), (6, "expected 6 bytes, got 5")],
)
def test_a_member_that_lies_about_its_size_is_refused(
    tmp_path: Path, size: int, words: str
) -> None:
    assert words in refused(lying(size), tmp_path)


@packers
def test_bounds_hold_for_all_members_together(tmp_path: Path, pack: Any) -> None:
    total = sum(map(len, FILES.values()))
    assert tree(unpacked(pack(FILES), tmp_path, most_bytes=total)) == FILES
    shutil.rmtree(tmp_path / "out")
    assert "is too much: expected at most 0.0 MB in all" in refused(
        pack(FILES), tmp_path, most_bytes=total - 1
    )
    assert "one too many: expected at most 3" in refused(pack(FILES), tmp_path, most_files=3)


@packers
def test_folders_count_too(tmp_path: Path, pack: Any) -> None:
    assert "makes too many folders" in refused(
        pack({"a/" * 50 + str(n): b"" for n in range(3)}), tmp_path, most_files=20
    )


@pytest.mark.parametrize("name", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_bomb_is_refused(tmp_path: Path, name: str) -> None:
    bomb = PACKERS[name]({"zeros": bytes(30_000_000)})
    assert "unpacks to more than 200 times the archive's size" in refused(bomb, tmp_path)


def test_a_bomb_behind_other_bytes_is_refused(tmp_path: Path) -> None:
    import random

    noise = random.Random(0).randbytes(100_000)
    bomb = gzip.compress(tarred({"noise": noise, "zeros": bytes(40_000_000)}), 9)
    assert "'zeros' unpacks to more than 200 times" in refused(bomb, tmp_path, most_bytes=10**9)


def test_small_or_dense_members_are_no_bombs(tmp_path: Path) -> None:
    honest = {
        "silence": bytes(900_000),
        "ramp": b"".join(struct.pack("<I", n) for n in range(500_000)),
    }
    assert tree(unpacked(zipped(honest), tmp_path)) == honest
    shutil.rmtree(tmp_path / "out")
    assert tree(unpacked(gzip.compress(tarred(honest)), tmp_path)) == honest


def test_a_tar_header_of_any_claimed_length_is_not_read(tmp_path: Path) -> None:
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    content = tarred({"a": b"1"})
    assert "a header of 8589934" in refused(long.tobuf(tarfile.GNU_FORMAT) + content, tmp_path)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = iter([10**12])  # it is filled while we write
    monkeypatch.setattr(
        "nverbench._io.download.shutil.disk_usage",
        lambda path: shutil._ntuple_diskusage(9, 9, next(room, 9)),
    )  # type: ignore[attr-defined]
    (tmp_path / "out").mkdir()
    with pytest.raises(DiskError, match="expected room for"):
        unpacked(zipped(FILES), tmp_path)
    assert not list((tmp_path / "out").iterdir())


# --- damage


@packers
def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path, pack: Any) -> None:
    content = pack(FILES)
    ends = (
        set(range(0, len(content) - 1, max(1, len(content) // 60)))
        | set(range(512, len(content) - 10_000, 512))
        | {len(content) - 1} - {0}
    )
    for end in sorted(ends):
        if content[end:].strip(b"\0") or pack not in (
            tarred,
            PACKERS["tar, gnu"],
        ):  # a bare tar may lack its padding
            refused(content[:end], tmp_path)


@pytest.mark.parametrize("name", ["zip", "zip, stored", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_changed_byte_never_gives_other_files(tmp_path: Path, name: str) -> None:
    content = PACKERS[name](FILES)
    for place in range(0, len(content), max(1, len(content) // 60)):
        changed = content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]
        folder = whole_or_nothing(changed, tmp_path)
        if folder is not None:  # a date, say
            assert sorted(tree(folder).values()) == sorted(FILES.values())
            shutil.rmtree(tmp_path / "out")


def test_a_bad_header_inside_a_bare_tar_is_not_its_end(tmp_path: Path) -> None:
    content = bytearray(tarred(FILES))
    place = content.index(b"read me.txt")
    content[place] ^= 1
    assert "no end of the archive where it should be" in refused(bytes(content), tmp_path)


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    content=st.binary(max_size=3000),
    magic=st.sampled_from(
        [b"", b"PK\3\4", b"PK\5\6", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\0" * 257 + b"ustar"]
    ),
)
def test_any_bytes_are_one_line(tmp_path_factory: Any, content: bytes, magic: bytes) -> None:
    place = tmp_path_factory.mktemp("bytes")
    refused(magic + content, place)
    shutil.rmtree(place)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive"),
        (b"Rar!\x1a\x07\1\0", "a rar archive"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"", "nothing"),
        (b"RIFF....WAVE", "something else"),
        (b"PK\7\x08" + bytes(9), "a zip in several parts"),
    ],
)
def test_another_format_than_zip_or_tar_is_named(
    tmp_path: Path, content: bytes, words: str
) -> None:
    assert f"expected a zip or tar archive (.gz, .bz2, .xz), got {words}" in refused(
        content, tmp_path
    )


@pytest.mark.parametrize("name", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_an_archive_without_files_is_refused(tmp_path: Path, name: str) -> None:
    assert "got none" in refused(PACKERS[name]({}), tmp_path)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out" / "corpus").mkdir(parents=True)
    (tmp_path / "out" / "corpus" / "mine").write_text("x")
    with pytest.raises(ArtifactError, match="expected no such folder yet"):
        unpacked(zipped(FILES), tmp_path)
    assert tree(tmp_path / "out") == {"corpus/mine": b"x"}
