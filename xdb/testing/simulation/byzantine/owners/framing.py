"""Owners who try to have honest nodes blamed for what they never promised."""

from dataclasses import replace

from xdb.errors import InvalidRequestError, NotFoundError
from xdb.model.calls import Move, Publish, Renew, Renewal
from xdb.model.ids import Signature
from xdb.model.refusal import Refusal
from xdb.model.registry import Holder
from xdb.testing.custody import SealedFile
from xdb.testing.simulation.byzantine.arena import Arena
from xdb.testing.simulation.byzantine.owners.mallory import Mallory, mallory, other_digest
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.nodes import SimulatedStorage

FALSE = "false records refused"
BEYOND = "pieces beyond the file"


async def publishes_what_nobody_signed(plot: Plot, _arena: Arena) -> None:
    """Takes honest receipts and changes each thing that they say, one by one."""
    async with mallory(plot) as she:
        file = she.file("framed", 70_000)
        nodes = she.nodes[:2]
        honest = await she.store(file, nodes)
        for holder in _spoilt(honest[0], honest[1]):
            await _refused(she, file, (holder, honest[1]))
        await _refused(she, file, (honest[1], honest[0]))
        await _refused(she, file, (honest[0], honest[0]))
        late = honest[0].latest_expiry + 1
        await _refused(she, file, honest, expiry=late)
        await _refused(she, file, honest, expiry=plot.world.chain.time)
        await she.registry.submit(Publish((file.new(honest, she.expiry - 60),)))
        await _uses_receipts_again(she, file, honest)


def _spoilt(holder: Holder, other: Holder) -> list[Holder]:
    """A receipt with one thing changed in each."""
    return [
        replace(holder, leaves=holder.leaves + 1),
        replace(holder, leaves=holder.leaves - 1),
        replace(holder, replica_leaves=holder.replica_leaves + 1),
        replace(holder, replica_leaves=1),
        replace(holder, size=holder.size + 1),
        replace(holder, root=other_digest(holder.root)),
        replace(holder, root=other.root),
        replace(holder, latest_expiry=holder.latest_expiry + 10**6),
        replace(holder, valid_until=holder.valid_until + 60),
        replace(holder, signature=other.signature),
        replace(holder, signature=Signature(bytes(65))),
    ]


async def _refused(
    she: Mallory, file: SealedFile, holders: tuple[Holder, ...], expiry: int | None = None
) -> None:
    call = Publish((file.new(holders, she.expiry - 60 if expiry is None else expiry),))
    await she.refused_call(
        FALSE,
        call,
        Refusal.RECEIPT,
        Refusal.INVALID,
        Refusal.EXPIRY,
        Refusal.HOLDERS,
        Refusal.ROOT,
    )


async def _uses_receipts_again(she: Mallory, file: SealedFile, holders: tuple[Holder, ...]) -> None:
    """A receipt is for one version of one record."""
    call = Publish((file.new(holders, she.expiry - 60),))
    await she.refused_call(FALSE, call, Refusal.FILE_EXISTS)
    move = Move(file.id, 1, 1, holders[0])
    await she.refused_call(FALSE, move, Refusal.RECEIPT)
    third = she.nodes[2].key.node
    moved = replace(holders[0], node=third)
    await she.refused_call(FALSE, replace(move, holder=moved), Refusal.RECEIPT)
    renewals = tuple(Renewal(slot, holder) for slot, holder in enumerate(holders, start=1))
    renew = Renew(file.id, she.expiry + 10**6, renewals)
    await she.refused_call(FALSE, renew, Refusal.RECEIPT, Refusal.EXPIRY)


async def pushes_beyond_the_file(plot: Plot, _arena: Arena) -> None:
    """Stores pieces that no manifest names under a slot, before and after it is published."""
    async with mallory(plot) as she:
        nodes = she.nodes[:2]
        for number in range(2):
            file = she.file(f"beyond {number}", 20_000 + number)
            await _beyond(she, file, nodes)


async def _beyond(she: Mallory, file: SealedFile, nodes: list[SimulatedStorage]) -> None:
    stray = she.file(f"stray of {file.title}")
    data, commitment = stray.replicas(1)[0], stray.commitments(1)[0]
    for slot, node in enumerate(nodes, start=1):
        for piece in (1, 7):
            await she.peer(node).push(file.ref(slot), piece, commitment, data)
            she.plot.deeds[BEYOND] += 1
    await she.publish(file, nodes)
    await she.plot.world.clock.sleep(120.0)
    peer = she.peer(nodes[0])
    push = peer.push(file.ref(1), 9, commitment, data)
    await she.refused("pieces beyond a recorded slot refused", push, InvalidRequestError)
    probes = "probes beyond the file refused"
    await she.refused(probes, peer.leaf(file.key(1, 7), 0), NotFoundError, InvalidRequestError)
    await she.refused(probes, peer.leaf(file.key(1, 0), 10**6), InvalidRequestError)
