"""One life of a node, which can end as a power cut ends it."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any, Protocol, TypeVar, cast

from xdb.ports.entropy import Entropy
from xdb.testing.simulation.loop import OWNER, SimulationError
from xdb.testing.simulation.stacks import stacks

T = TypeVar("T")

_GIVE_HANDLES = frozenset({"peer", "stream", "registry", "events"})
_PLAIN = frozenset({bytes, int, float, bool, str, list, dict, tuple, type(None)})
"""What the answers of most calls are: none of it can do anything by itself."""
_ROUNDS = 1000


class FencedError(asyncio.CancelledError):
    """A life that is over wanted to do something. A cancellation, so that nobody answers it."""


class Durable(Protocol):
    """What stays of a node when it loses power."""

    def crash(self, entropy: Entropy) -> None:
        """Keeps what was synced and a random part of the rest."""
        ...


async def _at_once(_call: str) -> None:
    """No pause."""


class Incarnation:
    """`Spawn` of one life. Tasks started in it, by whatever means, belong to it.

    Give the node nothing but handles from `guard`. Guard the innermost object and put
    delays around it: what a guarded call had begun before the crash is not undone.
    """

    def __init__(self, name: str, durable: Sequence[Durable], entropy: Entropy) -> None:
        self.name = name
        self._durable = durable
        self._entropy = entropy
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._fenced = False
        self._context = copy_context()
        self._context.run(OWNER.set, self)

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """Those that have not ended."""
        return list(self._tasks)

    @property
    def alive(self) -> bool:
        """Whether it can do anything. Whoever calls into a node asks first."""
        return not self._fenced

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """See `Spawn`. The work is this node's, whoever starts it."""
        if self._fenced:
            work.close()
            raise FencedError(f"{self.name} is down")
        loop = asyncio.get_running_loop()
        return loop.create_task(work, name=f"{self.name}: {name}", context=self._context.copy())

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """See `Owner`."""
        self._tasks[task] = None
        task.add_done_callback(self._let_go)
        if self._fenced:
            task.cancel()

    def guard(self, handle: T, pause: Callable[[str], Awaitable[None]] = _at_once) -> T:
        """`handle` as this life may use it: after the fence every call raises FencedError.

        So does a call that was under way, instead of returning. Handles that it gives out
        (`peer`, `stream`, `registry`, `events`) are guarded, too. `pause` is awaited with the
        name of every coroutine before it begins.
        """
        return cast("T", _Guarded(handle, self, pause))

    def check(self) -> None:
        """FencedError when this life is over."""
        if self._fenced:
            raise FencedError(f"{self.name} is down")

    def fence(self) -> None:
        """From now on nothing that this life does has an effect.

        To cut power in the middle of an operation of a disk: fence, raise FencedError
        there, and let `crash` follow in the loop's next turn.
        """
        self._fenced = True

    def crash(self) -> None:
        """Loses power: the tasks' `finally` blocks run, but nothing comes of it.

        Afterwards the durable things are as the next life finds them. Not to be called
        by one of them. `ended` waits until the tasks are gone.
        """
        self.fence()
        self._cancel()
        for number, durable in enumerate(self._durable):
            durable.crash(self._entropy.stream(f"{self.name}/crash {number}"))

    async def stop(self) -> None:
        """Ends as a process that is asked to: what the tasks do last has its effect."""
        await self.ended()
        self.fence()

    async def ended(self) -> None:
        """Cancels the tasks, again if need be, until none is left.

        SimulationError names those that do not end.
        """
        for _ in range(_ROUNDS):
            if not self._tasks:
                return
            self._cancel()
            await asyncio.sleep(0)
        left = list(self._tasks)
        raise SimulationError(f"{len(left)} tasks of {self.name} do not end\n{stacks(left)}")

    def _cancel(self) -> None:
        current = asyncio.current_task()
        for task in list(self._tasks):
            if task is not current:
                task.cancel()

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if self._fenced and not task.cancelled():
            task.exception()  # a dead node has nobody to tell


class _Guarded:
    """Stands before a handle."""

    def __init__(
        self, handle: object, life: Incarnation, pause: Callable[[str], Awaitable[None]]
    ) -> None:
        self._handle = handle
        self._life = life
        self._pause = pause

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the handle has
        self._life.check()
        found = getattr(self._handle, name)
        if not callable(found):
            return found
        call = self._coroutine(name, found)
        if not inspect.iscoroutinefunction(found):
            call = self._function(name, found)
        self.__dict__[name] = call
        return call

    def _coroutine(self, name: str, found: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # as the handle has it
            self._life.check()
            await self._pause(name)
            self._life.check()
            try:
                return await found(*args, **kwargs)
            finally:
                self._life.check()  # neither a result nor an error comes back

        return call

    def _function(self, name: str, found: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # as the handle has it
            self._life.check()
            result = found(*args, **kwargs)
            if type(result) in _PLAIN:
                return result
            if name in _GIVE_HANDLES:
                return self._life.guard(result, self._pause)
            if inspect.isawaitable(result):
                return self._answer(result)
            return self._items(result) if isinstance(result, AsyncIterator) else result

        return call

    async def _answer(self, answer: Awaitable[Any]) -> Any:  # noqa: ANN401  # as the handle has it
        try:
            return await answer
        finally:
            self._life.check()

    async def _items(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        self._life.check()
        try:
            async for item in items:
                self._life.check()
                yield item
                self._life.check()
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
