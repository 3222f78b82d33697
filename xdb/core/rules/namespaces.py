"""Namespaces: an owner's tag and the redundancy of files published under it."""

from dataclasses import replace

from xdb.core.rules.limits import check_label, check_redundancy, refuse
from xdb.core.rules.state import Context, State
from xdb.model.calls import CreateNamespace, UpdateNamespace
from xdb.model.events import Event, NamespaceCreated, NamespaceUpdated
from xdb.model.ids import Address, Tag
from xdb.model.refusal import Refusal
from xdb.model.registry import NamespaceRecord, ProofScheme


def create(context: Context, state: State, sender: Address, call: CreateNamespace) -> list[Event]:
    """A new namespace of the sender; another owner may use the same tag."""
    if state.namespace(sender, call.namespace) is not None:
        raise refuse(
            Refusal.NAMESPACE_EXISTS,
            f"namespace {call.namespace.hex()} exists already: use it or choose another name",
        )
    check_label(context.parameters, call.label)
    check_redundancy(context.parameters, call.redundancy)
    if call.scheme is not ProofScheme.MERKLE:
        raise refuse(
            Refusal.UNSUPPORTED,
            f"proof scheme {call.scheme.name.lower()} is not offered here: choose merkle",
        )
    record = NamespaceRecord(
        owner=sender,
        namespace=call.namespace,
        redundancy=call.redundancy,
        scheme=call.scheme,
        created=context.time,
    )
    state.put_namespace(record)
    return [
        NamespaceCreated(
            owner=sender,
            namespace=call.namespace,
            label=call.label,
            redundancy=call.redundancy,
            scheme=call.scheme,
        )
    ]


def update(context: Context, state: State, sender: Address, call: UpdateNamespace) -> list[Event]:
    """Changes label or policy; files that are there keep their redundancy."""
    record = owned(state, sender, call.namespace)
    if call.label is None and call.redundancy is None:
        raise refuse(Refusal.INVALID, "nothing to change was given: name a label or a redundancy")
    if call.label is not None:
        check_label(context.parameters, call.label)
    if call.redundancy is not None:
        check_redundancy(context.parameters, call.redundancy)
        record = replace(record, redundancy=call.redundancy)
        state.put_namespace(record)
    return [
        NamespaceUpdated(
            owner=sender,
            namespace=call.namespace,
            label=call.label,
            redundancy=record.redundancy,
        )
    ]


def owned(state: State, owner: Address, namespace: Tag) -> NamespaceRecord:
    """An existing namespace of `owner`."""
    record = state.namespace(owner, namespace)
    if record is None:
        raise refuse(
            Refusal.NAMESPACE_UNKNOWN,
            f"{owner.hex()} has no namespace {namespace.hex()}: create it first",
        )
    return record
