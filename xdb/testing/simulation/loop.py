"""An event loop without sockets, threads and real time, whose order of work a seed chooses."""

import asyncio
import gc
import heapq
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextvars import Context, ContextVar
from typing import Any, NoReturn, Protocol, TypeVar
from weakref import WeakValueDictionary

from xdb.ports.entropy import Entropy
from xdb.testing.simulation.stacks import stacks
from xdb.testing.simulation.trace import Trace

T = TypeVar("T")

STANDSTILL = 1_000_000
"""Turns without any time passing after which something must be going round in circles."""
_COLLECT = 100_000
_BYTE = 256


class SimulationError(Exception):
    """The simulation itself cannot go on, or found that a run is not as it should be."""


class DeadlockError(SimulationError):
    """Nothing can happen any more, or happens for ever without time passing."""


class OutsideError(SimulationError):
    """Something wanted to leave the loop: a thread, a socket, another process."""


class Owner(Protocol):
    """To whom tasks belong that are started in its context."""

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Hears of a new task of its own."""
        ...


OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)
"""Whose work this is; tasks inherit it, also those that a library starts."""


class SimulatedTask(asyncio.Task[T]):
    """A task whose hash is its number, so that sets of tasks have the same order every time."""

    def __init__(  # a task, with its number
        self,
        work: Generator[Any, None, T] | Coroutine[Any, Any, T],
        loop: "SimulatedLoop",
        number: int,
        name: str | None,
        context: Context | None,
    ) -> None:
        self.number = number  # first: the task is put into a set while it is made
        super().__init__(work, loop=loop, name=name or f"task {number}", context=context)

    def __hash__(self) -> int:
        return self.number


class SimulatedFuture(asyncio.Future[T]):
    """A future whose hash is its number."""

    def __init__(self, loop: "SimulatedLoop", number: int) -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


class _Selector:
    """What an event loop waits in: here every wait is over at once, and time has passed."""

    def __init__(self, loop: "SimulatedLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        self._loop.turn(timeout)
        return []


class SimulatedLoop(asyncio.BaseEventLoop):
    """Virtual time in seconds from zero; `mistakes` are what the loop's handler was told.

    In every turn the entropy puts the ready callbacks into another order; zeros leave it.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, entropy: Entropy, trace: Trace) -> None:
        super().__init__()
        self.turns = 0
        self.mistakes: list[str] = []
        self._entropy = entropy
        self._trace = trace
        self._now = 0.0
        self._moved = 0  # the turn in which time passed last
        self._numbers = 0
        self._open: WeakValueDictionary[int, AsyncGenerator[Any, Any]] = WeakValueDictionary()
        self._closing: dict[asyncio.Task[None], None] = {}
        self._selector = _Selector(self)
        # Every timer that is due is taken by `turn`; the base class shall take no other
        self._clock_resolution = 0.0
        self.set_exception_handler(self._mistaken)

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    # ------------------------------------------------------------ turns

    def turn(self, timeout: float | None) -> None:
        """Before callbacks run: lets time pass if there is nothing else, and chooses an order."""
        self.turns += 1
        if timeout is None:
            raise DeadlockError(f"deadlock: nothing is scheduled\n{stacks(self.pending())}")
        if timeout > 0:
            # the exact time, not a sum: sums of floats may stop short of it for ever
            self._now, self._moved = self._scheduled[0].when(), self.turns
        elif self.turns - self._moved > STANDSTILL:
            raise DeadlockError(f"time stands still at {self._now} s\n{stacks(self.pending())}")
        while self._scheduled and self._scheduled[0].when() <= self._now:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001  # as the base class does
            self._ready.append(handle)
        self._trace.turn(self._now, len(self._ready), self._permuted())
        if self.turns % _COLLECT == 0:
            gc.collect()

    def _permuted(self) -> bytes:
        """Puts ready callbacks into another order; gives the draws that chose it."""
        count = len(self._ready)
        if count < 2:  # noqa: PLR2004  # nothing to choose
            return b""
        width = 1 if count <= _BYTE else 2
        dice = self._entropy.draw(width * (count - 1))
        order = list(self._ready)
        for at in range(count - 1, 0, -1):
            start = width * (at - 1)
            other = at - int.from_bytes(dice[start : start + width], "big") % (at + 1)
            order[at], order[other] = order[other], order[at]
        self._ready.clear()
        self._ready.extend(order)
        return dice

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    # ------------------------------------------------------------ tasks and generators

    def create_task(  # type: ignore[override]  # narrower: there are no eager tasks
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Starts a task, which belongs to the owner of its context."""
        task = SimulatedTask(coro, self, self._next(), name, context)
        owner = OWNER.get() if context is None else context.get(OWNER)
        if owner is not None:
            owner.adopt(task)
        return task

    def create_future(self) -> asyncio.Future[Any]:
        """A future with a number."""
        return SimulatedFuture(self, self._next())

    def pending(self) -> list[asyncio.Task[Any]]:
        """Tasks that have not ended, in the order of their start."""
        return sorted(asyncio.all_tasks(self), key=hash)

    async def close_generators(self) -> None:
        """Closes async generators that were begun and left, in the order of their beginning."""
        await asyncio.gather(*self._closing)
        for generator in list(self._open.values()):
            await generator.aclose()

    def abandon(self, rounds: int = 100) -> None:
        """Ends whatever still runs, for a loop that failed; no time passes."""
        for _ in range(rounds):
            pending = self.pending()
            if not pending:
                return
            for task in pending:
                task.cancel()
            self._moved = self.turns
            self.call_soon(self.stop)
            self.run_forever()

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        self._open[self._next()] = agen

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        if not self.is_closed():
            task = self.create_task(agen.aclose(), name="close a generator")
            self._closing[task] = None
            task.add_done_callback(self._closing.pop)

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _mistaken(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.mistakes.append(f"{context.get('message')}: {context.get('exception')!r}")

    # ------------------------------------------------------------ nothing leaves the loop

    def call_soon_threadsafe(self, callback: Any, *_args: Any, **_kwargs: Any) -> NoReturn:  # type: ignore[override]  # noqa: ANN401  # whatever was asked
        """Refused: there are no threads."""
        raise OutsideError(f"{callback} comes from another thread: keep it behind a port")

    def run_in_executor(self, _executor: Any, func: Any, *_args: Any) -> NoReturn:  # type: ignore[override]  # noqa: ANN401  # whatever was asked
        """Refused: there are no threads."""
        raise OutsideError(f"{func} wants a thread: keep it behind a port")
