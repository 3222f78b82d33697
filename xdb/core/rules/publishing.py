"""Publish: new files, all of a call or none."""

from dataclasses import dataclass, field

from xdb.core import merkle
from xdb.core.files import file_id
from xdb.core.rules import names
from xdb.core.rules.files import check_expiry, delete_entry, named, owned
from xdb.core.rules.holdings import Place, accept
from xdb.core.rules.limits import check_count, check_label, refuse
from xdb.core.rules.namespaces import owned as owned_namespace
from xdb.core.rules.state import Context, FileEntry, State
from xdb.errors import RefusedCallError
from xdb.model.calls import NewFile, Publish
from xdb.model.events import Event, FilePublished
from xdb.model.ids import Address, FileId, Tag
from xdb.model.refusal import Refusal
from xdb.model.registry import FileRecord


@dataclass(slots=True)
class _Batch:
    """What the files of one call did so far."""

    files: set[FileId] = field(default_factory=set)
    names: set[tuple[Tag, Tag]] = field(default_factory=set)


def publish(context: Context, state: State, sender: Address, call: Publish) -> list[Event]:
    """New files of the sender, version 1. The refusal of one names it and refuses all."""
    check_count(len(call.files), 1, context.parameters.max_files_per_call, "files")
    batch = _Batch()
    events: list[Event] = []
    for new in call.files:
        file = file_id(context.deployment, sender, new.nonce)
        try:
            events.append(_publish(context, state, sender, file, new, batch))
        except RefusedCallError as error:
            raise RefusedCallError(error.refusal, f"file {file.hex()}: {error.reason}") from error
    return events


def _publish(  # noqa: PLR0913, PLR0917  # one file of a batch
    context: Context, state: State, sender: Address, file: FileId, new: NewFile, batch: _Batch
) -> Event:
    _check(context, state, sender, file, new)
    _check_batch(batch, file, new)
    if new.replaces is not None:
        _replace(context, state, sender, new.replaces)
    record = _record(context, sender, file, new)
    names.take(context, state, record)
    slots = tuple(
        accept(context, state, Place(file, slot, record.root, record.version, new.expiry), holder)
        for slot, holder in enumerate(new.holders, start=1)
    )
    state.put_file(FileEntry(record, slots))
    return FilePublished(
        file=file,
        owner=sender,
        namespace=new.namespace,
        name=new.name,
        manifest=new.manifest,
        root=record.root,
        redundancy=new.redundancy,
        size=new.size,
        expiry=new.expiry,
        holders=new.holders,
        replaces=new.replaces,
        label=new.label,
    )


def _record(context: Context, sender: Address, file: FileId, new: NewFile) -> FileRecord:
    return FileRecord(
        file=file,
        owner=sender,
        namespace=new.namespace,
        name=new.name,
        manifest=new.manifest,
        root=merkle.file_root(new.manifest, [holder.root for holder in new.holders]),
        redundancy=new.redundancy,
        size=new.size,
        expiry=new.expiry,
        version=1,
        published=context.time,
        deleted=0,
        holders=tuple(holder.node for holder in new.holders),
    )


def _check(context: Context, state: State, sender: Address, file: FileId, new: NewFile) -> None:
    if state.file(file) is not None:
        raise refuse(
            Refusal.FILE_EXISTS, "this id exists already: upload again, with a new random nonce"
        )
    policy = owned_namespace(state, sender, new.namespace).redundancy
    if new.redundancy != policy:
        raise refuse(
            Refusal.POLICY,
            f"its redundancy is {_words(new)}, the namespace wants {policy.coding.name.lower()}, "
            f"{policy.required} of {policy.total}: code it for the namespace's present policy",
        )
    if len(new.holders) != policy.total:
        raise refuse(
            Refusal.HOLDERS,
            f"{len(new.holders)} holders for {policy.total} slots: place every slot",
        )
    if len({holder.node for holder in new.holders}) != len(new.holders):
        raise refuse(
            Refusal.HOLDERS, "two of its slots are on one node: place each on a node of its own"
        )
    check_label(context.parameters, new.label)
    check_expiry(context, new.expiry)


def _words(new: NewFile) -> str:
    redundancy = new.redundancy
    return f"{redundancy.coding.name.lower()}, {redundancy.required} of {redundancy.total}"


def _check_batch(batch: _Batch, file: FileId, new: NewFile) -> None:
    if (new.namespace, new.name) in batch.names:
        raise refuse(
            Refusal.NAME_TAKEN,
            f"name {new.name.hex()} stands twice in this call: give each file a name of its own",
        )
    if new.replaces is not None and new.replaces in batch.files:
        raise refuse(
            Refusal.INVALID,
            f"it replaces file {new.replaces.hex()} of the same call: publish only the last",
        )
    batch.files.add(file)
    batch.names.add((new.namespace, new.name))


def _replace(context: Context, state: State, sender: Address, file: FileId) -> None:
    entry = owned(context, state, sender, file)
    if not entry.record.is_live(context.time):
        raise refuse(
            Refusal.GONE,
            f"{named(file)}, which it replaces, ended at {entry.record.ends()}: "
            "publish without replacing it",
        )
    delete_entry(context, state, entry)
