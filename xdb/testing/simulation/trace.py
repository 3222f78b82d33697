"""What happened in a run, as one hash: the same seed must give the same.

What makes runs of one seed differ, and must not be used below a simulation:

- Iteration over sets of strings, bytes or objects: their hashes change with the process.
  Sort them, or keep a dict. Sets of tasks and futures are fixed by the loop, which gives
  those a hash of their own: `asyncio.wait` and `asyncio.TaskGroup` (which cancels its tasks
  in the order of a set) are safe here; the order is still not the one of the start.
- `id()`, `hash()` of strings and bytes, default `repr` of objects in messages.
- Orders that an operating system chooses: listings of directories, threads, signals.
- Clocks and entropy of the machine, also those of a library: caches with an age, log records.
- The collector: finalisers of async generators and callbacks of weak references run when
  cycles are collected. The loop collects at fixed turns only.
- Sums of floats in an order that is not fixed.
- Libraries with threads of their own: grpc.aio, LevelDB, SQLite through a queue. They stay
  behind ports.
"""

from collections import deque
from hashlib import sha256
from struct import Struct

_KEPT = 200
_TURN = Struct("<cdI")
_RECORD = Struct("<cdII")


class Trace:
    """A running SHA-256 over records; keeps the last ones for whoever looks into a failure."""

    def __init__(self) -> None:
        self._hash = sha256()
        self._last: deque[str] = deque(maxlen=_KEPT)

    def record(self, time: float, node: str, event: str) -> None:
        """Something happened at a node; an empty name is the world."""
        where, what = node.encode(), event.encode()
        self._hash.update(_RECORD.pack(b"r", time, len(where), len(what)) + where + what)
        self._last.append(f"{time:.6f} {node or '-'} {event}")

    def turn(self, time: float, ready: int, order: bytes) -> None:
        """The loop runs so many callbacks, in an order chosen by these draws.

        Two runs that go apart show it here at once.
        """
        self._hash.update(_TURN.pack(b"t", time, ready) + order)

    def last(self, count: int = 20) -> list[str]:
        """The newest records, oldest first."""
        return list(self._last)[-count:]

    def hexdigest(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()
