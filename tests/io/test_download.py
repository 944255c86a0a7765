"""Resumable download from a faulty server: the exact file or an error of one line, never a wrong
file; a working server then completes it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from nverbench import ArtifactError
from nverbench._io import download
from nverbench._io.download import CHUNK, fetch, next_address
from nverbench.errors import DiskError
from support.http_server import Fault, Shelf, serving

BYTES = b"".join(hashlib.sha256(bytes([n, m])).digest() for n in range(16) for m in range(256))[
    :100_003
]
OTHER = BYTES[::-1]
SHA = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving(**{"a.zip": BYTES}) as found:
        yield found


def get(shelf: Shelf, folder: Path, **facts: Any) -> str:
    """A fetch without pauses; its timeout is short only where the server stalls: on a busy machine a
    short one would end other requests too.
    """
    timeout = 0.3 if any(fault.stall is not None for fault in shelf.faults) else 20.0
    options = {"timeout": timeout, "sleep": lambda s: None, "say": lambda s: None, **facts}
    return fetch(f"{shelf.address}/a.zip", folder / "a.zip", **options)


def outcome(shelf: Shelf, folder: Path, **facts: Any) -> str:
    """``file`` or the error message; the target exists only as the correct file."""
    try:
        assert get(shelf, folder, **facts) == SHA
        result = "file"
    except ArtifactError as error:
        result = str(error)
        assert "\n" not in result
        assert f"{shelf.address}/a.zip could not be fetched (" in result
    assert (folder / "a.zip").exists() == (result == "file")
    if result == "file":
        assert (folder / "a.zip").read_bytes() == BYTES
        assert [p.name for p in folder.iterdir()] == ["a.zip"]
    return result


HALF = len(BYTES) // 2
RECOVERED = {
    "whole": [Fault()],
    "cut at once": [Fault(cut=0)],
    "cut": [Fault(cut=HALF)],
    "cut before the last byte": [Fault(cut=len(BYTES) - 1)],
    "cut again and again": [Fault(cut=HALF), Fault(cut=20_000), Fault(cut=0)],
    "reset": [Fault(reset=HALF)],
    "stalls": [Fault(stall=HALF)],
    "stalls before a byte": [Fault(stall=0)],
    "hangs up": [Fault(drop=True)],
    "500, then 503": [Fault(status=500), Fault(status=503)],
    "500 on resume": [Fault(cut=HALF), Fault(status=500)],
    "429": [Fault(status=429, headers=(("Retry-After", "7"),))],
    "ignores the range": [Fault(cut=HALF), Fault(ignore_range=True)],
    "begins later": [Fault(cut=HALF), Fault(shift=1)],
    "begins earlier": [Fault(cut=HALF), Fault(shift=-100)],
    "416 on resume": [Fault(cut=HALF), Fault(status=416)],
    "a part, unasked": [Fault(unasked=True)],
    "redirects": [Fault(location="/a.zip")] * 10,
    "redirects on resume": [Fault(cut=HALF), Fault(location="/a.zip"), Fault(location="a.zip?x=1")],
    "chunked": [Fault(chunked=True)],
    "chunked, cut": [Fault(chunked=True, cut=HALF)],
    "chunked, cut, then chunked": [Fault(chunked=True, cut=HALF), Fault(chunked=True)],
    "multipart answer": [Fault(cut=HALF), Fault(status=206)],
}
REFUSED = {
    "404": ([Fault(status=404)], "404"),
    "404 on resume": ([Fault(cut=HALF), Fault(status=404)], "404"),
    "403": ([Fault(status=403)], "403"),
    "204": ([Fault(status=204)], "204"),
    "416 unasked": ([Fault(status=416)], "416"),
    "redirects for ever": ([Fault(location="/a.zip")] * 11, "at most 10 redirects"),
    "redirect to nowhere": ([Fault(location="")], "redirects to nowhere"),
    "redirect to a file": ([Fault(location="file:///etc/passwd")], "expected an https address"),
    "redirect to http elsewhere": (
        [Fault(location="http://example.org/a.zip")],
        "expected an https address",
    ),
    "redirect that is no address": ([Fault(location="https://[")], "could not be fetched"),
    "encoded": ([Fault(encoded=True)], "sends them as gzip"),
    "no length": ([Fault(no_length=True)], "says how long the file is"),
    "escapes in what it says": (
        [Fault(location="ftp://example.org/\x1b[2J")],
        "ftp://example.org/\\u001b[2J",
    ),
    "cut for ever": ([Fault(cut=10)] * 5, "tried 5 times"),
    "500 for ever": ([Fault(status=500)] * 5, "500"),
}


@pytest.mark.parametrize("faults", RECOVERED.values(), ids=RECOVERED)
def test_a_temporary_fault_is_recovered_within_one_fetch(
    shelf: Shelf, tmp_path: Path, faults: list[Fault]
) -> None:
    shelf.faults = list(faults)
    assert outcome(shelf, tmp_path) == "file"
    assert not shelf.faults


@pytest.mark.parametrize(("faults", "words"), REFUSED.values(), ids=REFUSED)
def test_a_permanent_fault_is_one_line_and_a_working_server_completes_the_file(
    shelf: Shelf, tmp_path: Path, faults: list[Fault], words: str
) -> None:
    shelf.faults = list(faults)
    assert words in outcome(shelf, tmp_path)
    assert not shelf.faults
    assert outcome(shelf, tmp_path) == "file"


WRONG = {
    "other bytes": [Fault(garble=True)],
    "other bytes on resume, under the same tag": [Fault(cut=HALF), Fault(garble=True)],
    "another range than it says": [Fault(cut=HALF), Fault(lie=-5)],
    "more without a length": [Fault(no_length=True, more=9)],
    "less without a length": [Fault(no_length=True, cut=HALF)],
}


@pytest.mark.parametrize("faults", WRONG.values(), ids=WRONG)
def test_a_pinned_file_with_other_bytes_is_removed_and_the_message_has_the_expected_digest(
    shelf: Shelf, tmp_path: Path, faults: list[Fault]
) -> None:
    shelf.faults = list(faults)
    result = outcome(shelf, tmp_path, sha256=SHA)
    assert f"expected sha256 {SHA}, got sha256 " in result
    assert "it was removed" in result
    assert list(tmp_path.iterdir()) == []
    assert outcome(shelf, tmp_path, sha256=SHA) == "file"


FAULTS = st.builds(
    Fault,
    status=st.sampled_from([None] * 8 + [206, 404, 416, 500, 503]),
    cut=st.none() | st.integers(0, len(BYTES)),
    reset=st.none() | st.integers(0, len(BYTES)),
    drop=st.sampled_from([False, False, False, True]),
    location=st.sampled_from([None, None, None, "/a.zip", "/b.zip"]),
    ignore_range=st.booleans(),
    ignore_if_range=st.booleans(),
    shift=st.sampled_from([0, 0, 0, 1, -1, 5000]),
    lie=st.sampled_from([0, 0, 0, 1, -1]),
    unasked=st.sampled_from([False, False, False, True]),
    garble=st.sampled_from([False, False, False, True]),
    chunked=st.booleans(),
    no_length=st.sampled_from([False, False, False, True]),
    more=st.sampled_from([0, 0, 1, 100]),
    encoded=st.sampled_from([False, False, False, True]),
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(faults=st.lists(FAULTS, max_size=6), tags=st.booleans(), sized=st.booleans())
def test_whatever_the_server_does_the_target_is_the_pinned_file_or_nothing(
    tmp_path_factory: Any, faults: list[Fault], tags: bool, sized: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with serving(**{"a.zip": BYTES}) as shelf:
        shelf.faults, shelf.tags = list(faults), tags
        facts = {"sha256": SHA, "size": len(BYTES) if sized else None}
        if outcome(shelf, folder, **facts) != "file":
            shelf.faults = []
            result = outcome(
                shelf, folder, **facts
            )  # what was appended wrongly is found out at the end, and goes
            assert result == "file" or "it was removed" in result
            assert outcome(shelf, folder, **facts) == "file"
    shutil.rmtree(folder)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    cuts=st.lists(st.integers(0, len(BYTES)), min_size=1, max_size=4),
    how=st.sampled_from(["cut", "reset"]),
)
def test_cut_off_anywhere_an_unpinned_file_is_exact_and_only_the_rest_is_requested(
    tmp_path_factory: Any, cuts: list[int], how: str
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    with serving(**{"a.zip": BYTES}) as shelf:
        shelf.faults = [Fault(**{how: n}) for n in cuts]  # type: ignore[arg-type]
        assert outcome(shelf, folder) == "file"
        if how == "cut":  # a reset also throws away what lies in the system's buffers
            assert shelf.served <= len(BYTES) + CHUNK * len(cuts)
    shutil.rmtree(folder)


def test_the_next_command_requests_only_the_rest(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults = [Fault(cut=80_000)] + [Fault(status=503)] * 4
    result = outcome(shelf, tmp_path)
    assert "MB are kept, the same command goes on from there" in result
    had = (tmp_path / "a.zip.part").stat().st_size
    assert 80_000 - CHUNK < had <= 80_000
    shelf.asked.clear()
    shelf.served = 0
    assert outcome(shelf, tmp_path) == "file"
    assert (shelf.asked, shelf.served) == ([("/a.zip", f"bytes={had}-")], len(BYTES) - had)


def test_a_complete_part_is_not_requested_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults = [Fault(cut=80_000)] + [Fault(status=503)] * 4
    outcome(shelf, tmp_path)
    (tmp_path / "a.zip.part").write_bytes(
        BYTES
    )  # the process died between the last byte and the name
    shelf.asked.clear()
    assert outcome(shelf, tmp_path) == "file"
    assert outcome(shelf, tmp_path) == "file"
    assert shelf.asked == []


@pytest.mark.parametrize("tags", [True, False], ids=["with tags", "without"])
@pytest.mark.parametrize("obeys", [True, False], ids=["obeys If-Range", "does not"])
def test_content_that_changed_between_two_tries_is_never_mixed(
    shelf: Shelf, tmp_path: Path, tags: bool, obeys: bool
) -> None:
    shelf.files["/a.zip"], shelf.tags = OTHER, tags
    shelf.faults = [Fault(cut=HALF)] + [Fault(drop=True)] * 4
    outcome(shelf, tmp_path)
    shelf.files["/a.zip"] = BYTES
    shelf.faults = [] if obeys else [Fault(ignore_if_range=True)]
    assert outcome(shelf, tmp_path) == "file"


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"address": 3}',
        '{"address": "ADDRESS", "tag": "x", "total": "y"}',
        "\0",
    ],
)
def test_a_damaged_note_of_a_part_starts_the_download_again(
    shelf: Shelf, tmp_path: Path, damage: str
) -> None:
    (tmp_path / "a.zip.part").write_bytes(b"who knows")
    (tmp_path / "a.zip.part.json").write_text(damage.replace("ADDRESS", f"{shelf.address}/a.zip"))
    assert outcome(shelf, tmp_path) == "file"
    assert shelf.asked == [("/a.zip", None)]


def test_a_part_of_another_address_is_not_continued(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(BYTES[:10])
    (tmp_path / "a.zip.part.json").write_text(
        json.dumps({"address": "https://example.org/a.zip", "tag": '"x"', "total": len(BYTES)})
    )
    assert outcome(shelf, tmp_path) == "file"
    assert shelf.asked == [("/a.zip", None)]


def test_a_file_of_another_size_than_pinned_is_refused_before_a_byte(
    shelf: Shelf, tmp_path: Path
) -> None:
    assert f"expected {len(BYTES) + 1} bytes, the server has {len(BYTES)}" in outcome(
        shelf, tmp_path, size=len(BYTES) + 1
    )
    shelf.faults = [Fault(chunked=True, more=1)]
    assert "got more; they were removed" in outcome(shelf, tmp_path, size=len(BYTES))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_before_the_first_byte_and_received_bytes_are_kept(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.faults = [Fault(cut=80_000)] + [Fault(status=503)] * 4
    outcome(shelf, tmp_path)
    with monkeypatch.context() as tight:
        tight.setattr(
            download.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 64_000_000)
        )  # type: ignore[attr-defined]
        with pytest.raises(
            DiskError, match=r"expected room for 0\.0 MB and 64 MB to spare in .*, got 64\.0 MB"
        ):
            get(shelf, tmp_path)
    shelf.asked.clear()
    assert outcome(shelf, tmp_path) == "file"
    assert shelf.asked[0][1] is not None


def test_a_folder_that_cannot_be_written_is_one_line(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="cannot be written"):
        fetch(f"{shelf.address}/a.zip", tmp_path / "file" / "a.zip")


def test_pauses_grow_and_retry_after_counts(shelf: Shelf, tmp_path: Path) -> None:
    slept: list[float] = []
    lines: list[str] = []
    shelf.faults = [
        Fault(status=500),
        Fault(status=500),
        Fault(status=429, headers=(("Retry-After", "9"),)),
        Fault(status=503, headers=(("Retry-After", "99999"),)),
    ]
    assert get(shelf, tmp_path, sleep=slept.append, say=lines.append) == SHA
    assert slept == [1.0, 2.0, 9.0, 60.0]
    assert all(line.endswith("trying again") for line in lines)


def test_without_a_terminal_lines_show_the_progress(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SLOW", -1.0)
    lines: list[str] = []
    get(shelf, tmp_path, say=lines.append)
    assert lines[-1] == "  a.zip: 0.1 MB of 0.1 MB"


def test_a_transfer_that_gains_bytes_is_not_given_up(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "GAIN", 5_000)
    shelf.faults = [Fault(cut=CHUNK * 2)] * 3
    assert get(shelf, tmp_path, tries=2) == SHA


def test_an_interrupt_keeps_the_received_bytes(shelf: Shelf, tmp_path: Path) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    shelf.faults = [Fault(cut=80_000)]
    with pytest.raises(KeyboardInterrupt):
        get(shelf, tmp_path, sleep=interrupted)
    assert outcome(shelf, tmp_path) == "file"
    assert shelf.asked[1][1] is not None


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/a",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "a.zip",
        "",
        "https://[",
        "http://localhost.evil.org/a",
    ],
)
def test_only_https_is_fetched_and_http_from_this_machine(tmp_path: Path, address: str) -> None:
    with pytest.raises(ArtifactError, match="could not be fetched"):
        fetch(address, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_connection_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError,
        match=r"could not be fetched \(.*Connection refused; tried 5 times; nothing came\)",
    ):
        fetch("http://127.0.0.1:9/a", tmp_path / "a", sleep=lambda s: None, say=lambda s: None)


@pytest.mark.parametrize(
    "onward", ["http://example.org/a", "http://127.0.0.1/a", "file:///a", "ftp://example.org/a"]
)
def test_a_redirect_never_leaves_https(onward: str) -> None:
    with pytest.raises(ArtifactError, match="expected"):
        next_address("https://example.org/b", onward)


@pytest.mark.parametrize(
    ("onward", "leads"),
    [
        ("/a", "https://example.org/a"),
        ("//x.org/a", "https://x.org/a"),
        ("https://y.org/", "https://y.org/"),
        ("c?d=1", "https://example.org/b/c?d=1"),
    ],
)
def test_a_redirect_may_be_relative(onward: str, leads: str) -> None:
    assert next_address("https://example.org/b/", onward) == leads
