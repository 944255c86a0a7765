"""Backbones in full size against the rules of ``nverbench.testing``: what was measured, one line
per backbone. (The tests use tiny networks.)

    python benchmarks/reliability/conformance.py [BACKBONE ...]

Without names: every backbone that listens but mms-1b (a thousand million weights) and whisper-small
(30 s for any clip), which take long.
"""

from __future__ import annotations

import re
import sys
import time

from nverbench import NverbenchError
from nverbench.plugin.discovery import discover
from nverbench.testing import Pass, Subject, backbone_checks

LONG = ("mms-1b", "whisper-small")
MEASURED = ("batch-invariance", "layers", "dtype")


def line(subject: Subject) -> str:
    """The backbone's row: how many rules hold, what was measured, how long it took."""
    began, held, notes = time.perf_counter(), [], []
    checks = backbone_checks(slow=True)
    for check in checks:
        try:
            outcome = check.run(subject)
        except NverbenchError as error:
            notes.append(f"BROKEN {check.name}: {error}")
            continue
        held.append(check.name)
        if isinstance(outcome, Pass) and check.name in MEASURED:
            notes.append(re.sub(r" of 1e-05| \([^)]*\)", "", f"{check.name}: {outcome.measured}"))
    return (
        f"| {subject} | {len(held)} of {len(checks)} | {'; '.join(notes)} |"
        f" {time.perf_counter() - began:.0f} |"
    )


def main() -> None:
    """Print a Markdown table."""
    parts = discover().backbones.parts
    names = sys.argv[1:] or [
        name for name, part in sorted(parts.items()) if part.load is not None and name not in LONG
    ]
    print("| backbone | rules that hold or do not apply | measured | seconds |\n|---|---|---|---|")
    for name in names:
        print(line(Subject(parts[name])), flush=True)


if __name__ == "__main__":
    main()
