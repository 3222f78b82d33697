"""Groups that import a command's module only when the command runs."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Verb(NamedTuple):
    """Where a command is, and what `--help` of its group says about it."""

    where: str  # module:attribute
    text: str


class LazyGroup(click.Group):
    """A group whose commands are known by name and text alone until one is needed."""

    def __init__(self, *args: Any, verbs: Mapping[str, Verb], **kwargs: Any) -> None:  # noqa: ANN401  # click's
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's
        """The names, in the order given."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports a command."""
        verb = self._verbs.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.where.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Says which name was meant when there is no such command."""
        name = args[0]
        if name not in self._verbs and not name.startswith("-"):
            ctx.fail(f"there is no command {name!r}{_nearest(name, list(self._verbs))}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  # click's
        formatter: click.HelpFormatter,
    ) -> None:
        """The list in `--help`, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.text) for name, verb in self._verbs.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Completes names of commands, without importing anything."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  # only to complete

        found = [
            CompletionItem(name, help=verb.text)
            for name, verb in self._verbs.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _nearest(name: str, known: list[str]) -> str:
    import difflib  # noqa: PLC0415  # only when something is wrong

    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f": there are {', '.join(known)}"
