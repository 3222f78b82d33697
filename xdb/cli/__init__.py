"""The command line, one module per noun. docs/cli.md lists every verb."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Entry point of `xdb-cli`."""
    from xdb.cli.app import run  # noqa: PLC0415  # `xdb.cli` itself stays free to import

    sys.exit(run())
