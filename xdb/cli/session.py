"""One verb's conversation with the owner node."""

import sys
from typing import TYPE_CHECKING, TypeVar

import click

from xdb.cli.state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from xdb.client import Client
    from xdb.client.context import Context

T = TypeVar("T")


def converse(state: State, body: "Callable[[Client], Awaitable[T]]") -> T:
    """The result of `body`, given a connected client."""
    # The network, the keystore and the event loop are imported when there is use for them.
    import asyncio  # noqa: PLC0415

    from xdb.client import Client  # noqa: PLC0415
    from xdb.client.context import find_context, read_context  # noqa: PLC0415

    context = read_context(state.context or find_context())
    password = _password(state, context)

    async def run() -> T:
        async with Client.open(context, password=password) as client:
            return await body(client)

    return asyncio.run(run())


def now() -> float:
    """Unix seconds, for displays."""
    from xdb.runtime.clock import SystemClock  # noqa: PLC0415  # imports asyncio

    return SystemClock().wall()


def _password(state: State, context: "Context") -> str | None:
    from xdb.store.password import read_password  # noqa: PLC0415

    if state.password_file is not None:
        return read_password(state.password_file)
    if context.password_file is None and sys.stdin.isatty():
        text: str = click.prompt(f"Password of {context.keystore}", hide_input=True, err=True)
        return text
    return None
