"""docs/fine-tuning.md: its code prints what the page says, from measurements that the repository
holds.
"""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from nverbench import registry
from support.paths import ROOT

PAGE = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = re.findall(r"It prints:\n\n```text\n(.*?)```", PAGE, re.DOTALL)[0]
MEASURED = {
    "146": "| wavlm-base | cpu | ours, batches of 8 | 146 |",
    "192": "| audio-mamba-base | 8 | compiled | 192 |",
    "53.0": "| byol-s | first | 3689 | 3689 | 53.0 |",
    "1.9": "1.9 s in the mean",
}


def test_the_code_prints_what_the_page_says() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(CODE, "fine-tuning.md", "exec"), {})
    assert printed.getvalue() == PRINTED


@pytest.mark.parametrize("number", MEASURED)
def test_a_measurement_of_the_page_is_in_the_results(number: str) -> None:
    assert number in CODE
    assert MEASURED[number] in RESULTS


def test_the_track_is_said_not_to_be_official_and_no_protocol_has_its_name() -> None:
    assert "not official yet" in PAGE
    assert "nver-2-tuned" not in registry.load().protocols
