"""The command line, one module per noun."""


def main() -> None:
    """Entry point of `xdb-cli`."""
    raise SystemExit("not built yet")
