"""Nodes that answer with bytes which others keep."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from xdb.core import merkle
from xdb.core.proving import Question
from xdb.model.calls import Answer
from xdb.model.ids import Digest
from xdb.model.storage import ReplicaKey
from xdb.node.storage import StorageNode
from xdb.node.storage_ports import StoragePorts
from xdb.services.answering import Effort
from xdb.store.replicas import ReplicaStore
from xdb.testing.simulation.byzantine.forging import answers_from, with_answers
from xdb.testing.simulation.byzantine.hoard import on_disk
from xdb.testing.simulation.byzantine.masks import masked
from xdb.testing.simulation.byzantine.nodes.withholding import WITHHELD, Withholding
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.byzantine.twisting import Twisted
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.twist import HONEST, Twist

Lenders = Callable[[], list[SimulatedStorage]]
FETCH = 0.2
"""Seconds that fetching a replica from elsewhere takes."""


def answers_with_anothers_replica(plot: Plot, member: SimulatedStorage) -> Twist:
    """Drops its own bytes and shows those of whoever holds another slot of the file."""
    return _borrowing(
        plot, member, lambda: [each for each in plot.world.storage.values() if each is not member]
    )


def shares_one_copy(plot: Plot, member: SimulatedStorage) -> Twist:
    """Two nodes with one copy: the first keeps its own, the second shows that as its own, too."""
    if member is plot.cheats[0]:
        plot.innocent.add(member.key.node)
        return HONEST
    return _borrowing(plot, member, lambda: plot.cheats[:1])


def _borrowing(plot: Plot, member: SimulatedStorage, lenders: Lenders) -> Twist:
    """Keeps what no lender has another slot of; borrows the rest, of that other slot."""
    withholding = Withholding(
        plot, member, lambda key, _leaf: _borrowed(lenders(), key.file, key.piece) is None
    )
    size = withholding.hoard.leaf_size

    def show(key: ReplicaKey, leaf: int) -> tuple[bytes, tuple[Digest, ...]]:
        data = _borrowed(lenders(), key.file, key.piece)
        if data is None:
            return withholding.show(key, leaf)
        plot.deeds["leaves borrowed"] += 1
        path = merkle.path(merkle.replica_leaves(memoryview(data), size), leaf)
        return data[leaf * size : (leaf + 1) * size], path

    def on_node(node: StorageNode) -> StorageNode:
        answer = answers_from(node.store, show)

        async def answers(questions: Sequence[Question], effort: Effort) -> tuple[Answer, ...]:
            withholding.strip(node.store)
            return await answer(questions, effort)

        return with_answers(node, plot, lambda _: answers)

    return Twisted(on_node)


def _borrowed(lenders: list[SimulatedStorage], file: bytes, piece: int) -> bytes | None:
    for lender in lenders:
        if lender.node is None:
            continue
        for key, _, data in on_disk(lender.disk, lender.node.store):
            if (key.file, key.piece) == (file, piece):
                return data
    return None


def fetches_elsewhere(plot: Plot, member: SimulatedStorage) -> Twist:
    """Keeps its replicas with somebody else and fetches what it is asked for: outsourcing.

    It has the right bytes in time, so no proof of holding tells it from a node with a slow
    disk. What speaks against it is the traffic: whole replicas for each draw.
    """
    vault: dict[str, bytes] = {}

    def give_away(store: ReplicaStore) -> None:
        for _, path, data in on_disk(member.disk, store):
            vault[path] = member.disk.content(path) or b""
            plot.deeds[WITHHELD] += len(data)
            member.disk.lose(path)

    def on_ports(ports: StoragePorts) -> StoragePorts:
        async def read(path: str, offset: int = 0, length: int | None = None) -> bytes:
            content = vault.get(path)
            if content is None or member.disk.content(path) is not None:
                return await ports.disk.read(path, offset, length)
            await ports.clock.sleep(FETCH)
            found = content[offset:] if length is None else content[offset : offset + length]
            plot.deeds["bytes fetched from elsewhere"] += len(found)
            return found

        return replace(ports, disk=masked(ports.disk, read=read))

    def on_node(node: StorageNode) -> StorageNode:
        give_away(node.store)
        (prover,) = (task for task in node.tasks if task.name == "prover")
        run_once = prover.run_once

        async def cycle() -> object:
            give_away(node.store)
            return await run_once()

        prover.run_once = cycle
        return node

    return Twisted(on_node, on_ports)
