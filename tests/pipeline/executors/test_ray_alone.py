"""Ray that a run starts for itself: it is gone with the run, however that ends, and the same
command goes on without it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import reliability_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

pytest.importorskip("ray", reason="ray is not installed")
PATIENCE = 240
"""Seconds until a step has failed; three Rays start beside each other, on two busy cores."""
COMMAND = (
    "from nverbench.results import tracking; tracking.log = lambda *a: True; from nverbench.cli"
    " import main; main()"
)


def started(
    world: reliability_world.World, *words: str, patience: int = 30
) -> subprocess.Popen[str]:
    """The command line in a process group of its own; ``patience``: seconds that Ray's processes
    wait for a head that is gone.
    """
    environment = {
        **os.environ,
        "NVERBENCH_HOME": str(world.root / "home"),
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(patience),
    }
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *reliability_world.WORDS, *words],
        cwd=world.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def running(world: reliability_world.World) -> dict[int, str]:
    """Processes of that world: their environment names its home."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            if (
                process.name.isdecimal()
                and str(world.root / "home").encode() in (process / "environ").read_bytes()
            ):
                found[int(process.name)] = (
                    (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                )
        except OSError:  # it ended meanwhile
            continue
    return found


def exposed(world: reliability_world.World) -> list[str]:
    """Sockets of that world's processes that another machine could reach: their addresses, as the
    kernel writes them.
    """
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                listening[f"socket:[{words[9]}]"] = words[1].partition(":")[0]
    found = []
    for process in running(world):
        with suppress(OSError):  # it ended meanwhile
            found += [
                listening[link]
                for file in Path(f"/proc/{process}/fd").iterdir()
                if (link := str(file.readlink())) in listening
            ]
    assert found  # Ray does listen
    return [
        address
        for address in found
        if not address.endswith("0100007F") and address != "0" * 24 + "01000000"
    ]


def test_nothing_of_ray_is_left_and_the_next_run_goes_on(tmp_path: Path) -> None:
    # Ray's processes wait long for each other, and cost nothing meanwhile: the three ends are tried
    # beside each other.
    with ThreadPoolExecutor() as pool:
        ended = {
            how: pool.submit(ends, reliability_world.made(tmp_path / how), how)
            for how in ("driver killed", "ctrl-C", "cluster killed")
        }
    wrong = {
        how: repr(error)
        for how, future in ended.items()
        if (error := future.exception()) is not None
    }
    assert wrong == {}


def ends(world: reliability_world.World, how: str) -> None:
    """Start a run, end it in that way once it hears clips, and look at what is left."""
    plugin = (world.root / "plugin.py").read_text()
    (world.root / "plugin.py").write_text(plugin.replace("time.sleep(0.05)", "time.sleep(0.5)"))
    process = started(world, "--executor", "ray", patience=20 if how == "cluster killed" else 3)
    deadline = time.monotonic() + PATIENCE
    while not world.count("heard") and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    assert exposed(world) == []
    if how == "driver killed":
        process.kill()
    elif how == "ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        for number, command in running(world).items():
            if "gcs_server" in command.split(" ")[0]:
                os.kill(number, signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    assert out == ""
    while (left := running(world)) and time.monotonic() < deadline + PATIENCE:
        time.sleep(0.1)
    assert left == {}
    if how == "ctrl-C":
        assert process.returncode == 130
        assert "interrupted: finished jobs and embeddings are kept" in err
    elif how == "cluster killed":
        assert process.returncode == 1
        assert (
            "the Ray cluster is gone: what was finished is on disk, and the same command goes on"
            " from there" in err
        )
        assert "the other jobs were not tried" in err
    else:
        (world.root / "plugin.py").write_text(plugin.replace("time.sleep(0.05)", "time.sleep(0.5)"))
        again = started(world)
        said = again.communicate(timeout=PATIENCE)
        assert again.returncode == 0, said
        assert len(world.digests()) == 2
