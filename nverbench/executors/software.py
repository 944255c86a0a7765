"""The same software everywhere: versions may change numbers, so that processes on other machines must have those of the run's own."""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from nverbench import plugin_files
from nverbench.errors import UsageError
from nverbench.jobs import Job

LIBRARIES = ("nverbench", "torch", "torchaudio", "transformers", "numpy", "scipy", "soundfile")
ABSENT = "none"


def wanted(jobs: Iterable[Job]) -> dict[str, str]:
    """Python and every distribution that a plan's numbers may depend on -> its version here."""
    plugins = {name for job in jobs for name in job.identity["plugins"] if not plugin_files.is_file(name)}
    return found([*LIBRARIES, *sorted(plugins - set(LIBRARIES))])


def found(names: Iterable[str]) -> dict[str, str]:
    """The versions in this process: of Python, then of these distributions."""
    return {"python": f"{sys.version_info[0]}.{sys.version_info[1]}"} | {name: _version(name) for name in names}


def prober() -> Callable[[list[str]], dict[str, str]]:
    """``found`` as a function that needs nothing of ours where it runs: it travels by value, also to machines that have no nverbench."""

    def probe(names: list[str]) -> dict[str, str]:
        import sys
        from importlib.metadata import PackageNotFoundError, version

        versions = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
        for name in names:
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                versions[name] = "none"
        return versions

    return probe


def check(wanted: Mapping[str, str]) -> None:
    """Raise where this process has other versions."""
    compare(platform.node(), wanted, found(name for name in wanted if name != "python") if wanted else {})


def compare(node: str, wanted: Mapping[str, str], have: Mapping[str, str]) -> None:
    """Raise a UsageError that names the machine and every library of which it has another version than the run's own."""
    other = [f"{name} {have.get(name, ABSENT)} (expected {expected})" for name, expected in wanted.items() if have.get(name, ABSENT) != expected]
    if other:
        raise UsageError(f"node {node} has {', '.join(other)}; numbers may depend on it: install on every node what this machine has")


@functools.cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ABSENT
