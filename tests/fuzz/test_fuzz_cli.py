"""The command line: words of its own grammar with hostile values end with 0, 1 or 2, without a
traceback, and 2 says why in one line.

Only commands that look, or that fail before they work: nothing is trained, fetched or served.
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import cli
from support.foreign_text import TALLY, TEXTS, Hung, check_line, lawful, often

ARGUED = TEXTS.map(
    lambda text: text.replace("\x00", "").encode("utf-8", "replace").decode()
)  # what a shell can hand over
NAMES = [
    "logmel-stats",
    "audio-mamba-base",
    "npz:x.npz",
    "folder:.",
    "folder:nothing",
    "table:x.csv",
    "table:.",
    "vocal-demo",
    "jnv",
    "emogator",
    "iemocap-6",
    "vocal-demo:test=jnv",
    "linear",
    "reno",
    "cross-entropy",
    "nver-1",
    "speaker",
    "random",
    "holdout=a",
    "0123456789abcdef",
    "result.json",
    "result.npz",
    "result.csv",
    "mine.yaml",
    ".",
    "/",
    "/dev/null",
    "nothing",
    "logmel-stats:project=2",
    "reno:align_dim=9",
    "byol-s:weights=result.npz",
]
VALUES = st.one_of(
    st.sampled_from(NAMES),
    ARGUED,
    st.sampled_from(
        [
            "0",
            "-1",
            "1",
            "99999999999999999999",
            "nan",
            "1e3",
            "cpu",
            "cuda",
            "auto",
            "true",
            "x" * 300,
        ]
    ),
)
GLOBAL = ("--json", "--out", "--registry", "--no-plugin", "--plugin")
OPTIONS = {
    "run --dry-run": (
        "--backbone",
        "--fusion",
        "--loss",
        "--dataset",
        "--folds",
        "--protocol",
        "--selection",
        "--train",
        "--seeds",
        "--device",
        "--dtype",
        "--executor",
        "--untrained",
        "--skip-bad",
        *GLOBAL,
    ),
    "list": GLOBAL,
    "show": GLOBAL,
    "compare": GLOBAL,
    "score": ("--against", *GLOBAL),
    "doctor": GLOBAL,
    "embed -o x.npz": ("--weights", "--frames", "--device"),
    "data folds": ("--folds", "--protocol", *GLOBAL),
    "data check": GLOBAL,
    "data add": GLOBAL,
    "weights add": ("--replace", *GLOBAL),
    "weights check": GLOBAL,
    "cache show": GLOBAL,
    "cache verify": GLOBAL,
    "leaderboard show": ("--csv", "--markdown", "--latex", *GLOBAL),
    "leaderboard verify": GLOBAL,
    "leaderboard submit": ("--name", *GLOBAL),
    "reproduce": GLOBAL,
    "new backbone": ("--registry",),
    "new": (),
    "atmosphere": GLOBAL,
    "": (),
    "data": (),
    "figure": GLOBAL,
}
FLAGS = (
    "--json",
    "--untrained",
    "--skip-bad",
    "--frames",
    "--replace",
    "--csv",
    "--markdown",
    "--latex",
)


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A command with words after it and options of its own, or of another."""
    command = draw(st.sampled_from(sorted(OPTIONS)))
    known = (
        OPTIONS[command]
        if draw(st.integers(0, 9))
        else draw(st.sampled_from(sorted(OPTIONS.values())))
    )
    words = [*command.split(), *draw(st.lists(VALUES, max_size=2))]
    for option in draw(st.lists(st.sampled_from(known), max_size=3)) if known else ():
        words += [option] if option in FLAGS else [option, draw(VALUES)]
    return words


def called(words: list[str]) -> tuple[int, str]:
    """Exit code and what the command said on standard error, or else on standard output (verdicts);
    run in this process.
    """
    out, said = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(said):
        try:
            cli.main(words)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
    texts = []
    for stream in (said, out):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]  # a BytesIO
    return code, texts[0] or texts[1]


def check(words: list[str]) -> None:
    """The law of the command line."""
    try:
        found = lawful(
            "command line", lambda: called(words), seconds=60
        )  # the first makes the demo corpus
    except Hung as error:  # pragma: no cover
        raise AssertionError(words) from error
    assert found is not None
    code, said = found
    assert code in (0, 1, 2), said
    assert "Traceback" not in said
    assert "a bug of nverbench" not in said, said
    if code == 2 and "Usage:" not in said:  # the help, where no command was given
        TALLY["command line"].update(refused=1, read=-1)
        last = said.strip().rpartition("\n")[2]
        check_line(last)


@given(words=lines())
@often(50)
def test_any_command_ends_with_a_code_and_a_line(room: Path, words: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(room)
        for name in ("result.json", "result.npz", "result.csv", "mine.yaml"):
            (room / name).write_bytes(b"\x00{]")
        check(words)
