"""To Ray and away from it, quietly: the only module that knows how it is started, found and
left.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from nverbench.errors import UsageError

ANSWER = 15.0
"""Seconds in which a cluster must say that it is there; Ray itself tries for over a minute."""
GONE = 10.0
"""Seconds that a cluster is given which does not answer any more."""
SETTINGS_FRAME = 4
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": "3"}
"""Of Ray in this process: it reports to nobody, and ends a task that filled a machine's memory
again and again.
"""
FORWARDED = (
    "CUBLAS_WORKSPACE_CONFIG",
    "HF_HUB_OFFLINE",
    "MKL_CBWR",
    "OMP_WAIT_POLICY",
    "TOKENIZERS_PARALLELISM",
)
"""Variables that workers are given as they are set here: numbers and waiting hang on them."""


def check_installed() -> None:
    """Raise where Ray is not installed; it is not imported."""
    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None:
        raise UsageError('--executor ray needs the ray extra: pip install "nverbench[ray]"')


def connected(address: str | None, threads: int) -> Any:
    """Ray, connected to a cluster, or started on this machine with all its processors.

    Raises:
        UsageError: nobody answers at that address, or this machine is no node of that cluster.
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
        os.environ.setdefault(
            "RAY_gcs_rpc_server_reconnect_timeout_s", "30"
        )  # so long its helpers outlive a run that was killed
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
            else f"--address {address}: nobody of a Ray cluster answers there"
        )
        raise UsageError(f"{where} ({text(error)}); see docs/cluster.md") from error
    # Ray writes of every lost worker to standard output, which is for results, and has no option
    # against it. What matters is said by us.
    vars(ray._private.worker)["print_to_stdstream"] = lambda *said, **how: None
    return ray


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Ray that is started inside listens on the loopback address only: it has no secrets. On
    Windows and macOS that is its habit; elsewhere it is told so by its own switch, which its
    processes read from the environment.
    """
    from ray._private import ray_constants

    switch, before = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, ray_constants.ENABLE_RAY_CLUSTER
    said = os.environ.get(switch)
    os.environ[switch], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        os.environ.pop(switch) if said is None else os.environ.update({switch: said})


def _found(address: str) -> str:
    """The address of a cluster that answers."""
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
    """Whether the cluster's head is still there; it is given ten seconds."""
    host, _, port = str(ray.get_runtime_context().gcs_address).rpartition(":")
    ends = time.monotonic() + GONE
    while not serves(host, int(port), GONE):
        if time.monotonic() > ends:
            return False
        time.sleep(0.5)
    return True


def serves(host: str, port: int, seconds: float) -> bool:
    """Whether somebody there answers as a gRPC server does: with its settings, after HTTP/2's
    greeting (RFC 9113, section 3.4).
    """
    try:
        with socket.create_connection((host, port), timeout=seconds) as link:
            link.sendall(
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                + bytes((0, 0, 0, SETTINGS_FRAME, 0, 0, 0, 0, 0))
            )
            begins = link.recv(9)
    except OSError:
        return False
    return len(begins) > 3 and begins[3] == SETTINGS_FRAME


def alive(ray: Any) -> dict[str, dict[str, Any]]:
    """Node id -> what Ray says of it."""
    return {str(node["NodeID"]): node for node in ray.nodes() if node["Alive"]}


def on_node(node: str) -> Any:
    """On that node and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def leave(ray: Any, depot: Any) -> None:
    """Disconnect; what was started here ends. Whatever goes wrong on the way out costs nothing."""
    with contextlib.suppress(Exception):
        if depot is not None:
            ray.kill(depot)
    with contextlib.suppress(Exception):
        ray.shutdown()


def text(error: BaseException) -> str:
    """An error of Ray's in a few words."""
    return " ".join(str(error).split())[:300] or type(error).__name__
