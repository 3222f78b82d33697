"""A key-value store that forgets in a crash what was not synced."""

from collections.abc import Callable, Iterator, Mapping

from xdb.ports.entropy import Entropy
from xdb.store.kv_memory import MemoryKeyValue


class CrashingKeyValue:
    """`KeyValue` in memory, with what would be on disk beside it.

    `step` is called before and after every write and may raise to inject a fault. After
    `crash` some of the writes behind the last synced one are gone: the newest ones, at most
    `most_lost` of them, for in time an operating system writes even what nobody syncs.
    """

    def __init__(
        self,
        step: Callable[[str, str], None] = lambda _operation, _path: None,
        most_lost: int | None = None,
    ) -> None:
        self.step = step
        self._most_lost = most_lost
        self._now = MemoryKeyValue()
        self._durable: dict[bytes, bytes] = {}
        self._unsynced: list[Mapping[bytes, bytes | None]] = []

    def get(self, key: bytes) -> bytes | None:
        """See `KeyValue`."""
        return self._now.get(key)

    def scan(
        self, prefix: bytes, *, after: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """See `KeyValue`."""
        return self._now.scan(prefix, after=after, reverse=reverse)

    async def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """See `KeyValue`."""
        batch = dict(batch)
        self.step("kv.write", "")
        await self._now.write(batch, sync=sync)
        self._unsynced.append(batch)
        self.step("kv.sync", "")
        if sync:
            self._keep(len(self._unsynced))
        elif self._most_lost is not None:
            self._keep(len(self._unsynced) - self._most_lost)

    def close(self) -> None:
        """See `KeyValue`."""

    def crash(self, entropy: Entropy) -> None:
        """Loses power."""
        self._keep(int.from_bytes(entropy.draw(4), "big") % (len(self._unsynced) + 1))
        self._unsynced.clear()
        self._now = MemoryKeyValue(self._durable)

    def _keep(self, count: int) -> None:
        count = max(count, 0)
        for batch in self._unsynced[:count]:
            for key, value in batch.items():
                if value is None:
                    self._durable.pop(key, None)
                else:
                    self._durable[key] = value
        del self._unsynced[:count]
