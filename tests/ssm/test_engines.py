"""The choice of the scan engine: a missing, failing or wrong compiler costs speed only; the CUDA
kernel gets its arguments in its own layout.
"""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from nverbench._io import paths
from nverbench.cli import doctor
from nverbench.plugin.discovery import discover
from nverbench.ssm import compiled, engines, kernel, library, selective_scan
from nverbench.ssm.inputs import ScanInputs
from support.disk_faults import disk
from support.scan_problems import arguments, relative

needs_compiler = pytest.mark.skipif(
    library.compiler() is None, reason="no C compiler on this machine"
)
CACHES = (library.load, compiled._trusted, kernel.load)


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    """What was built and found is forgotten before and after each test."""
    for cached in CACHES:
        cached.cache_clear()
    yield
    for cached in CACHES:
        cached.cache_clear()


def compiler_that(folder: Path, does: str) -> str:
    path = folder / "cc"
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return str(path)


def used() -> str:
    given = arguments()
    return engines.choose(given["x"], given["A"])


@needs_compiler
def test_the_library_is_built_once_and_found_again() -> None:
    assert library.state().startswith("not built yet: ")
    assert used() == engines.COMPILED
    (made,) = paths.engines_folder().iterdir()
    written = made.stat().st_mtime_ns
    library.load.cache_clear()
    assert used() == engines.COMPILED
    assert made.stat().st_mtime_ns == written
    assert library.state().startswith("built by ")


def test_without_a_compiler_the_torch_loop_computes_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = selective_scan(**arguments())
    for cached in CACHES:
        cached.cache_clear()
    monkeypatch.setattr(library, "compiler", lambda: None)
    assert used() == engines.LOOP
    assert relative(selective_scan(**arguments()), before) < 1e-5
    assert library.state() == "absent: no C compiler (cc, gcc or clang) on the path"


FAILS = "echo 'cannot find stdint.h' >&2; exit 1"
GIVES_NOTHING = "exit 0"
GIVES_NONSENSE = 'for last; do :; done; case "$last" in *.so) echo nonsense > "$last";; esac'


@needs_compiler
@pytest.mark.parametrize(
    "write", ["home/engines/.building-* mkdir", "home/engines/scan-*.so rename"]
)
def test_a_full_disk_costs_speed_only_and_leaves_nothing(
    write: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # home is not below it
    with disk(write, errno.ENOSPC) as watched:
        assert used() == engines.LOOP
        assert "could not build it: [Errno 28] No space left on device" in library.load()[1]
    assert watched.seen[write] > 0
    assert not paths.engines_folder().exists() or list(paths.engines_folder().iterdir()) == []


@pytest.mark.parametrize("does", [FAILS, GIVES_NOTHING, GIVES_NONSENSE])
def test_a_compiler_that_fails_costs_speed_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str
) -> None:
    monkeypatch.setenv("CC", compiler_that(tmp_path, does))
    assert used() == engines.LOOP
    assert library.load()[1].startswith("cc could not build it: ")
    selective_scan(**arguments())


@needs_compiler
def test_a_library_with_other_numbers_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    right = compiled.scan
    monkeypatch.setattr(compiled, "scan", lambda *given: right(*given) * 1.001)
    assert used() == engines.LOOP


@needs_compiler
def test_several_processes_build_at_once_and_all_can_use_it(tmp_path: Path) -> None:
    code = "from nverbench.ssm import library; assert library.load()[0] is not None"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(list(paths.engines_folder().glob("scan-*.so"))) == 1
    assert list(paths.engines_folder().glob(".building-*")) == []


def test_half_precision_and_many_states_go_to_the_torch_loop() -> None:
    assert engines.choose(arguments(torch.bfloat16)["x"], arguments()["A"]) == engines.LOOP
    assert engines.choose(arguments()["x"], torch.zeros(5, 257)) == engines.LOOP


@needs_compiler
def test_float64_has_a_library_of_its_own_that_float32_does_not_wait_for() -> None:
    assert used() == engines.COMPILED
    assert len(list(paths.engines_folder().iterdir())) == 1
    wide = arguments(torch.float64)
    assert engines.choose(wide["x"], wide["A"]) == engines.COMPILED
    assert len(list(paths.engines_folder().iterdir())) == 2


def test_doctor_names_every_engine_and_builds_none() -> None:
    states = doctor.examine(discover(), Path("nowhere"))["scan engines"]
    assert set(states) == set(engines.NAMES)
    assert not paths.engines_folder().exists()


def test_a_scan_engine_can_be_named_without_importing_torch() -> None:
    code = (
        "import sys; from nverbench.ssm import engines; engines.states(); assert 'torch' not in"
        " sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- mamba-ssm's kernel: no GPU here, so its function is played by the reference in the kernel's
# own layout


def played(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """selective_scan_fn: u, delta, z (b, e, l), B and C (b, n, l), all contiguous."""
    assert all(v.is_contiguous() for v in (u, delta, B, C, z) if v is not None)
    x, step, b_in, c_out = (v.transpose(1, 2).double() for v in (u, delta, B, C))
    gate = None if z is None else z.transpose(1, 2).double()
    y = selective_scan(x, step, A.double(), b_in, c_out, D, gate, delta_bias, delta_softplus)
    return y.float().transpose(1, 2)


def install(monkeypatch: pytest.MonkeyPatch, interface: Any) -> None:
    module = ModuleType("mamba_ssm.ops.selective_scan_interface")
    vars(module).update(interface)
    for name, there in (
        ("mamba_ssm", ModuleType("mamba_ssm")),
        ("mamba_ssm.ops", ModuleType("mamba_ssm.ops")),
        (module.__name__, module),
    ):
        monkeypatch.setitem(sys.modules, name, there)
    real = kernel.importlib.util.find_spec
    monkeypatch.setattr(
        kernel.importlib.util,
        "find_spec",
        lambda name: object() if name == engines.CUDA_MODULE else real(name),
    )


def test_the_kernel_gets_channels_before_steps_and_gives_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, {"selective_scan_fn": played})
    given = arguments(length=40) | {"delta_bias": torch.linspace(-1, 1, 5)}
    order = ("x", "delta", "A", "B", "C", "D", "z", "delta_bias")
    expected = selective_scan(**given, delta_softplus=True)
    inputs = ScanInputs(*(given[key] for key in order), True)
    torch.testing.assert_close(kernel.scan(inputs), expected, rtol=1e-5, atol=1e-5)


def test_the_kernel_is_for_cuda_only(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {"selective_scan_fn": played})
    assert not kernel.usable(arguments()["x"], arguments()["A"])
    assert engines.states()[engines.KERNEL] == "installed: used on CUDA"


def test_a_broken_kernel_is_named_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {})
    function, reason = kernel.load()
    assert function is None
    assert reason.startswith(
        "installed but broken (ImportError: cannot import name 'selective_scan_fn'"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("name", [engines.LOOP, engines.KERNEL])
def test_on_cuda_every_engine_gives_the_numbers_of_float64(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == engines.KERNEL and kernel.load()[0] is None:
        pytest.skip(f"mamba-ssm's kernel is {kernel.load()[1]}")
    monkeypatch.setenv(engines.VARIABLE, name)
    given = {key: value.cuda() for key, value in arguments(b=2, length=251, e=576, n=24).items()}
    assert engines.choose(given["x"], given["A"]) == name
    exact = selective_scan(
        **{key: value.double() for key, value in given.items()}
    )  # the torch loop: no other knows float64 on CUDA
    assert relative(selective_scan(**given), exact) < 1e-5
