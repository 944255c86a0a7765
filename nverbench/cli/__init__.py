"""The command line: parse, call one function, print. One file per group of commands; heavy imports happen inside them.

Exit codes: 0 done, 1 a job failed, 2 the input was wrong or nothing could run, 130 interrupted.
"""

from __future__ import annotations

import sys

import click
import typer

from nverbench.cli import board, files, look, running
from nverbench.errors import NverbenchError

app = typer.Typer(
    name="nverbench",
    help="The honest referee for audio foundation models on non-verbal vocal emotion and emotional speech.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("run")(running.run)
app.command("list")(look.list_parts)
app.command("show")(look.show)
app.command("embed")(files.embed)
app.add_typer(files.data, name="data")
app.add_typer(files.weights, name="weights")
app.add_typer(board.leaderboard, name="leaderboard")
app.command("doctor")(look.doctor)


@app.callback()
def common(
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks."),
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """Options before the command."""
    if version:
        from nverbench import __version__

        typer.echo(__version__)
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    words = [w for w in words if w != "--debug"]  # allowed everywhere
    try:
        code = app(["--debug", *words] if debug else words, standalone_mode=False)
    except NverbenchError as error:
        if debug:
            raise
        sys.exit(_say(" ".join(str(error).split()), 2))
    except click.exceptions.NoArgsIsHelpError as error:
        typer.echo(error.ctx.get_help() if error.ctx else error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        sys.exit(_say(error.format_message(), 2))
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_say("interrupted: finished jobs and embeddings are kept; the same command goes on from here", 130))
    sys.exit(code if isinstance(code, int) else 0)


def _say(sentence: str, code: int) -> int:
    typer.echo(f"nverbench: {sentence}", err=True)
    return code
