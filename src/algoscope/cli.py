"""The command line: a thin door to what a notebook can call too. Torch is imported only inside commands."""

from __future__ import annotations

import sys

import typer

from algoscope.errors import UserError

app = typer.Typer(
    help="Reverse-engineer small transformers trained on algorithmic tasks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def options() -> None:
    """A user's mistake is one line on standard error and exit code 2."""


def main() -> None:
    try:
        app()
    except UserError as error:
        typer.echo(f"algoscope: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
