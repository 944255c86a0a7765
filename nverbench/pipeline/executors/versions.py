"""The versions of the software on all machines of a run: numbers may depend on them, so that every
machine must have those of the run's own.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping

from nverbench.errors import UsageError
from nverbench.pipeline.job import Job
from nverbench.plugin import single_file

LIBRARIES = ("nverbench", "torch", "torchaudio", "transformers", "numpy", "scipy", "soundfile")
FFMPEG = "ffmpeg"
ABSENT = "none"


def required(jobs: Iterable[Job]) -> dict[str, str]:
    """Python, every distribution that the numbers of the jobs may depend on, and ffmpeg where it
    decodes some of their clips -> version here.
    """
    jobs = list(jobs)
    plugins = {
        name for job in jobs for name in job.identity["plugins"] if not single_file.is_file(name)
    }
    through = any(d.startswith(FFMPEG) for job in jobs for d in job.corpus.decoders)
    return found([*LIBRARIES, *sorted(plugins - set(LIBRARIES)), *([FFMPEG] if through else [])])


def found(names: Iterable[str]) -> dict[str, str]:
    """The versions in this process: of Python and of these distributions; of nverbench also a
    digest of its source, because two checkouts have the same version.
    """
    return prober()(list(names))


def prober() -> Callable[[list[str]], dict[str, str]]:
    """``found`` as a function that needs no module of ours: it is pickled by value, so that it also
    runs on machines without nverbench.
    """

    def source(name: str) -> str:
        from hashlib import sha256
        from importlib.util import find_spec
        from pathlib import Path

        spec = find_spec(name)
        if spec is None or spec.origin is None:
            return ""
        folder, content = Path(spec.origin).parent, sha256()
        for path in sorted(folder.rglob("*.py")):
            content.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
        return f", source {content.hexdigest()[:8]}"

    def program(name: str) -> str:
        import os
        import shutil
        import subprocess

        binary = shutil.which(os.environ.get("NVERBENCH_FFMPEG") or name)
        if binary is None:
            return "none"
        said = subprocess.run([binary, "-version"], capture_output=True, text=True, check=False)
        return (said.stdout.split() + ["none"] * 3)[2]

    def probe(names: list[str]) -> dict[str, str]:
        import sys
        from importlib.metadata import PackageNotFoundError, version

        versions = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
        for name in names:
            if name == "ffmpeg":
                versions[name] = program(name)
                continue
            try:
                versions[name] = version(name) + (source(name) if name == "nverbench" else "")
            except PackageNotFoundError:
                versions[name] = "none"
        return versions

    return probe


def check(expected: Mapping[str, str]) -> None:
    """Raise a UsageError unless this process has the expected versions."""
    own = found(name for name in expected if name != "python") if expected else {}
    compare(platform.node(), expected, own)


def compare(node: str, expected: Mapping[str, str], have: Mapping[str, str]) -> None:
    """Raise a UsageError that names the machine and every distribution of another version."""
    other = [
        f"{name} {have.get(name, ABSENT)} (expected {version})"
        for name, version in expected.items()
        if have.get(name, ABSENT) != version
    ]
    if other:
        raise UsageError(
            f"node {node} has {', '.join(other)}; numbers may depend on it: install on every node"
            " what this machine has"
        )
