"""Nodes that prove everything on the chain, and serve badly."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from xdb.errors import AuthError, UnavailableError
from xdb.model.ids import Address, FileId
from xdb.model.storage import Damage, LeafShown, ReplicaKey
from xdb.node.storage import StorageNode
from xdb.testing.simulation.byzantine.masks import masked
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.byzantine.twisting import Twisted
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.twist import Twist

REFUSED = "reads refused"
WRONG = "wrong bytes served"
SLOW = 20.0
"""Seconds before each part that the slow node hands out."""


def refuses_everything(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Hands out nothing, neither to readers nor to probes, with a polite refusal."""
    refuse = _refusal(plot)

    def on_node(node: StorageNode) -> StorageNode:
        return replace(
            node,
            custody=masked(node.custody, check_read=refuse, manifest_length=refuse),
            probing=masked(node.probing, leaf=_later(refuse)),
        )

    return Twisted(on_node)


def never_answers(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Is alive on the chain, and for nobody else."""

    async def silence(*_args: object) -> None:
        plot.deeds["calls not answered"] += 1
        raise UnavailableError("the connection was closed")

    def on_node(node: StorageNode) -> StorageNode:
        custody = masked(
            node.custody,
            pull=silence,
            pull_manifest=silence,
            push=silence,
            accept=silence,
            status=silence,
        )
        probing = masked(node.probing, leaf=silence, damaged=silence)
        return replace(node, custody=custody, probing=probing)

    return Twisted(on_node)


def refuses_readers(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Shows probes every leaf, and hands out nothing else."""
    refuse = _refusal(plot)

    def on_node(node: StorageNode) -> StorageNode:
        custody = masked(node.custody, check_read=refuse, manifest_length=refuse)
        return replace(node, custody=custody)

    return Twisted(on_node)


def _refusal(plot: Plot) -> Callable[..., Any]:
    def refuse(_caller: Address, *_about: object) -> None:
        plot.deeds[REFUSED] += 1
        raise AuthError("this node does not serve you: use another one")

    return refuse


def _later(call: Callable[..., Any]) -> Callable[..., Any]:
    async def later(*args: object) -> Any:  # noqa: ANN401  # as the call has it
        return call(*args)

    return later


def serves_wrong_bytes(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Changes a bit of everything that it hands out or shows."""
    return Twisted(lambda node: _showing_wrong(_serving_wrong(node, plot), plot))


def lies_to_probes(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Shows probes wrong leaves, and is whole again whenever its owner restores it."""
    return Twisted(lambda node: _showing_wrong(node, plot))


def _serving_wrong(node: StorageNode, plot: Plot) -> StorageNode:
    async def pull(caller: Address, key: ReplicaKey, offset: int, length: int) -> bytes:
        plot.deeds[WRONG] += 1
        return _flipped(await node.custody.pull(caller, key, offset, length))

    async def pull_manifest(caller: Address, file: FileId, slot: int) -> bytes:
        plot.deeds[WRONG] += 1
        return _flipped(await node.custody.pull_manifest(caller, file, slot))

    return replace(node, custody=masked(node.custody, pull=pull, pull_manifest=pull_manifest))


def _showing_wrong(node: StorageNode, plot: Plot) -> StorageNode:
    async def leaf(caller: Address, key: ReplicaKey, leaf: int) -> LeafShown:
        plot.deeds[WRONG] += 1
        shown = await node.probing.leaf(caller, key, leaf)
        return replace(shown, data=_flipped(shown.data))

    return replace(node, probing=masked(node.probing, leaf=leaf))


def _flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:] if data else data


def cries_wolf(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Lists all that it has as damaged just now, so that owners send it again and again."""

    def on_node(node: StorageNode) -> StorageNode:
        async def damaged(
            _caller: Address, _after: bytes, _limit: int
        ) -> tuple[list[Damage], bytes]:
            now = node.following.index.head.time
            found = [
                Damage(ref.file, ref.slot, piece, manifest=False, since=now, reason="")
                for ref in [stored.ref for _, stored in node.store.slots()]
                for piece in node.store.catalog.pieces(ref.file, ref.slot)
            ]
            plot.deeds["sound replicas said to be damaged"] += len(found)
            return found, b""

        return replace(node, probing=masked(node.probing, damaged=damaged))

    return Twisted(on_node)


def serves_slowly(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Takes its time over every part. Slow is not dishonest: readers go to others."""

    def on_node(node: StorageNode) -> StorageNode:
        async def pull(caller: Address, key: ReplicaKey, offset: int, length: int) -> bytes:
            plot.deeds["slow reads"] += 1
            await node.ports.clock.sleep(SLOW)
            return await node.custody.pull(caller, key, offset, length)

        return replace(node, custody=masked(node.custody, pull=pull))

    return Twisted(on_node)
