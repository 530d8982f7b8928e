"""The command line: one small file a command; each parses, calls the library, and prints.

Nothing is imported before it is needed, so that `waymark --help` is quick: a command's file
is imported when the command is asked for, and its body imports what it needs.
"""

import sys
from collections import UserDict
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from waymark.errors import WaymarkError

COMMANDS = {
    "demo": "Show on one page what waymark does.",
    "predict": "Name the landmark in photos, or say it is unknown.",
    "train": "Train on your own photos.",
    "teach": "Add landmarks, or examples, to a bundle.",
    "evaluate": "Measure a bundle on photos with labels.",
    "export": "Write a bundle in a format of other programs.",
    "compare": "Compare runs: the leaderboard.",
    "sweep": "Train by many recipes, and compare.",
    "space": "Write a bundle's app for Hugging Face.",
    "tag": "Name the landmarks of a whole photo library.",
    "write": "Write landmarks and places into sidecars.",
    "undo": "Take back what was written.",
    "serve": "Serve a page for anyone, and a REST API.",
    "landmarks": "List or search the landmarks of the gazetteer.",
    "recipes": "List the ways to train, or print one.",
    "backbones": "List the networks that a recipe can name.",
    "doctor": "Check the installation, and say how to mend it.",
    "library": "List, search, export or forget tagged photos.",
    "data": "Collect, split and measure photos.",
}
"""What `waymark --help` lists: each is the function, or the app, of its name in its file."""


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


class _Commands(UserDict[str, Any]):
    """The commands by name, each made when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            made = getattr(import_module(f"waymark.cli.{name}"), name)
            if not isinstance(made, typer.Typer):
                alone = typer.Typer(rich_markup_mode=None, add_completion=False)
                alone.command(name)(made)
                made = alone
            self.data[name] = typer.main.get_command(made)
            self.data[name].name = name
        return self.data[name]


class Waymark(Translated):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands(dict.fromkeys(COMMANDS))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """List the commands, without making them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


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
    cls=Waymark,
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


def main() -> None:
    """Run the command line; what the terminal's encoding has not is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="waymark")
