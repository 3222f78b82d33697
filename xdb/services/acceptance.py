"""Whether what a node has of a slot is what the slot's manifest says."""

from collections.abc import Mapping

from xdb.core.manifest import check, commitments, published_root
from xdb.core.merkle import file_root
from xdb.errors import IntegrityError, InvalidRequestError, MissingPiecesError
from xdb.model.ids import Digest
from xdb.model.manifest import Manifest
from xdb.model.storage import Commitment, SlotRef
from xdb.services.facts import FileFacts

_LISTED = 10
"""Pieces that a message names; the error's field has more."""


def check_manifest(manifest: Manifest, slot: SlotRef, leaf_size: int) -> None:
    """Refuses the manifest of another file, or one with leaves of another size."""
    if manifest.file != slot.file:
        raise IntegrityError(
            f"the manifest is that of file {manifest.file.hex()}, not of {slot.file.hex()}: "
            "send the right one"
        )
    if manifest.leaf_size != leaf_size:
        raise InvalidRequestError(
            f"the manifest of file {slot.file.hex()} has leaves of {manifest.leaf_size} bytes, "
            f"on this chain they have {leaf_size}: commit to the replicas again"
        )


def complete(
    manifest: Manifest, slot: SlotRef, stored: Mapping[int, Commitment]
) -> tuple[Commitment, ...]:
    """The slot's commitments, when everything is stored as the manifest describes it.

    A slot added after publishing stands in no manifest; its replicas are as long as the
    others. Raises MissingPiecesError, and IntegrityError for other bytes.
    """
    described = slot.slot <= len(manifest.slots)
    expected = commitments(manifest, slot.slot if described else 1)
    missing = [piece for piece in range(len(expected)) if piece not in stored]
    if missing:
        raise _missing(slot, missing, len(expected))
    for piece, wanted in enumerate(expected):
        found = stored[piece]
        if found.length != wanted.length or (described and found.root != wanted.root):
            raise IntegrityError(
                f"piece {piece} of slot {slot.slot} of file {slot.file.hex()} is stored as "
                f"{_words(found)}, the manifest says {_words(wanted)}: use a new file id for "
                "other content"
            )
    return tuple(stored[piece] for piece in range(len(expected)))


def root_over(
    manifest: Manifest, digest: Digest, slot: SlotRef, root: Digest, found: FileFacts | None
) -> Digest:
    """The file root once the slot with the holding root `root` is in the record.

    `digest` is that of the manifest's bytes, `found` what is recorded today.
    """
    if found is None:
        if slot.slot > len(manifest.slots):
            raise _no_slot(slot, len(manifest.slots))
        return published_root(manifest, digest)
    check(manifest, digest, found.record)
    roots = [holding.root for holding in found.holdings]
    if slot.slot <= len(roots):
        if roots[slot.slot - 1] != root:
            raise IntegrityError(
                f"slot {slot.slot} of file {slot.file.hex()} has holding root "
                f"{roots[slot.slot - 1].hex()} on the chain, what is stored here {root.hex()}: "
                "make the slot's replicas again"
            )
        return found.record.root
    if slot.slot > len(roots) + 1:
        raise _no_slot(slot, len(roots) + 1)
    if slot.slot <= len(manifest.slots) and manifest.slots[slot.slot - 1].root != root:
        raise IntegrityError(  # with another root, nobody would believe the manifest any more
            f"slot {slot.slot} of file {slot.file.hex()} has holding root "
            f"{manifest.slots[slot.slot - 1].root.hex()} in the manifest, what is stored here "
            f"{root.hex()}: make the slot's replicas again"
        )
    return file_root(digest, [*roots, root])


def _missing(slot: SlotRef, missing: list[int], count: int) -> MissingPiecesError:
    named = ", ".join(map(str, missing[:_LISTED])) + (", ..." if len(missing) > _LISTED else "")
    return MissingPiecesError(
        tuple(missing),
        f"slot {slot.slot} of file {slot.file.hex()} lacks {len(missing)} of {count} pieces "
        f"({named}): push them, then ask again",
    )


def _no_slot(slot: SlotRef, last: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"file {slot.file.hex()} has no slot {slot.slot}: the last one there can be is {last}"
    )


def _words(commitment: Commitment) -> str:
    return f"{commitment.length} bytes with root {commitment.root.hex()}"
