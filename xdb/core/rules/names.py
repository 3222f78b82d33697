"""Names: each belongs to one file of an owner's namespace at a time.

A file holds its name until it is deleted or its retention after expiry has ended.
"""

from xdb.core.rules.limits import refuse
from xdb.core.rules.state import Context, State
from xdb.model.ids import FileId
from xdb.model.refusal import Refusal
from xdb.model.registry import FileRecord


def take(context: Context, state: State, record: FileRecord) -> None:
    """Gives `record` its name; NAME_TAKEN when another file holds it."""
    file = state.named(record.owner, record.namespace, record.name)
    if file is not None and file != record.file:
        _check_given_up(context, state, file, record)
    state.put_name(record)


def _check_given_up(context: Context, state: State, file: FileId, taker: FileRecord) -> None:
    entry = state.file(file)
    if entry is None or entry.record.deleted:
        return
    free_from = entry.record.gone(context.parameters.retention)
    if context.time < free_from:
        raise refuse(
            Refusal.NAME_TAKEN,
            f"name {taker.name.hex()} belongs to file {file.hex()}: choose another name, replace "
            f"or delete that file, or wait until {free_from} unless it is renewed",
        )
