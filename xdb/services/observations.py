"""What an owner's probes of storage nodes showed, kept over restarts.

It convicts nobody: it decides which nodes get new files and what is repaired, and only
for this owner. Times are chain time.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from xdb.core.encoding import decode, encode
from xdb.model.health import Silence
from xdb.model.ids import Address, FileId, NodeId
from xdb.ports.clock import Clock
from xdb.ports.kv import KeyValue

T = TypeVar("T")

TURN = 200
"""Entries between which others have their turn."""

MOST_FORGOTTEN = 1000
"""Slots that were restored long ago and are forgotten at a time."""
AGAIN = 86400
"""Seconds within which what was restored and is damaged again was never whole: its node does not
keep what it is given, and may not be given it for ever."""

_NODES, _DAMAGE, _RESTORED = b"probe/n/", b"probe/d/", b"probe/r/"
MOST_PIECES = 100_000
"""Damaged pieces of one slot that are remembered by number; more are restored as a whole."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The newest probe of a node, and how long it has not answered: 0, 0 when it did.

    `wrong` leaves were not what the node had signed for.
    """

    time: int
    answered: bool
    text: str
    wrong: int = 0
    first: int = 0
    latest: int = 0


@dataclass(frozen=True, slots=True)
class SlotDamage:
    """What of a slot is damaged; with `manifest` also its manifest, or all of it.

    `shown` when a probe was shown something wrong; else the node lists it itself.
    """

    since: int
    pieces: tuple[int, ...]
    manifest: bool
    shown: bool
    node: NodeId


@dataclass(frozen=True, slots=True)
class _Restored:
    """A slot that was made whole where it was, and since when it had been damaged there."""

    node: NodeId
    since: int


class Observations:
    """Silences and damages, over a key-value store."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    # ------------------------------------------------------------ nodes

    def probe(self, node: NodeId) -> Probe | None:
        """The newest probe of a node."""
        return _read(Probe, self._kv.get(_NODES + node))

    def silence(self, node: NodeId) -> Silence | None:
        """Probes without an answer since the last answer; None when it was answered."""
        found = self.probe(node)
        if found is None or found.answered:
            return None
        return Silence(found.first, found.latest)

    def is_reachable(self, node: NodeId) -> bool | None:
        """Whether the newest probe was answered; None before the first."""
        found = self.probe(node)
        return None if found is None else found.answered

    def showed_wrong(self, node: NodeId) -> bool:
        """Whether the newest probe was shown something that was not signed for."""
        found = self.probe(node)
        return found is not None and found.wrong > 0

    def nodes(self) -> Iterator[NodeId]:
        """All nodes that were probed."""
        for key, _ in self._kv.scan(_NODES):
            yield NodeId(Address(key[len(_NODES) :]))

    async def answered(self, node: NodeId, time: int, text: str = "", wrong: int = 0) -> None:
        """A probe was answered; `text` says what was wrong with the answer."""
        probe = Probe(time, answered=True, text=text, wrong=wrong)
        await self._write({_NODES + node: encode(probe)})

    async def unanswered(self, node: NodeId, time: int, text: str) -> None:
        """A probe got no answer."""
        silence = self.silence(node)
        first = time if silence is None else silence.first
        probe = Probe(time, answered=False, text=text, first=first, latest=time)
        await self._write({_NODES + node: encode(probe)})

    # ------------------------------------------------------------ damage

    def damage(self, file: FileId, slot: int) -> SlotDamage | None:
        """What of a slot is damaged, as far as anybody has seen."""
        return _read(SlotDamage, self._kv.get(_key(file, slot)))

    def damages(
        self, after: tuple[FileId, int] | None = None
    ) -> Iterator[tuple[FileId, int, SlotDamage]]:
        """All that is damaged, or that behind a slot."""
        start = b"" if after is None else _key(*after)
        for key, value in self._kv.scan(_DAMAGE, after=start):
            file, slot = key[len(_DAMAGE) : -8], key[-8:]
            damage = _read(SlotDamage, value)
            if damage is not None:
                yield FileId(file), int.from_bytes(slot, "big"), damage

    async def seen(self, file: FileId, slot: int, damage: SlotDamage) -> None:
        """Damage; that of the same node that was seen before keeps its time."""
        before = self.damage(file, slot)
        if before is not None and before.node == damage.node:
            damage = replace(damage, since=min(before.since, damage.since))
        restored = _read(_Restored, self._kv.get(_key(file, slot, _RESTORED)))
        if restored is not None and restored.node == damage.node:
            is_new = damage.since - restored.since > AGAIN
            damage = damage if is_new else replace(damage, since=min(restored.since, damage.since))
        if len(damage.pieces) > MOST_PIECES:
            damage = replace(damage, pieces=(), manifest=True)
        if damage != before:
            await self._write({_key(file, slot): encode(damage)})

    async def restored(self, file: FileId, slot: int) -> None:
        """A slot is whole again, or another node's. If it is damaged again, that is remembered."""
        damage = self.damage(file, slot)
        if damage is not None:
            restored = encode(_Restored(damage.node, damage.since))
            await self._write({_key(file, slot): None, _key(file, slot, _RESTORED): restored})

    async def over(self, file: FileId, slot: int) -> None:
        """A slot turned out to be whole, or is another node's."""
        if self._kv.get(_key(file, slot)) is not None:
            await self._write({_key(file, slot): None})

    async def forget_restored(self, now: int) -> None:
        """Forgets what was restored so long ago that new damage is no longer the old one."""
        batch: dict[bytes, bytes | None] = {}
        for key, value in self._kv.scan(_RESTORED):
            restored = _read(_Restored, value)
            if restored is None or now - restored.since > AGAIN:
                batch[key] = None
                if len(batch) == MOST_FORGOTTEN:
                    break
        if batch:
            await self._write(batch)

    async def forget(self, nodes: Iterable[Address]) -> None:
        """Nodes that have left need no probes."""
        batch: dict[bytes, bytes | None] = dict.fromkeys(_NODES + node for node in nodes)
        if batch:
            await self._write(batch)

    async def _write(self, batch: dict[bytes, bytes | None]) -> None:
        await self._kv.write(batch, sync=False)


async def damages_by_turns(
    seen: Observations, clock: Clock
) -> AsyncIterator[tuple[FileId, int, SlotDamage]]:
    """All that is damaged, a part at a time: a node that lost its disk makes a long list."""
    after = None
    while part := list(islice(seen.damages(after), TURN)):
        for each in part:
            yield each
        after = part[-1][:2]
        await clock.sleep(0)


def _read(kind: type[T], value: bytes | None) -> T | None:
    """What cannot be read was never seen: the next probe sees it again."""
    try:
        return None if value is None else decode(kind, value)
    except ValueError:
        return None


def _key(file: FileId, slot: int, prefix: bytes = _DAMAGE) -> bytes:
    return prefix + file + slot.to_bytes(8, "big")
