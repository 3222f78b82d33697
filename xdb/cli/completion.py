"""`xdb-cli completion`."""

import click
from click.shell_completion import get_completion_class

PROGRAM = "xdb-cli"
SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    r"""Print the script that completes xdb-cli in SHELL.

    \b
    bash  source <(xdb-cli completion bash)       in ~/.bashrc
    zsh   source <(xdb-cli completion zsh)        in ~/.zshrc
    fish  xdb-cli completion fish | source        in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    command = click.get_current_context().find_root().command
    click.echo(kind(command, {}, PROGRAM, "_XDB_CLI_COMPLETE").source())
