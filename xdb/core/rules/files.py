"""A file's life: renewal, renaming, deletion, release.

A file is *live* until it is deleted or expires, then in *retention*, then *gone*.
Only its owner changes it, and only before it is gone; afterwards anybody may release
it.
"""

from dataclasses import replace

from xdb.core.rules import names
from xdb.core.rules.holdings import Place, confirm
from xdb.core.rules.limits import check_count, check_label, refuse
from xdb.core.rules.segments import end_holding
from xdb.core.rules.state import Context, FileEntry, State
from xdb.model.calls import Delete, Release, Rename, Renew, Renewal
from xdb.model.events import Event, FileDeleted, FileReleased, FileRenamed, FileRenewed
from xdb.model.ids import Address, FileId
from xdb.model.refusal import Refusal


def renew(context: Context, state: State, sender: Address, call: Renew) -> list[Event]:
    """A later expiry; a deleted or expired file is live again.

    Beyond what a slot's holder accepted, that slot needs a renewal with a new receipt.
    """
    entry = owned(context, state, sender, call.file)
    check_expiry(context, call.expiry)
    if call.expiry < entry.record.expiry:
        raise refuse(
            Refusal.EXPIRY,
            f"{named(call.file)} lasts until {entry.record.expiry}, {call.expiry} is earlier: "
            "delete it if it is to end sooner",
        )
    entry = _with_renewals(context, state, entry, call)
    short = [
        str(number)
        for number, slot in enumerate(entry.slots, start=1)
        if slot.holding.latest_expiry < call.expiry
    ]
    if short:
        raise refuse(
            Refusal.EXPIRY,
            f"the holders of slots {', '.join(short)} of {named(call.file)} have not accepted "
            f"{call.expiry}: ask them for receipts, or move these slots",
        )
    record = replace(entry.record, expiry=call.expiry, deleted=0)
    names.take(context, state, record)
    state.put_file(replace(entry, record=record))
    return [FileRenewed(file=call.file, expiry=call.expiry, renewals=call.renewals)]


def _with_renewals(context: Context, state: State, entry: FileEntry, call: Renew) -> FileEntry:
    check_count(len(call.renewals), 0, entry.record.redundancy.total, "renewals")
    slots = list(entry.slots)
    for renewal in call.renewals:
        _check_slot(entry, renewal, [other.slot for other in call.renewals])
        place = Place(
            file=call.file,
            slot=renewal.slot,
            root=entry.record.root,
            version=entry.record.version,
            expiry=call.expiry,
        )
        old = slots[renewal.slot - 1]
        holding = confirm(context, state, place, renewal.holder, old.holding)
        slots[renewal.slot - 1] = replace(old, holding=holding)
    return replace(entry, slots=tuple(slots))


def _check_slot(entry: FileEntry, renewal: Renewal, all_slots: list[int]) -> None:
    check_slot(entry, renewal.slot)
    if all_slots.count(renewal.slot) > 1:
        raise refuse(
            Refusal.SLOT, f"slot {renewal.slot} is renewed twice in this call: name it once"
        )
    holder = entry.record.holders[renewal.slot - 1]
    if renewal.holder.node != holder:
        raise refuse(
            Refusal.HOLDERS,
            f"slot {renewal.slot} is with node {holder.hex()}, not with "
            f"{renewal.holder.node.hex()}: ask its present holder",
        )


def rename(context: Context, state: State, sender: Address, call: Rename) -> list[Event]:
    """Another name and label for a live file."""
    entry = live(context, state, sender, call.file)
    check_label(context.parameters, call.label)
    state.drop_name(entry.record)
    record = replace(entry.record, name=call.name)
    names.take(context, state, record)
    state.put_file(replace(entry, record=record))
    return [FileRenamed(file=call.file, name=call.name, label=call.label)]


def delete(context: Context, state: State, sender: Address, call: Delete) -> list[Event]:
    """Ends a file and frees its name; its bytes stay with the holders for the retention."""
    delete_entry(context, state, owned(context, state, sender, call.file))
    return [FileDeleted(file=call.file)]


def delete_entry(context: Context, state: State, entry: FileEntry) -> None:
    """Marks a file as deleted now."""
    if entry.record.deleted:
        raise refuse(
            Refusal.GONE,
            f"{named(entry.record.file)} was deleted at {entry.record.deleted}: nothing to do",
        )
    state.drop_name(entry.record)
    state.put_file(replace(entry, record=replace(entry.record, deleted=context.instant)))


def release(context: Context, state: State, sender: Address, call: Release) -> list[Event]:  # noqa: ARG001  # anybody may
    """Forgets a file that is gone, with its name and holdings."""
    entry = known(state, call.file)
    record = entry.record
    gone = record.gone(context.parameters.retention)
    if context.time < gone:
        raise refuse(
            Refusal.NOT_GONE, f"{named(call.file)} is kept until {gone}: release it from then on"
        )
    state.drop_name(record)
    for number, (node, slot) in enumerate(zip(record.holders, entry.slots, strict=True), start=1):
        end_holding(context, state, node, call.file, number, slot)
    state.drop_file(call.file)
    return [FileReleased(file=call.file)]


def check_expiry(context: Context, expiry: int) -> None:
    """Refuses an expiry that is not in the future or too far in it."""
    latest = context.time + context.parameters.max_lifetime
    if not context.time < expiry <= latest:
        raise refuse(
            Refusal.EXPIRY,
            f"expiry {expiry} is not after {context.time} (chain time) and at most {latest}: "
            "choose one between",
        )


def check_slot(entry: FileEntry, slot: int) -> None:
    """Refuses slots that the file does not have."""
    if not 1 <= slot <= len(entry.slots):
        raise refuse(
            Refusal.SLOT,
            f"{named(entry.record.file)} has slots 1 to {len(entry.slots)}, not {slot}: "
            "read its record again",
        )


def check_version(entry: FileEntry, version: int) -> None:
    """Refuses a change that was made for another state of the record."""
    if version != entry.record.version:
        raise refuse(
            Refusal.VERSION,
            f"{named(entry.record.file)} is at version {entry.record.version}, not {version}: "
            "read its record again and repeat",
        )


def live(context: Context, state: State, sender: Address, file: FileId) -> FileEntry:
    """A file of the sender that is neither deleted nor expired."""
    entry = owned(context, state, sender, file)
    if not entry.record.is_live(context.time):
        raise refuse(Refusal.GONE, f"{named(file)} ended at {entry.record.ends()}: renew it first")
    return entry


def owned(context: Context, state: State, sender: Address, file: FileId) -> FileEntry:
    """A file of the sender, live or in retention."""
    entry = known(state, file)
    if entry.record.owner != sender:
        raise refuse(
            Refusal.NOT_ALLOWED,
            f"{named(file)} belongs to {entry.record.owner.hex()}, not to {sender.hex()}: "
            "only its owner may do this",
        )
    gone = entry.record.gone(context.parameters.retention)
    if context.time >= gone:
        raise refuse(
            Refusal.GONE, f"{named(file)} is gone, its retention ended at {gone}: upload it again"
        )
    return entry


def known(state: State, file: FileId) -> FileEntry:
    """A file that was published and not released."""
    entry = state.file(file)
    if entry is None:
        raise refuse(
            Refusal.FILE_UNKNOWN, f"there is no {named(file)}: check the id, or it was released"
        )
    return entry


def named(file: FileId) -> str:
    """A file in a sentence."""
    return f"file {file.hex()}"
