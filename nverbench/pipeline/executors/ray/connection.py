"""The connection to Ray: the only module that starts, finds and leaves it.

Ray itself waits over a minute for a cluster that does not answer, and has no public function that
asks sooner; ``serves`` does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from nverbench.errors import UsageError, reason_of

ANSWER = 15.0
"""Seconds in which a cluster must answer at the start."""
GONE = 10.0
"""Seconds in which it must answer later, before the run ends."""
SETTINGS_FRAME = 4
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": "3"}
"""Environment of Ray: it sends no usage statistics, and gives up a task that fills a machine's
memory repeatedly.
"""
FORWARDED = (
    "CUBLAS_WORKSPACE_CONFIG",
    "HF_HUB_OFFLINE",
    "MKL_CBWR",
    "OMP_WAIT_POLICY",
    "TOKENIZERS_PARALLELISM",
)
"""Variables that workers inherit from this process: numbers and waiting times depend on them."""


def check_installed() -> None:
    """Raise where Ray is not installed; it is not imported."""
    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None:
        raise UsageError('--executor ray needs the ray extra: pip install "nverbench[ray]"')


def connected(address: str | None, threads: int) -> Any:
    """Ray, connected to a cluster, or started on this machine with all its processors.

    Raises:
        UsageError: no cluster answers at the address, or this machine is not one of its nodes.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    own = {name: os.environ[name] for name in FORWARDED if name in os.environ}
    how: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": "CRITICAL",
        "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(threads)} | own},
    }
    if address is None:
        # Ray's helper processes outlive a killed run by so many seconds
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "30")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        how |= {"address": "local", "include_dashboard": False, "num_cpus": cores}
    else:
        how["address"] = _found(address)
    try:
        with _loopback() if address is None else contextlib.nullcontext():
            ray.init(**how)
    except (Exception, SystemExit) as error:
        where = (
            "Ray cannot be started here"
            if address is None
            else f"--address {address}: no Ray cluster answers there"
        )
        raise UsageError(f"{where} ({text(error)}); see docs/cluster.md") from error
    # Ray reports every lost worker on standard output, which is for results, and has no option
    # against it. We report what matters.
    vars(ray._private.worker)["print_to_stdstream"] = lambda *message, **options: None
    return ray


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Let Ray that starts inside listen on the loopback address only, because it checks no
    password. That is its default on Windows and macOS; elsewhere its processes read this switch
    from the environment.
    """
    from ray._private import ray_constants

    switch, before = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, ray_constants.ENABLE_RAY_CLUSTER
    variable = os.environ.get(switch)
    os.environ[switch], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        os.environ.pop(switch) if variable is None else os.environ.update({switch: variable})


def _found(address: str) -> str:
    """The address, checked; an address of HOST:PORT must answer."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    if "://" in address:
        raise UsageError(
            f"--address {address}: expected HOST:PORT or auto; run this command on a machine of the"
            " cluster, which reads its files"
        )
    if address == "auto":
        return address
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            f"--address {address}: expected HOST:PORT, as ray start --head prints it, or auto"
        )
    if not serves(host, int(port), ANSWER):
        raise UsageError(
            f"--address {address}: no Ray cluster answers there; start one with ray start --head,"
            " or leave --address out"
        )
    return address


def answers(ray: Any) -> bool:
    """Whether the head of the cluster answers within ``GONE`` seconds."""
    host, _, port = str(ray.get_runtime_context().gcs_address).rpartition(":")
    ends = time.monotonic() + GONE
    while not serves(host, int(port), GONE):
        if time.monotonic() > ends:
            return False
        time.sleep(0.5)
    return True


def serves(host: str, port: int, seconds: float) -> bool:
    """Whether a gRPC server answers: with a SETTINGS frame, after HTTP/2's connection preface
    (RFC 9113, section 3.4).
    """
    try:
        with socket.create_connection((host, port), timeout=seconds) as link:
            empty_settings = bytes((0, 0, 0, SETTINGS_FRAME, 0, 0, 0, 0, 0))
            link.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + empty_settings)
            frame = link.recv(9)
    except OSError:
        return False
    return len(frame) > 3 and frame[3] == SETTINGS_FRAME


def alive(ray: Any) -> dict[str, dict[str, Any]]:
    """The nodes that are alive: id -> Ray's record."""
    return {str(node["NodeID"]): node for node in ray.nodes() if node["Alive"]}


def on_node(node: str) -> Any:
    """The scheduling strategy that runs a task on one node only."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def leave(ray: Any, server: Any) -> None:
    """Disconnect; a Ray that was started here ends. Errors are ignored: the work is done."""
    with contextlib.suppress(Exception):
        if server is not None:
            ray.kill(server)
    with contextlib.suppress(Exception):
        ray.shutdown()


def text(error: BaseException) -> str:
    """An error of Ray's, in one line of at most 300 characters."""
    return reason_of(error, 300)
