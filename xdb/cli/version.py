"""`xdb-cli version`."""

import platform

import click

from xdb import __version__
from xdb.cli.state import common, state


@click.command(short_help="Print versions.")
@common
def version() -> None:
    """Print the versions of xdb and of Python."""
    at = state()
    python = platform.python_version()
    at.document({"xdb": __version__, "python": python})
    at.say(f"xdb-cli {__version__}, Python {python}")
