"""Distributions that are really installed, as far as Python can see: a module and a dist-info
folder with entry points, on a path of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LOSS = """
from nverbench import Loss, hookimpl

def build(classes, counts):
    import torch
    from nverbench import Losses
    return lambda output, target: Losses({{"ce": torch.nn.functional.cross_entropy(output.logits, target)}})

@hookimpl
def nverbench_losses():
    return [Loss(name="{name}", build=build)]
"""


def loss_of(name: str) -> str:
    """Source of a plugin with one loss."""
    return LOSS.format(name=name)


def install(
    site: Path, name: str, source: str, *, version: str = "1.0", metadata: bool = True
) -> None:
    """Write the distribution ``nver-NAME`` with one plugin, the module ``nver_NAME``."""
    info = site / f"nver_{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (site / f"nver_{name}.py").write_text(source)
    (info / "entry_points.txt").write_text(f"[nverbench]\n{name} = nver_{name}\n")
    if metadata:
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: nver-{name}\nVersion: {version}\n"
        )


def nverbench(site: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a fresh process that sees the distributions of ``site``; it works in the
    folder above.
    """
    own = {
        "PYTHONPATH": os.pathsep.join([str(site), *(p for p in sys.path if p)]),
        "NVERBENCH_HOME": str(site.parent / "home"),
        **environment,
    }
    command = [sys.executable, "-m", "nverbench", *words]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=site.parent,
        env={**os.environ, **own},
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
