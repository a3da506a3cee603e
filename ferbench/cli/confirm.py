"""The question before something is removed for good."""

from __future__ import annotations

import sys

import click

from ferbench.errors import UserError


def confirm_removal(what: str, *, yes: bool) -> None:
    """Ask whether to remove something; who says no ends with exit code 1.

    Args:
        what: it, and how much room it takes.
        yes: do not ask.

    Raises:
        UserError: nobody is there to answer.
    """
    try:
        sure = yes or click.confirm(f"Remove {what}, for good?", default=False)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        click.echo(err=True)  # ends the line of the question
        raise UserError("nothing was removed, since nobody is there to answer", "say --yes") from None
    if not sure:
        click.echo("nothing was removed", err=True)
        sys.exit(1)
