"""Seeds: what makes an epoch's draws, revealed by the beacons.

Every beacon key commits to a hash chain at deployment: its preimage for epoch e leads
to the commitment by e + 1 times SHA-256, so nobody but its holder knows it before it is
revealed, and its holder cannot choose it. The seed is the SHA-256 of all preimages (n of
n: one honest beacon suffices).

A seed is accepted only in the first half of its epoch, so that every node has at least
the other half to answer. An epoch without a seed asks nothing of anybody.
"""

from dataclasses import dataclass
from hashlib import sha256

from xdb.core.rules.limits import check_count, refuse
from xdb.core.rules.state import Context, State
from xdb.model.calls import RevealSeed
from xdb.model.events import Event, SeedRevealed
from xdb.model.ids import Address, Digest
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters

LONGEST_GAP = 100_000
"""Epochs without a seed that a reveal may bridge; each costs one hash per beacon."""

_NEWEST = b"r/"


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest seed, and the preimages it was made of."""

    epoch: int
    seed: Digest
    preimages: tuple[Digest, ...]


def newest(state: State) -> Newest | None:
    """The newest seed. The epoch it belongs to is open, all before it are closed."""
    return state.load(_NEWEST, Newest)


def reveal(context: Context, state: State, sender: Address, call: RevealSeed) -> list[Event]:  # noqa: ARG001  # anybody may
    """The seed of the present epoch; anybody who has the preimages may bring them."""
    beacons = context.parameters.beacons
    if not beacons:
        raise refuse(Refusal.UNSUPPORTED, "this deployment has no beacons: it audits nothing")
    check_count(len(call.preimages), len(beacons), len(beacons), "preimages")
    _check_time(context, call.epoch)
    before = newest(state)
    if before is not None and before.epoch >= call.epoch:
        raise refuse(Refusal.SEED, f"epoch {call.epoch} has its seed: nothing to do")
    known = before.preimages if before else beacons
    steps = call.epoch - before.epoch if before else call.epoch + 1
    _check_preimages(call.preimages, known, steps)
    seed = Digest(sha256(b"".join(call.preimages)).digest())
    state.store(_NEWEST, Newest(call.epoch, seed, call.preimages))
    return [SeedRevealed(epoch=call.epoch, seed=seed)]


def is_late(parameters: Parameters, time: int) -> bool:
    """Whether the epoch at `time` takes no seed any more: its second half has begun."""
    return 2 * (time - parameters.start_of(parameters.epoch_at(time))) > parameters.epoch


def _check_time(context: Context, epoch: int) -> None:
    if epoch != context.epoch:
        raise refuse(
            Refusal.EPOCH,
            f"it is epoch {context.epoch}, not {epoch}: reveal a seed in its own epoch",
        )
    if is_late(context.parameters, context.time):
        late = context.time - context.parameters.start_of(epoch)
        raise refuse(
            Refusal.EPOCH,
            f"epoch {epoch} is {late} s old, its nodes would have too little time to answer: "
            "reveal the next epoch's seed in its first half",
        )


def _check_preimages(preimages: tuple[Digest, ...], known: tuple[Digest, ...], steps: int) -> None:
    if steps > LONGEST_GAP:
        raise refuse(
            Refusal.SEED,
            f"{steps} epochs have passed since the last seed, {LONGEST_GAP} are the most: "
            "this deployment's audits are over",
        )
    for number, (preimage, end) in enumerate(zip(preimages, known, strict=True), start=1):
        value: bytes = preimage
        for _ in range(steps):
            value = sha256(value).digest()
        if value != end:
            raise refuse(
                Refusal.SEED,
                f"the preimage of beacon {number} does not lead to its commitment: "
                "reveal the one for this epoch",
            )
