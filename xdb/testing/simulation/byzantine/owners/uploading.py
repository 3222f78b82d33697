"""Owners whose uploads are not what they should be."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc

from xdb.core.slicing import LARGEST_SLICE
from xdb.core.wire import to_message
from xdb.errors import (
    AuthError,
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    MissingPiecesError,
    RejectedError,
    XdbError,
)
from xdb.model.calls import Delete, Publish
from xdb.model.refusal import Refusal
from xdb.model.storage import Commitment
from xdb.pb import manifest_pb2, replica_pb2
from xdb.peer.framing import frame
from xdb.peer.storage import PUSH
from xdb.testing.custody import SealedFile
from xdb.testing.keys import NamedKey
from xdb.testing.simulation.byzantine.arena import Arena
from xdb.testing.simulation.byzantine.owners.mallory import Mallory, mallory, other_digest
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.oversight import ViolationError

ENDLESS = "streams that were ended"
WRONG = "wrong uploads refused"
STREAMS = 40
PATIENCE = 300.0
"""Seconds after which no stream without data may be open any more."""


async def never_finishes(plot: Plot, arena: Arena) -> None:
    """Opens streams to every node, sends a little on each, and nothing more."""
    async with mallory(plot) as she:
        streams = [
            asyncio.ensure_future(_endless(she, node, f"{node.name} {number}"))
            for node in she.nodes
            for number in range(STREAMS)
        ]
        await plot.world.clock.sleep(1.0)
        plot.deeds["streams open at once"] = plot.world.network.calls
        await arena.upload(1)  # others are not kept waiting
        await plot.world.clock.sleep(PATIENCE)
        if any(not stream.done() for stream in streams):
            raise ViolationError("streams on which nothing comes are still open")
        plot.deeds[ENDLESS] += len(await asyncio.gather(*streams))
        she.check_stored({})


async def _endless(she: Mallory, node: SimulatedStorage, title: str) -> grpc.StatusCode:
    file, record = she.file(title, 60_000), she.record(node)
    (commitment,) = file.commitments(1)
    header = replica_pb2.PushHeader(
        slot=to_message(file.ref(1), replica_pb2.SlotRef),
        piece=0,
        length=commitment.length,
        root=commitment.root,
    )
    data = replica_pb2.PushRequest(header=header).SerializeToString()
    async with she.connections.use(node.name, record.endpoint) as channel:
        call: Any = channel.stream_unary(PUSH)
        sending = call(timeout=None, metadata=she.signer.metadata(PUSH, record.node, data))
        try:
            await sending.write(data)
            await sending.initial_metadata()
            await sending.write(frame(2, bytes(1000)))
            await sending
        except grpc.aio.AioRpcError as error:
            return error.code()
        except asyncio.InvalidStateError:
            return grpc.StatusCode.UNAVAILABLE
    raise ViolationError(f"{node.name} took a stream that never ended")


async def sends_what_it_did_not_announce(plot: Plot, _arena: Arena) -> None:
    """Wrong roots, lengths, places, ids and manifests: nothing of it is stored or signed for."""
    async with mallory(plot) as she:
        for node in she.nodes[:2]:
            await _wrong_pushes(she, node)
        she.check_stored({})
        for node in she.nodes[:2]:
            await _wrong_manifests(she, node)


async def _wrong_pushes(she: Mallory, node: SimulatedStorage) -> None:
    file, peer = she.file(f"wrong {node.name}"), she.peer(node)
    (data,), (right,) = file.replicas(1), file.commitments(1)
    size, root = right.length, right.root
    for commitment in (
        Commitment(size, other_digest(root)),
        Commitment(size + 1, root),
        Commitment(size - 1, root),
    ):
        await she.refused(WRONG, peer.push(file.ref(1), 0, commitment, data), IntegrityError)
    for length in (0, LARGEST_SLICE + 1):
        commitment = Commitment(length, root)
        await she.refused(WRONG, peer.push(file.ref(1), 0, commitment, data), InvalidRequestError)
    for slot in (0, 33):
        push = peer.push(file.ref(slot), 0, right, data)
        await she.refused(WRONG, push, InvalidRequestError)
    await she.refused(WRONG, peer.push(file.ref(1), 1 << 32, right, data), InvalidRequestError)
    stranger = replace(file, owner=NamedKey("stranger"))
    for ref in (stranger.ref(1), replace(file.ref(1), file=stranger.id)):
        await she.refused(WRONG, peer.push(ref, 0, right, data), AuthError)


async def _wrong_manifests(she: Mallory, node: SimulatedStorage) -> None:
    file, peer = she.file(f"manifest {node.name}"), she.peer(node)
    ref, expiry = file.ref(1), she.expiry
    accept = peer.accept(ref, file.manifest, expiry, 1)
    await she.refused(WRONG, accept, MissingPiecesError)
    await she.push(node, file, 1)
    other = she.file(f"other {node.name}")
    wrong = (IntegrityError, InvalidRequestError)
    for manifest in (other.manifest, b"none", *spoilt_manifests(file)):
        await she.refused(WRONG, peer.accept(ref, manifest, expiry, 1), *wrong)
    now = she.plot.world.chain.time
    await she.refused(WRONG, peer.accept(ref, file.manifest, now, 1), InvalidRequestError)
    await she.refused(WRONG, peer.accept(ref, file.manifest, expiry, 0), InvalidRequestError)


def spoilt_manifests(file: SealedFile) -> list[bytes]:
    """Manifests that do not agree with themselves, or describe other replicas."""

    def longer_end(message: manifest_pb2.Manifest) -> None:
        message.last_slice_size += file.leaf_size

    def larger_slices(message: manifest_pb2.Manifest) -> None:
        message.slice_size *= 2
        message.last_slice_size = message.slice_size

    def smaller_leaves(message: manifest_pb2.Manifest) -> None:
        message.leaf_size //= 2

    def other_replica(message: manifest_pb2.Manifest) -> None:
        message.slots[0].replica_roots = bytes(32)

    def other_slot(message: manifest_pb2.Manifest) -> None:
        message.slots[1].root = bytes(32)

    def slot_twice(message: manifest_pb2.Manifest) -> None:
        message.slots.append(message.slots[0])

    changes = (longer_end, larger_slices, smaller_leaves, other_replica, other_slot, slot_twice)
    return [_spoilt(file.manifest, change) for change in changes]


def _spoilt(manifest: bytes, change: Callable[[manifest_pb2.Manifest], None]) -> bytes:
    message = manifest_pb2.Manifest.FromString(manifest)
    change(message)
    return message.SerializeToString(deterministic=True)


async def deletes_while_it_uploads(plot: Plot, _arena: Arena) -> None:
    """Deletes each file while its replicas are pushed again and accepted again."""
    async with mallory(plot) as she:
        for number in range(3):
            file, nodes = she.file(f"short-lived {number}", 70_000), she.nodes[number : number + 2]
            await she.publish(file, nodes)
            await asyncio.gather(
                *(she.push(node, file, slot) for slot, node in enumerate(nodes, start=1)),
                she.registry.submit(Delete(file.id)),
                she.peer(nodes[0]).accept(file.ref(1), file.manifest, she.expiry, 1),
            )
            plot.deeds["files deleted while they were uploaded"] += 1
            again = file.new(await she.store(file, nodes), she.expiry)
            await she.refused_call(
                "deleted files published again refused", Publish((again,)), Refusal.FILE_EXISTS
            )


async def uploads_twice_at_once(plot: Plot, _arena: Arena) -> None:
    """The same file id several times in parallel, with the same bytes and with others."""
    async with mallory(plot) as she:
        node, second = she.nodes[:2]
        file = she.file("twin", 70_000)
        other = replace(file, data=plot.entropy.draw(70_000))
        attempts = [she.push(node, each, 1) for each in (file, other, file, other, file)]
        found = await asyncio.gather(*attempts, return_exceptions=True)
        odd = [each for each in found if each is not None and not isinstance(each, ConflictError)]
        if odd or not found.count(None):
            raise ViolationError(f"parallel uploads ended in {odd or found}")
        plot.deeds["parallel uploads of one id"] += len(found)
        winners = [each for each in (file, other) if await _is_stored(she, node, each)]
        if len(winners) != 1:
            raise ViolationError(f"{len(winners)} of two contents of one id are stored")
        (won,) = winners
        await asyncio.gather(*(she.store(won, [node, second]) for _ in range(3)))
        holders = await she.store(won, [node, second])
        calls = [Publish((won.new(holders, she.expiry),)) for _ in range(3)]
        ended = await asyncio.gather(
            *(she.registry.submit(call) for call in calls), return_exceptions=True
        )
        refused = [each for each in ended if isinstance(each, RejectedError)]
        if len(refused) != len(calls) - 1:
            raise ViolationError(f"one id was published {len(calls) - len(refused)} times")


async def _is_stored(she: Mallory, node: SimulatedStorage, file: SealedFile) -> bool:
    """Whether all replicas of slot 1 come back as they are in the file."""
    peer = she.peer(node)
    try:
        found = [await peer.pull(file.key(1, piece)) for piece in range(len(file.slices))]
    except XdbError:
        return False
    return found == file.replicas(1)
