"""The device of a job, found without importing torch (a job's id names the device type)."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import re
from pathlib import Path

from nverbench.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")
DTYPES = ("float32", "bfloat16", "float16")
FULL = ("not enough memory", "can't allocate memory")
"""Messages of torch's CPU allocator in a plain RuntimeError."""


@functools.cache
def cuda_devices() -> int:
    """The number of CUDA devices that torch can use; 0 for a CPU-only torch or without a driver."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return 0
    built = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    if not re.search(r"^cuda[^=]*=\s*['\"]", built, re.MULTILINE):
        return 0
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if found else 0


def resolve(device: str) -> str:
    """The device type of a device option: ``cpu`` or ``cuda``.

    Raises:
        UsageError: an unknown device, or cuda on a machine without one.
    """
    if device not in DEVICES:
        raise UsageError(f"device {device!r} is unknown; expected one of {', '.join(DEVICES)}")
    if device == "cuda" and not cuda_devices():
        raise UsageError(
            "device cuda was requested, but torch finds none on this machine; use --device cpu"
            " (see: nverbench doctor)"
        )
    return ("cuda" if cuda_devices() else "cpu") if device == "auto" else device


def check_dtype(dtype: str) -> str:
    """The dtype; UsageError when it is unknown."""
    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r} is unknown; expected one of {', '.join(DTYPES)}")
    return dtype


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory of the device, or of the machine, does not suffice."""
    import torch

    full = any(words in str(error) for words in FULL)
    return full or isinstance(error, torch.OutOfMemoryError | MemoryError)
