"""Several processes share one cache: they see complete entries only, a killed writer loses its
unfinished entry only, and its temporary files are removed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nverbench._io import tempfiles as litter_of
from nverbench._io.tempfiles import DAY, FILE_PREFIX
from nverbench.embedding.cache import PIECE, EmbeddingCache
from support.embedding import Bench, made

KEY = "ab" + "0" * 62
EMBED = """
import sys, time
from pathlib import Path
from nverbench import Backbone, Clip
from nverbench._io import digests
from nverbench.embedding import weights
from nverbench.embedding import cache
from nverbench.embedding.frames import embed_frames
from nverbench.embedding.pooled import embed
from nverbench.plugin import options

root, hang_at = Path(sys.argv[1]), int(sys.argv[2])
store = cache.EmbeddingCache(root / "store")
puts = 0
replace = Path.replace

def hanging(self, target):
    global puts
    puts += 1
    if puts == hang_at:
        print("writing", flush=True)
        time.sleep(60)
    return replace(self, target)

Path.replace = hanging

def load(ctx):
    def encode(waves, lengths):
        time.sleep(0.02)
        return waves[:, : waves.shape[1] // 100 * 100].unflatten(1, (-1, 100)).sort(-1).values, lengths // 100
    return encode

part = Backbone(name="ear", family="features", sample_rate=8000, frame_dim=100, dim=100, load=load, batch=1)
clips = [Clip(p.stem, p, "x") for p in sorted(root.glob("*.wav"))]
planned = weights.PlannedBackbone(part, options.resolve(part, "ear"), weights.Weights(None, "w", pinned=False))
print("ready", flush=True)
sys.stdin.readline()
got = {"pooled": embed, "frames": embed_frames}[sys.argv[3]](planned, clips, {c.id: digests.file_sha256(c.path) for c in clips}, store, device="cpu")
print(got.forward_passes, got.digest, len(store.damaged), flush=True)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return made(tmp_path)


def started(root: Path, kind: str, hang_at: int = 0) -> subprocess.Popen[str]:
    """A process that is about to embed the eight clips."""
    words = [sys.executable, "-c", EMBED, str(root), str(hang_at), kind]
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def begin(*processes: subprocess.Popen[str]) -> None:
    """Let them embed, all at once."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def finished(*processes: subprocess.Popen[str]) -> list[tuple[int, str, int]]:
    """Forward passes, digest and damaged entries of each, started at once."""
    begin(*processes)
    messages = [process.communicate(timeout=60) for process in processes]
    assert [p.returncode for p in processes] == [0] * len(processes), messages
    return [(int(o.split()[0]), o.split()[1], int(o.split()[2])) for o, _ in messages]


def temporary_files(root: Path) -> list[Path]:
    return sorted((root / "store").rglob(f"{FILE_PREFIX}*"))


# processes


@pytest.mark.parametrize("kind", ["pooled", "frames"])
def test_two_processes_that_embed_the_same_clips_give_the_same_numbers_and_leave_whole_entries(
    bench: Bench, kind: str
) -> None:
    first, second = finished(started(bench.root, kind), started(bench.root, kind))
    assert first[1] == second[1]
    assert (first[2], second[2], temporary_files(bench.root)) == (0, 0, [])
    assert bench.store.size()[0] == (8 if kind == "pooled" else 16)


def test_a_process_killed_in_the_middle_of_a_write_leaves_whole_entries_and_the_rest_is_computed(
    bench: Bench,
) -> None:
    process = started(bench.root, "frames", hang_at=5)
    begin(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    keys = [p.stem for p in (bench.root / "store").rglob("*.embedding")]
    assert len(keys) == 4
    assert all(bench.store.get(k) is not None for k in keys)
    assert len(temporary_files(bench.root)) == 1
    ((passes, digest, damaged),) = finished(started(bench.root, "frames"))
    assert (passes, damaged) == (6, 0)  # each pass leaves two entries: frames and pooled
    (bench.root / "store").rename(bench.root / "old")
    assert finished(started(bench.root, "frames")) == [(8, digest, 0)]


# temporary files


@pytest.mark.parametrize(("age", "kept"), [(2 * DAY, False), (60, True)], ids=["old", "young"])
def test_only_what_another_machine_left_more_than_a_day_ago_is_cleared(
    tmp_path: Path, age: float, kept: bool
) -> None:
    store = EmbeddingCache(tmp_path / "store")
    path = store.root / f"{FILE_PREFIX}1-elsewhere-0123"
    path.parent.mkdir()
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age, time.time() - age))
    store.put(KEY, np.zeros(3), 1)
    assert path.exists() is kept
    assert store.get(KEY) is not None


def test_a_put_looks_for_stale_files_in_one_folder_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    scan = os.scandir
    monkeypatch.setattr(
        litter_of.os, "scandir", lambda path: looked.append(str(path)) or scan(path)
    )
    store = EmbeddingCache(tmp_path / "store")
    for first in range(10):
        store.put(f"{first:02x}{KEY}", np.zeros(3), 1)
    assert looked == [str(store.root)]


def test_a_folder_that_is_deleted_meanwhile_is_made_again(tmp_path: Path) -> None:
    import shutil

    store = EmbeddingCache(tmp_path / "store")
    store.put(KEY, np.zeros(3), 1)
    shutil.rmtree(store.root)
    store.put(KEY, np.ones(3), 1)
    assert store.get(KEY) is not None


# mapped entries


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=arrays.arrays(
        st.sampled_from((np.float16, np.float32, np.float64)),
        arrays.array_shapes(max_dims=3, max_side=5),
    ),
    samples=st.integers(0, 2**63),
)
def test_what_is_mapped_is_what_is_read(tmp_path: Path, array: np.ndarray, samples: int) -> None:
    store = EmbeddingCache(tmp_path)
    store.put(KEY, array, samples)
    mapped, read = store.open(KEY), store.get(KEY)
    assert mapped is not None
    assert read is not None
    assert (mapped[0].tobytes(), mapped[0].dtype, mapped[0].shape, mapped[1]) == (
        read[0].tobytes(),
        read[0].dtype,
        read[0].shape,
        read[1],
    )
    assert mapped[0].tobytes() == array.tobytes()


def test_an_array_of_many_pieces_is_written_whole_and_as_the_requested_type(tmp_path: Path) -> None:
    store, array = (
        EmbeddingCache(tmp_path),
        np.arange(2 * PIECE + 7, dtype=np.float32).reshape(-1, 1),
    )
    store.put(KEY, array, 1, dtype="float64")
    found = store.open(KEY)
    assert found is not None
    assert found[0].dtype == np.float64
    np.testing.assert_array_equal(found[0], array)


def test_writing_an_array_takes_little_more_memory(tmp_path: Path) -> None:
    import tracemalloc

    array = np.ones((15_000, 1000), np.float32)  # 60 MB
    tracemalloc.start()
    EmbeddingCache(tmp_path).put(KEY, array, 1, dtype="float16")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5_000_000


@pytest.mark.parametrize("cut", [0, 20, 45, 100, -1])
def test_a_mapped_entry_that_was_cut_is_reported_and_counts_as_absent(
    tmp_path: Path, cut: int
) -> None:
    messages: list[str] = []
    store = EmbeddingCache(tmp_path, messages.append)
    store.put(KEY, np.ones(50), 1)
    store.path(KEY).write_bytes(store.path(KEY).read_bytes()[:cut])
    assert store.open(KEY) is None
    assert messages == [
        f"cache entry {store.path(KEY)} is damaged (its digest does not match its content); it is"
        " computed again"
    ]


def test_the_digest_is_checked_once_per_file_and_again_when_the_file_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nverbench.embedding import cache

    checked: list[object] = []
    matches = cache._matches
    monkeypatch.setattr(cache, "_matches", lambda file: (checked.append(file), matches(file))[1])
    store = EmbeddingCache(tmp_path)
    for number in range(2):
        store.put(KEY, np.full(5, number), 1)
        assert [store.open(KEY) is not None for _ in range(3)] == [True] * 3
        assert len(checked) == number + 1


def test_an_unknown_key_has_nothing_to_map(tmp_path: Path) -> None:
    assert EmbeddingCache(tmp_path).open(KEY) is None
