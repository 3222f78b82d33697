"""A lost replica is made again from others, bit for bit, without the content key."""

from collections.abc import Mapping

from xdb.core.coding import check_slot, pieces, restore
from xdb.core.sealing import seal, slot_key, unseal
from xdb.model.buffer import Buffer
from xdb.model.registry import Redundancy


def restore_slice(
    redundancy: Redundancy,
    slice_length: int,
    sealed: Mapping[int, Buffer],
    sealing_key: bytes,
    piece: int,
) -> bytes:
    """The ciphertext of slice `piece`, from the replicas of `required` or more slots.

    Nothing tells a wrong replica from a right one here: check the slice's digest.
    """
    chosen = sorted(sealed)[: redundancy.required]
    found = {slot: unseal(slot_key(sealing_key, slot), piece, sealed[slot]) for slot in chosen}
    return restore(redundancy, found, slice_length)


def rebuild_piece(  # noqa: PLR0913, PLR0917  # what is there, and what is wanted
    redundancy: Redundancy,
    slice_length: int,
    sealed: Mapping[int, Buffer],
    sealing_key: bytes,
    piece: int,
    slot: int,
) -> bytes:
    """The replica of `slot`, from the replicas of `required` or more other slots.

    As right as what it is made from: compare its commitment before use.
    """
    check_slot(redundancy, slot)
    others = {other: data for other, data in sealed.items() if other != slot}
    data = restore_slice(redundancy, slice_length, others, sealing_key, piece)
    return seal(slot_key(sealing_key, slot), piece, pieces(redundancy, data)[slot - 1])
