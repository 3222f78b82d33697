"""What a storage node shows to those who may read: leaves with proof, and its damage."""

from dataclasses import dataclass
from itertools import islice

from xdb.core import merkle
from xdb.errors import IntegrityError, InvalidRequestError, NotFoundError
from xdb.model.ids import Address
from xdb.model.storage import Damage, LeafShown, ReplicaKey
from xdb.ports.compute import Compute
from xdb.services.answering import paths_of
from xdb.services.custody import Custody
from xdb.store.catalog import cursor

_MOST_ITEMS = 1000
_MOST_SEEN = 10_000  # entries of other owners passed over in one call
_TURN = 100
_CURSORS = (40, 48)  # behind a manifest, behind a replica


@dataclass(frozen=True, slots=True)
class Probing:
    """Over one node's custody."""

    custody: Custody
    compute: Compute

    async def leaf(self, caller: Address, key: ReplicaKey, leaf: int) -> LeafShown:
        """Leaf number `leaf` of a replica, read from disk now."""
        store = self.custody.store
        data = await self.custody.pull(caller, key, 0, 0)
        count = merkle.leaf_count(len(data), store.leaf_size)
        if leaf >= count:
            raise InvalidRequestError(
                f"piece {key.piece} has {count} leaves, numbered from 0: there is no leaf {leaf}"
            )
        root, (replica_path,) = await self.compute.in_process(
            paths_of, data, store.leaf_size, (leaf,)
        )
        recorded = self.custody.facts.recorded(key.file, key.slot)
        most = None if recorded is None else recorded.replicas
        entries = list(islice(store.catalog.replicas(key.file, key.slot), most))
        pieces = [piece for piece, _ in entries]
        if key.piece >= len(pieces) or pieces != list(range(len(pieces))):
            raise NotFoundError(
                f"slot {key.slot} of file {key.file.hex()} is not complete here: it has no root yet"
            )
        if root != entries[key.piece][1].root:
            await store.verify(key)  # from now on it is listed, and can be restored
            raise IntegrityError(
                f"piece {key.piece} of slot {key.slot} of file {key.file.hex()} is damaged here: "
                "push it again"
            )
        holding = [merkle.replica_leaf(entry.commitment) for _, entry in entries]
        start = leaf * store.leaf_size
        return LeafShown(
            data=data[start : start + store.leaf_size],
            replica_length=len(data),
            replica_path=replica_path,
            holding_path=merkle.path(holding, key.piece),
        )

    async def damaged(
        self, caller: Address, after: bytes, limit: int
    ) -> tuple[list[Damage], bytes]:
        """What is damaged of the caller's files; the cursor of the next page, empty at the end."""
        if after and len(after) not in _CURSORS:
            raise InvalidRequestError("the cursor is none that was given out: begin without one")
        found: list[Damage] = []
        catalog = self.custody.store.catalog
        last = after
        for _ in range(_MOST_SEEN // _TURN):
            page = list(islice(catalog.damaged(last), _TURN))
            for damage in page:
                last = cursor(damage.file, damage.slot, None if damage.manifest else damage.piece)
                if self._owner(damage) == caller:
                    found.append(damage)
                    if len(found) >= min(limit or _MOST_ITEMS, _MOST_ITEMS):
                        return found, last
            if len(page) < _TURN:
                return found, b""
            await self.custody.clock.sleep(0)  # a long list holds up nobody
        return found, last

    def _owner(self, damage: Damage) -> Address | None:
        """Whose slot it is; that of one which is missing altogether stands in its record."""
        entry = self.custody.store.catalog.slot(damage.file, damage.slot)
        if entry is not None:
            return entry.owner
        found = self.custody.facts.records.file(damage.file)
        return None if found is None else found.record.owner
