"""The C kernels of this folder as a shared library: built once per machine by the C compiler that
is installed, loaded through ctypes.

A missing or failing compiler is no error: the torch loop computes the same numbers. The file name
holds the digest of everything the library was built from (sources, compiler, flags, processor), so
that a home folder shared by different machines holds one library for each.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

from nverbench._io import paths, tempfiles

SOURCES = Path(__file__).parent / "c"
EVERYWHERE = (
    *("-std=gnu11", "-O3", "-shared", "-fPIC", "-fopenmp-simd"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
)
WIDE = ("-DWIDE",)
"""For float64, which has a library of its own."""
NATIVE = (("-march=native",), ("-mcpu=native",), ())
"""Tried in this order: x86 and most others, clang on ARM, the compiler's default."""
SECONDS = 120


class View(ctypes.Structure):
    """``view`` of lanes.h: the start of a tensor, and its strides in numbers."""

    _fields_ = (("at", ctypes.c_void_p), ("b", ctypes.c_int64), ("l", ctypes.c_int64))


class Problem(ctypes.Structure):
    """``problem`` of lanes.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("b", "l", "e", "n")),
        *((name, View) for name in ("x", "delta", "z", "B", "C", "y")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "bias", "states")),
        ("softplus", ctypes.c_int64),
        *((name, View) for name in ("dy", "dx", "ddelta", "dz")),
        *((name, ctypes.c_void_p) for name in ("dB", "dC", "dA", "dD", "dbias")),
    )


def compiler() -> str | None:
    """The C compiler: the one that ``CC`` names, else the first of cc, gcc and clang that is
    installed.
    """
    names = filter(None, (os.environ.get("CC"), "cc", "gcc", "clang"))
    return next(filter(None, map(shutil.which, names)), None)


def state() -> str:
    """The state for doctor, without building: no compiler, not built yet, or built."""
    found = compiler()
    if found is None:
        return "absent: no C compiler (cc, gcc or clang) on the path"
    name = Path(found).name
    built = any(_path(found, native).exists() for native in NATIVE)
    return f"built by {name}" if built else f"not built yet: {name} does so at the first use"


@functools.cache
def load(*, wide: bool = False) -> tuple[ctypes.CDLL | None, str]:
    """The library (``wide``: for float64), built at its first use; or None and the reason why it
    cannot be built.
    """
    found = compiler()
    if found is None:
        return None, "no C compiler (cc, gcc or clang) on the path"
    name, reason = Path(found).name, ""
    for native in NATIVE:
        try:
            path = _built(found, (*WIDE, *native) if wide else native)
            return _declared(ctypes.CDLL(str(path))), f"built by {name}"
        except (OSError, subprocess.SubprocessError) as error:
            message = str(getattr(error, "stderr", None) or error)
            reason = f"{name} could not build it: {' '.join(message.split())[:200]}"
    return None, reason


def _built(found: str, flags: tuple[str, ...]) -> Path:
    """The path of the shared library, which is built where it does not exist."""
    path = _path(found, flags)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfiles.temporary_folder(path.parent, ".building-") as folder:
        output = folder / path.name
        sources = [str(p) for p in sorted(SOURCES.glob("*.c"))]
        command = [found, *EVERYWHERE, *flags, *sources, "-o", str(output), "-lm"]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        output.replace(path)  # atomic, also where several processes build it at once
    return path


def _path(found: str, flags: tuple[str, ...]) -> Path:
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.read_bytes())
    digest.update(repr((EVERYWHERE, flags, _compiler_version(found), _processor())).encode())
    return paths.engines_folder() / f"scan-{digest.hexdigest()[:16]}.so"


@functools.cache
def _compiler_version(found: str) -> str:
    command = [found, "--version"]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError):
        return found
    return done.stdout


@functools.cache
def _processor() -> str:
    """The features of the processor, on which -march=native depends."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()} {platform.node()}"
    found = (line for line in lines if line.startswith(("flags", "Features")))
    return next(found, platform.machine())


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library with the types of its functions."""
    problem, view = ctypes.POINTER(Problem), ctypes.POINTER(View)
    whole, pointer = ctypes.c_int64, ctypes.c_void_p
    library.scan_forward.argtypes = [problem, whole, whole]
    library.scan_forward.restype = None
    library.scan_backward.argtypes = [problem, whole, whole]
    library.scan_backward.restype = ctypes.c_int
    sizes, span = [whole] * 3, [whole] * 2
    library.conv_forward.argtypes = [*sizes, view, view, pointer, pointer, *span]
    library.conv_forward.restype = None
    return library
