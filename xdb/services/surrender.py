"""Surrender: a storage node gives up what it lost and nobody restored in time.

Until the grace is over the owner can restore a slot in place, without a transaction. After
that the slot is nobody's on the chain, and a new holder can be found for it. What was given
up stays listed as damaged until it is collected, or pushed again.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from xdb.errors import NotFoundError, RefusedCallError, UnavailableError, XdbError
from xdb.model.calls import Surrender
from xdb.model.ids import FileId, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import FileRecord, Holding
from xdb.model.storage import Damage
from xdb.ports.blockchain import Head, Registry
from xdb.ports.clock import Clock
from xdb.store.catalog import cursor
from xdb.store.replicas import ReplicaStore

_TURN = 256  # entries of the list read at once
_PATIENCE = 3  # slots tried while nobody answers

MOST_GIVEN = 64
"""Slots of a cycle: each takes a block, and re-hashing waits until the cycle is over."""

Name = tuple[FileId, int]
"""File and slot."""


class FileFacts(Protocol):
    """A file as the index has it."""

    @property
    def record(self) -> FileRecord:
        """Its record."""
        ...

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """What slots 1, 2, ... hold."""
        ...

    @property
    def lost(self) -> tuple[int, ...]:
        """Slots given up by their holders."""
        ...


class Records(Protocol):
    """Where records are looked up: an index that follows the chain."""

    @property
    def head(self) -> Head:
        """The newest block it has seen."""
        ...

    def file(self, file: FileId) -> FileFacts | None:
        """A file, None when there is no record, or no longer."""
        ...


@dataclass(frozen=True, slots=True)
class Surrendered:
    """Slots that were given up, and what went wrong with others."""

    slots: tuple[Name, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surrendering:
    """Gives up slots of one node, in its signer's name."""

    node: NodeId
    records: Records
    store: ReplicaStore
    registry: Registry
    clock: Clock
    grace: float  # seconds of chain time from the first listing of a damage
    _sent: dict[Name, int] = field(default_factory=dict)  # height at which the index will know

    async def run_once(self) -> Surrendered:
        """Gives up every slot whose damage is older than the grace; each one once."""
        given: list[Name] = []
        problems: list[str] = []
        settled, silent = None, 0
        async for damage in self._damaged():
            name = (damage.file, damage.slot)
            if name == settled or not self._is_overdue(damage.since):
                continue
            await self.clock.sleep(0)
            try:
                if not self._is_held(name):
                    settled = name
                elif self._is_beyond(damage):
                    continue
                elif await self._is_damaged(damage):
                    settled = name
                    given += [name] if await self._give_up(name) else []
            except XdbError as error:
                problems.append(f"slot {damage.slot} of file {damage.file.hex()}: {error}")
                settled = name
                silent += isinstance(error, UnavailableError)
            if silent >= _PATIENCE or len(given) >= MOST_GIVEN:
                break  # the others would wait as long for the same, or have the next cycle
        return Surrendered(tuple(given), tuple(problems))

    async def _damaged(self) -> AsyncIterator[Damage]:
        after = b""
        while page := list(islice(self.store.catalog.damaged(after), _TURN)):
            await self.clock.sleep(0)
            for damage in page:
                yield damage
            last = page[-1]
            after = cursor(last.file, last.slot, None if last.manifest else last.piece)

    def _is_overdue(self, since: int) -> bool:
        return self.records.head.time - since >= self.grace

    def _is_held(self, name: Name) -> bool:
        file, slot = name
        head = self.records.head
        if self._sent.get(name, 0) > head.height:
            return False  # given up already, in a block that the index has not come to
        self._sent.pop(name, None)
        found = self.records.file(file)
        return (
            found is not None
            and 1 <= slot <= len(found.record.holders)
            and found.record.holders[slot - 1] == self.node
            and slot not in found.lost
            and head.time < found.record.gone(self.registry.parameters.retention)
        )

    def _is_beyond(self, damage: Damage) -> bool:
        """Whether it is about a piece that was pushed and is none of the file's."""
        found = self.records.file(damage.file)
        if found is None or damage.manifest or damage.slot > len(found.holdings):
            return False
        return damage.piece >= found.holdings[damage.slot - 1].replicas

    async def _is_damaged(self, damage: Damage) -> bool:
        """A last look, so that nothing is given up for a fault that went away."""
        piece = None if damage.manifest else damage.piece
        with suppress(NotFoundError):  # it was removed meanwhile, or is missing and stays listed
            if piece is None:
                await self.store.verify_manifest(damage.file, damage.slot)
            else:
                await self.store.verify(damage.key)
        entry = self.store.catalog.damage(damage.file, damage.slot, piece)
        return entry is not None and self._is_overdue(entry.since)

    async def _give_up(self, name: Name) -> bool:
        try:
            included = await self.registry.submit(Surrender(self.node, *name))
        except RefusedCallError as error:
            if error.refusal != Refusal.SLOT:
                raise
            self._sent[name] = self.records.head.height + 1  # somebody else did it
            return False
        self._sent[name] = included.height
        return True
