"""The command line: one small file a command; each parses, calls the library, and prints.

Nothing heavy is imported here, so that `waymark --help` is quick: a command's own file
imports only Typer, and its body imports what it needs.
"""

import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from waymark.cli.backbones import backbones
from waymark.cli.compare import compare
from waymark.cli.data import data
from waymark.cli.demo import demo
from waymark.cli.doctor import doctor
from waymark.cli.evaluate import evaluate
from waymark.cli.export import export
from waymark.cli.landmarks import landmarks
from waymark.cli.library import library
from waymark.cli.predict import predict
from waymark.cli.recipes import recipes
from waymark.cli.serve import serve
from waymark.cli.space import space
from waymark.cli.sweep import sweep
from waymark.cli.tag import tag
from waymark.cli.teach import teach
from waymark.cli.train import train
from waymark.cli.undo import undo
from waymark.cli.write import write
from waymark.errors import WaymarkError


class Translated(TyperGroup):
    """The group where every error that a user can cause becomes one line on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit with 2 on a user's error, with 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except WaymarkError as error:
            _say(f"error: {error}")
            raise typer.Exit(2) from None
        except BrokenPipeError:
            raise  # Typer ends quietly: whoever read our output has seen enough
        except OSError as error:
            named = f": {error.filename}" if error.filename else ""
            _say(f"error: {error.strerror or error}{named}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            _say("interrupted")
            raise typer.Exit(130) from None


def _say(text: str) -> None:
    """Print to stderr as a single line without control codes, whatever the message holds."""
    line = " ".join(text.split())
    print("".join(c if c.isprintable() else "?" for c in line), file=sys.stderr)


def _version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from waymark.version import __version__

        print(f"waymark {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Translated,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def waymark(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Name the landmark in a photo, say where it stands, and say when it is unknown."""


# the short helps are what `waymark --help` lists; a command's docstring is its own --help
app.command(short_help="Show on one page what waymark does.")(demo)
app.command(short_help="Name the landmark in photos, or say it is unknown.")(predict)
app.command(short_help="Train on your own photos.")(train)
app.command(short_help="Add landmarks, or examples, to a bundle.")(teach)
app.command(short_help="Measure a bundle on photos with labels.")(evaluate)
app.command(short_help="Write a bundle in a format of other programs.")(export)
app.command(short_help="Compare runs: the leaderboard.")(compare)
app.command(short_help="Train by many recipes, and compare.")(sweep)
app.command(short_help="Write a bundle's app for Hugging Face.")(space)
app.command(short_help="Name the landmarks of a whole photo library.")(tag)
app.command(short_help="Write landmarks and places into sidecars.")(write)
app.command(short_help="Take back what was written.")(undo)
app.command(short_help="Serve a page for anyone, and a REST API.")(serve)
app.command(short_help="List or search the landmarks of the gazetteer.")(landmarks)
app.command(short_help="List the ways to train, or print one.")(recipes)
app.command(short_help="List the networks that a recipe can name.")(backbones)
app.command(short_help="Check the installation, and say how to mend it.")(doctor)
app.add_typer(library, name="library", short_help="List, search, export or forget tagged photos.")
app.add_typer(data, name="data", short_help="Collect, split and measure photos.")


def main() -> None:
    """Run the command line; what the terminal's encoding has not is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="waymark")
