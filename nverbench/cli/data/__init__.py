"""``nverbench data``: get, add, check, audit and folds; one file per command."""

import typer

from nverbench.cli.data import add, audit, check, folds, get

data = typer.Typer(help="Local copies of corpora.", no_args_is_help=True, rich_markup_mode=None)
data.command("folds")(folds.data_folds)
data.command("add")(add.data_add)
data.command("check")(check.data_check)
data.command("get")(get.data_get)
data.command("audit")(audit.audit)
