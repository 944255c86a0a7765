"""The C kernels of this folder as a shared library: built once per machine by whatever C compiler
is there, loaded through ctypes.

No compiler, or one that fails, is no error: the torch loop computes the same numbers. The library
lies in nverbench's home under the digest of everything it was made from (sources, compiler, flags,
processor), so that a home shared by unlike machines holds one for each.
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
    "-std=gnu11",
    "-O3",
    "-shared",
    "-fPIC",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
)
WIDE = ("-DWIDE",)
"""For float64, which is a library of its own."""
NATIVE = (("-march=native",), ("-mcpu=native",), ())
"""Tried in this order: x86 and most others, clang on ARM, and whatever the compiler takes for its
default.
"""
SECONDS = 120


class View(ctypes.Structure):
    """``view`` of lanes.h: where a tensor starts, and its strides in numbers."""

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
    """The C compiler: what ``CC`` names, else the first of cc, gcc and clang that is on the
    path.
    """
    named = os.environ.get("CC")
    return next(
        (found for name in (named, "cc", "gcc", "clang") if name and (found := shutil.which(name))),
        None,
    )


def state() -> str:
    """What is known without building anything: no compiler, ready to be built, or built."""
    found = compiler()
    if found is None:
        return "absent: no C compiler (cc, gcc or clang) on the path"
    name = Path(found).name
    return (
        f"built by {name}"
        if any(_place(found, native).exists() for native in NATIVE)
        else f"not built yet: {name} does so at the first use"
    )


@functools.cache
def load(*, wide: bool = False) -> tuple[ctypes.CDLL | None, str]:
    """The library (``wide``: that of float64), built if this is its first use here; or None and the
    reason why there is none.
    """
    found = compiler()
    if found is None:
        return None, "no C compiler (cc, gcc or clang) on the path"
    reason = ""
    for native in NATIVE:
        try:
            return (
                _declared(ctypes.CDLL(str(_built(found, (*WIDE, *native) if wide else native)))),
                f"built by {Path(found).name}",
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            reason = f"{Path(found).name} could not build it: {' '.join(str(said).split())[:200]}"
    return None, reason


def _built(found: str, flags: tuple[str, ...]) -> Path:
    """The shared library's path, once it is there."""
    place = _place(found, flags)
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfiles.temporary_folder(place.parent, ".building-") as folder:
        made = folder / place.name
        sources = [str(p) for p in sorted(SOURCES.glob("*.c"))]
        command = [found, *EVERYWHERE, *flags, *sources, "-o", str(made), "-lm"]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        made.replace(place)  # whole or not at all, whoever else builds it now
    return place


def _place(found: str, flags: tuple[str, ...]) -> Path:
    made_from = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        made_from.update(path.read_bytes())
    made_from.update(repr((EVERYWHERE, flags, _compiler_version(found), _processor())).encode())
    return paths.engines_folder() / f"scan-{made_from.hexdigest()[:16]}.so"


@functools.cache
def _compiler_version(found: str) -> str:
    try:
        return subprocess.run(
            [found, "--version"], check=True, capture_output=True, text=True, timeout=SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return found


@functools.cache
def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()} {platform.node()}"
    return next(
        (line for line in lines if line.startswith(("flags", "Features"))), platform.machine()
    )


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    problem, view, whole, pointer = (
        ctypes.POINTER(Problem),
        ctypes.POINTER(View),
        ctypes.c_int64,
        ctypes.c_void_p,
    )
    library.scan_forward.argtypes = [problem, whole, whole]
    library.scan_forward.restype = None
    library.scan_backward.argtypes = [problem, whole, whole]
    library.scan_backward.restype = ctypes.c_int
    library.conv_forward.argtypes = [
        whole,
        whole,
        whole,
        view,
        view,
        pointer,
        pointer,
        whole,
        whole,
    ]
    library.conv_forward.restype = None
    return library
