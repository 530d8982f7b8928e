"""`waymark data`: look after the photos that a model is taught with."""

import typer

from waymark.cli.data_check import check
from waymark.cli.data_clean import clean
from waymark.cli.data_collect import collect
from waymark.cli.data_show import show
from waymark.cli.data_split import split
from waymark.cli.data_stats import stats

data = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="Collect, split and measure photos.",
)
data.add_typer(collect, name="collect", short_help="Take photos from a source into a folder.")
data.command(name="check", short_help="Find what is wrong with its photos.")(check)
data.command(name="clean", short_help="Leave out, or move away, what was found.")(clean)
data.command(name="split", short_help="Part it into train, val and test, or into folds.")(split)
data.command(name="stats", short_help="Count and measure its photos.")(stats)
data.command(name="show", short_help="Draw a sheet of its photos.")(show)
