"""How long `nverbench list` and `nverbench --help` take, and which heavy libraries they import:
medians of several fresh processes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

HEAVY = ("torch", "transformers", "mlflow", "numpy", "scipy")
RUNS = 7


def main() -> None:
    """Print one line per command."""
    for words in (["list"], ["list", "entries"], ["--help"]):
        seconds = []
        for _ in range(RUNS):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "nverbench", *words], check=True, capture_output=True
            )
            seconds.append(time.perf_counter() - began)
        code = (
            f"import sys; from nverbench.cli import main\ntry: main({words!r})\nexcept SystemExit:"
            " pass\n"
        )
        code += f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
        imported = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stderr.strip()
        print(
            f"nverbench {' '.join(words):<14} median {statistics.median(seconds):.2f} s of {RUNS},"
            f" heavy imports {imported}"
        )


if __name__ == "__main__":
    main()
