"""``nverbench leaderboard``: one file per command."""

import typer

from nverbench.cli.leaderboard import build, claims, pull, push, serve, show, submit, verify

leaderboard = typer.Typer(
    help="Tables of finished results.", no_args_is_help=True, rich_markup_mode=None
)
leaderboard.command("serve")(serve.serve)
leaderboard.command("pull")(pull.pull)
leaderboard.command("push")(push.push)
leaderboard.command("build")(build.build)
leaderboard.command("show")(show.show)
leaderboard.command("claims")(claims.claims)
leaderboard.command("submit")(submit.submit)
leaderboard.command("verify")(verify.verify)


@leaderboard.callback()
def group() -> None:
    """Tables of finished results."""
