"""The command line: parse, call one function, print. One file per group of commands; heavy imports
happen inside them.

Exit codes: 0 done, 1 a job failed, 2 the input was wrong or nothing could run, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from nverbench._io.text import escape_control_characters
from nverbench.cli import (
    cache,
    check,
    compare,
    context,
    doctor,
    embed,
    figure,
    list,
    new,
    reproduce,
    run,
    score,
    show,
    weights,
)
from nverbench.cli.data import data
from nverbench.cli.leaderboard import leaderboard
from nverbench.errors import NverbenchError, reason_of, single_line

# typer may bring a copy of click of its own: the root of its errors is found from the one it
# exports.
CommandLineError: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk or a quota that is full."""

app = typer.Typer(
    name="nverbench",
    help=(
        "A benchmark of audio foundation models on non-verbal vocal emotion and emotional speech."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("list")(list.list_parts)
app.command("show")(show.show)
app.command("embed")(embed.embed)
app.add_typer(data, name="data")
app.add_typer(weights.weights, name="weights")
app.add_typer(leaderboard, name="leaderboard")
app.add_typer(cache.cache, name="cache")
app.command("compare")(compare.compare)
app.command("score")(score.score)
app.command("figure")(figure.figure)
app.command("atmosphere")(context.atmosphere)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.command("new")(new.new)
app.command("reproduce")(reproduce.reproduce)


def _print_version(requested: bool) -> None:
    if requested:
        from nverbench import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common(
    debug: bool = typer.Option(
        False, "--debug", help="Show tracebacks; every command takes this option."
    ),
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and exit.",
        is_eager=True,
        callback=_print_version,
    ),
) -> None:
    """A benchmark of audio foundation models on non-verbal vocal emotion and emotional speech."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    # Waiting threads should sleep: with another busy process on the machine, spinning threads made
    # an embedding twice as slow (benchmarks/speed/waiting.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    words = [w for w in words if w != "--debug"]  # allowed everywhere
    try:
        code = app(["--debug", *words] if debug else words, standalone_mode=False)
    except NverbenchError as error:
        if debug:
            raise
        sys.exit(_print_error(str(error), 2))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except CommandLineError as error:
        sys.exit(_print_usage_error(error))
    except OSError as error:  # a full disk, a missing permission, a name that is too long: no bug
        if debug:
            raise
        full = "make room, then the same command goes on from here"
        advice = full if error.errno in FULL else "correct the path, or its permission"
        where, reason = error.filename or "a file", error.strerror or error
        sys.exit(_print_error(f"{where}: {reason}; {advice}", 2))
    except Exception as error:  # a bug of nverbench or of a plugin
        if debug:
            raise
        text = f"{type(error).__name__}: {reason_of(error)}"
        sys.exit(
            _print_error(f"{text} (a bug of nverbench or of a plugin; --debug shows where)", 1)
        )
    if code == 130:  # typer turns ctrl-C into this code
        kept = "finished jobs and embeddings are kept; the same command goes on from here"
        sys.exit(_print_error(f"interrupted: {kept}", 130))
    sys.exit(code if isinstance(code, int) else 0)


def _print_usage_error(error: Any) -> int:
    """An unknown option or a missing argument in one line; no command at all prints the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return 2
    context = getattr(error, "ctx", None)
    return _print_error(
        f"{error.format_message()} (see: {context.command_path if context else 'nverbench'}"
        " --help)",
        2,
    )


def _print_error(sentence: str, code: int) -> int:
    typer.echo(single_line(escape_control_characters(f"nverbench: {sentence}")), err=True)
    return code
