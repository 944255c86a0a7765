"""``leaderboard serve``: page and MLflow on the loopback interface, nothing of the disk next to the
page, and no process left behind.
"""

from __future__ import annotations

import http.client
import inspect
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nverbench.cli import main
from nverbench.cli.leaderboard.serve import serve
from nverbench.errors import UsageError
from nverbench.leaderboard import serve as serving
from support.tracking_processes import free_port, running


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A page, a folder in it, a secret next to it and a link to that."""
    (tmp_path / "page" / "results").mkdir(parents=True)
    (tmp_path / "page" / "index.html").write_text("<p>the page")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "page" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return tmp_path / "page"


@pytest.fixture
def port(built: Path) -> Iterator[int]:
    chosen = free_port()
    with serving.page(built, chosen):
        yield chosen


def ask(
    port: int, path: str, method: str = "GET", host: str | None = None
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{port}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)
    finally:
        connection.close()


def test_the_page_is_served_with_a_policy_that_keeps_it_to_itself(port: int) -> None:
    status, body, headers = ask(port, "/")
    assert (status, body) == (200, b"<p>the page")
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert ask(port, "/", "HEAD")[:2] == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/results/",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/link.txt",
        "/nothing",
        "//etc/passwd",
        "/..%2fsecret.txt",
    ],
)
def test_nothing_else_is_served(port: int, path: str) -> None:
    status, body, _ = ask(port, path)
    assert status == 404
    assert b"secret\n" not in body
    assert b"root:" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(port: int, method: str) -> None:
    assert ask(port, "/", method)[0] == 501


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example", 403), ("evil.example:80", 403), ("localhost:1", 200), ("127.0.0.1", 200)],
)
def test_a_name_of_another_host_is_refused(port: int, host: str, status: int) -> None:
    assert ask(port, "/", host=host)[0] == status


def test_only_the_loopback_interface_listens(port: int) -> None:
    others = [
        i
        for i in {
            info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        }
        if not str(i).startswith("127.")
    ]
    for address in others:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((str(address), port), timeout=2).close()
    assert not {"host", "bind", "interface", "address"} & set(inspect.signature(serve).parameters)


def test_a_port_that_is_taken_is_refused(built: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = serving.page(built, taken.getsockname()[1])
        with pytest.raises(UsageError, match="choose another with --port") as caught, page:
            pass
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_page_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="nverbench leaderboard build makes one"),
        serving.page(tmp_path, free_port()),
    ):
        pass


def test_the_command_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["leaderboard", "serve", "--page", str(tmp_path)])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script where MLflow would be started."""

    def put(script: str) -> None:
        path = tmp_path / "mlflow.sh"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return put


def test_an_mlflow_that_does_not_start_says_why(stand_in: Callable[[str], None]) -> None:
    stand_in("echo starting; echo 'no such store' >&2; exit 3")
    with (
        pytest.raises(UsageError, match=r"mlflow did not start \(exit code 3\): no such store"),
        serving.mlflow_ui("x", Path("x"), free_port()),
    ):
        pass


def test_an_mlflow_that_never_answers_is_given_up_and_ended(
    stand_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 0.5)
    stand_in("trap '' TERM; sleep 31.4159 & sleep 31.4159")  # nor does it listen to a polite kill
    with (
        pytest.raises(UsageError, match=r"did not start within \d seconds"),
        serving.mlflow_ui("x", Path("x"), free_port()),
    ):
        pass
    assert gone("31.4159")


def test_the_address_of_a_store_is_no_argument(stand_in: Callable[[str], None]) -> None:
    stand_in('echo "$@ / $MLFLOW_BACKEND_STORE_URI"; exit 1')
    with (
        pytest.raises(UsageError) as caught,
        serving.mlflow_ui("postgresql://me:secret@h/d", Path("x"), free_port()),
    ):
        pass
    assert "secret" not in str(caught.value).partition(" / ")[0]


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name
)
def test_a_polite_kill_and_a_closed_terminal_end_it_as_ctrl_c_does(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), serving.interruptible():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_a_signal_that_python_drops_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    with serving.interruptible() as came:
        Dying()
        assert came == [signal.SIGINT]


def test_no_process_is_left_behind(built: Path, uri: str) -> None:
    mine, mlflows = free_port(), free_port()
    words = [
        "--page",
        str(built),
        "--tracking-uri",
        uri,
        "--port",
        str(mine),
        "--mlflow-port",
        str(mlflows),
    ]
    with running(sys.executable, "-m", "nverbench", "leaderboard", "serve", *words) as process:
        assert process.stdout is not None
        lines = [next(process.stdout) for _ in range(4)]
        assert any(f"http://127.0.0.1:{mine}/" in line for line in lines)
        assert any(f"http://127.0.0.1:{mlflows}/" in line for line in lines)
        assert ask(mlflows, "/health")[0] == 200
        assert ask(mlflows, "/", host="evil.example")[0] == 403  # MLflow's own guard
        assert not gone(f"--port {mlflows}", patience=0)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert gone(f"--port {mlflows}")
    with socket.create_server(("127.0.0.1", mlflows)):
        pass


def gone(word: str, patience: float = 5) -> bool:
    """No process has the word among its arguments, or soon none has: a killed one takes a
    moment.
    """
    deadline = time.monotonic() + patience
    while any(word in _arguments(p) for p in Path("/proc").iterdir() if p.name.isdigit()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _arguments(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""
