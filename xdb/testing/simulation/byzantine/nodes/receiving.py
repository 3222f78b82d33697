"""Nodes whose receipts, heartbeats or calls are not what they should be."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

from xdb.core import merkle
from xdb.core.manifest import commitments, published_root, read_manifest
from xdb.core.merkle import holding_root
from xdb.errors import RefusedCallError
from xdb.model.calls import Call, Heartbeat, Prove, Surrender, UpdateNode
from xdb.model.ids import Address, Digest, NodeId, Signature
from xdb.model.registry import Holder
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.node.storage import StorageNode
from xdb.ports.blockchain import Inclusion
from xdb.ports.compute import Buffer
from xdb.services.receipts import Terms
from xdb.testing.keys import NamedKey
from xdb.testing.simulation.byzantine.forging import (
    Show,
    answers_from,
    with_answers,
    with_task,
)
from xdb.testing.simulation.byzantine.hoard import on_disk
from xdb.testing.simulation.byzantine.masks import masked
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.byzantine.twisting import Twisted
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.twist import Twist

Submit = Callable[[Call], Awaitable[Inclusion]]

SPEAKS = 300.0
"""Seconds between the calls that a node makes in the name of others."""


def _shown_or_made_up(node: StorageNode, member: SimulatedStorage) -> Show:
    """Right leaves of what is here, zeros for what is not."""
    size = node.store.leaf_size

    def show(key: ReplicaKey, leaf: int) -> tuple[bytes, tuple[Digest, ...]]:
        for each, _, data in on_disk(member.disk, node.store):
            if each == key:
                path = merkle.path(merkle.replica_leaves(memoryview(data), size), leaf)
                return data[leaf * size : (leaf + 1) * size], path
        return bytes(size), ()

    return show


def discards_after_the_receipt(plot: Plot, member: SimulatedStorage) -> Twist:
    """Signs for what it has, removes it, and knows nothing of it any more."""

    def on_node(node: StorageNode) -> StorageNode:
        async def accept(caller: Address, slot: SlotRef, *rest: Any) -> Holder:  # noqa: ANN401  # as the custody has it
            holder = await node.custody.accept(caller, slot, *rest)
            freed = await node.store.remove_if(slot.file, slot.slot, lambda: True)
            plot.deeds["bytes discarded"] += freed or 0
            return holder

        show = _shown_or_made_up(node, member)
        false = with_answers(node, plot, lambda _: answers_from(node.store, show))
        return replace(false, custody=masked(node.custody, accept=accept))

    return Twisted(on_node)


def signs_for_nothing(plot: Plot, member: SimulatedStorage) -> Twist:
    """Takes no bytes at all, and signs for what the manifest says they would have been."""

    def on_node(node: StorageNode) -> StorageNode:
        custody = node.custody

        async def push(
            _caller: Address, _slot: SlotRef, _piece: int, commitment: Commitment, _sealed: Buffer
        ) -> bool:
            plot.deeds["bytes not stored"] += commitment.length
            return False

        async def accept(  # as in the custody
            _caller: Address,
            slot: SlotRef,
            digest: Digest,
            manifest: bytes,
            expiry: int,
            version: int,
        ) -> Holder:
            described = read_manifest(manifest)
            promised = commitments(described, slot.slot)
            found = custody.facts.recorded(slot.file, slot.slot)
            record = custody.facts.records.file(slot.file)
            root = published_root(described, digest) if record is None else record.record.root
            until = custody.facts.now + custody.facts.parameters.receipt_validity
            terms = Terms(root, version, expiry, until)
            named = holding_root(promised) if found is None else found.root
            plot.deeds["receipts for nothing"] += 1
            return custody.receipts.make(slot, named, promised, terms)

        show = _shown_or_made_up(node, member)
        false = with_answers(node, plot, lambda _: answers_from(node.store, show))
        return replace(false, custody=masked(custody, push=push, accept=accept))

    return Twisted(on_node)


@dataclass(frozen=True, slots=True)
class _Forger:
    """Ways to spoil a receipt."""

    node: StorageNode
    other: NodeId

    def of_another(self, holder: Holder) -> Holder:
        """In another node's name."""
        return replace(holder, node=self.other)

    def unsigned(self, holder: Holder) -> Holder:
        """With bytes in place of a signature."""
        return replace(holder, signature=Signature(bytes(65)))

    def by_a_stranger(self, holder: Holder) -> Holder:
        """Signed by somebody who speaks for no node."""
        return replace(holder, signature=NamedKey("stranger").sign(Digest(holder.root)))

    def for_less(self, holder: Holder) -> Holder:
        """For fewer leaves than there are."""
        return replace(holder, leaves=max(1, holder.leaves - 1))

    def for_longer(self, holder: Holder) -> Holder:
        """Valid for longer than was signed."""
        return replace(holder, valid_until=holder.valid_until + 10**6)


def forges_receipts(plot: Plot, member: SimulatedStorage) -> Twist:
    """Answers with receipts that are not what they should be, each in another way."""
    others = [each.key.node for each in plot.world.storage.values() if each is not member]

    def on_node(node: StorageNode) -> StorageNode:
        forger = _Forger(node, others[0])
        ways = cycle(
            [
                forger.of_another,
                forger.unsigned,
                forger.by_a_stranger,
                forger.for_less,
                forger.for_longer,
            ]
        )

        async def accept(caller: Address, slot: SlotRef, *rest: Any) -> Holder:  # noqa: ANN401  # as the custody has it
            holder = await node.custody.accept(caller, slot, *rest)
            plot.deeds["receipts forged"] += 1
            return next(ways)(holder)

        return replace(node, custody=masked(node.custody, accept=accept))

    return Twisted(on_node)


def speaks_for_others(plot: Plot, member: SimulatedStorage) -> Twist:
    """Sends heartbeats, proofs and surrenders in the name of others, and with an old signer."""
    others = [each.key.node for each in plot.world.storage.values() if each is not member]

    def on_node(node: StorageNode) -> StorageNode:
        backend, entropy = node.ports.backend, node.ports.entropy.stream("false calls")
        mine = plot.counted(backend.registry(node.ports.signer, entropy))
        other = NamedKey(f"{member.name} second signer")
        replaced = plot.counted(backend.registry(other, entropy.stream("second")))

        async def speak() -> None:
            await mine.submit(UpdateNode(signer=other.address))
            await mine.submit(UpdateNode(signer=node.ports.signer.address))
            await _refused(plot, replaced.submit, Heartbeat(member.key.node))
            for each in others:
                await _refused(plot, mine.submit, Heartbeat(each))
                await _refused(plot, mine.submit, Prove(each, plot.newest_epoch(), ()))
            for _, stored in node.store.slots():
                view = node.following.index.file(stored.ref.file)
                for slot, holder in enumerate(() if view is None else view.record.holders, 1):
                    if holder != member.key.node:
                        call = Surrender(holder, stored.ref.file, slot)
                        await _refused(plot, mine.submit, call)

        return with_task(node, "false calls", speak, SPEAKS)

    return Twisted(on_node)


async def _refused(plot: Plot, submit: Submit, call: Call) -> None:
    try:
        await submit(call)
    except RefusedCallError:
        plot.deeds["calls in another's name refused"] += 1
    else:
        plot.deeds["calls in another's name taken"] += 1
