"""Where a call meets its rule."""

from xdb.core.envelope import open_envelope
from xdb.core.rules import files, namespaces, nodes, publishing, slots
from xdb.core.rules.limits import check_numbers, refuse
from xdb.core.rules.state import Context, Effects, Reader, State
from xdb.model import calls
from xdb.model.calls import Call, Envelope
from xdb.model.events import Event
from xdb.model.ids import Address
from xdb.model.refusal import Refusal


def apply(context: Context, reader: Reader, sender: Address, call: Call) -> Effects:
    """What `call` by `sender` does to the state; RefusedCallError when it may not."""
    state = State(reader)
    events = _run(context, state, sender, call)
    return Effects(state.writes(), tuple(events))


def execute(context: Context, reader: Reader, envelope: Envelope) -> Effects:
    """What a signed call does, at most once and not after its deadline.

    A refused envelope leaves no trace here and may be tried again until its deadline.
    """
    call = open_envelope(envelope, context.deployment)
    _check_deadline(context, envelope)
    state = State(reader)
    if state.deadline(envelope.sender, envelope.nonce) is not None:
        raise refuse(
            Refusal.REPLAYED,
            f"nonce {envelope.nonce.hex()} of {envelope.sender.hex()} took effect before: "
            "nothing to do, or sign the call again under a new nonce",
        )
    events = _run(context, state, envelope.sender, call)
    state.put_deadline(envelope.sender, envelope.nonce, envelope.deadline)
    return Effects(state.writes(), tuple(events))


def _check_deadline(context: Context, envelope: Envelope) -> None:
    latest = context.time + context.parameters.envelope_lifetime
    if not context.time <= envelope.deadline <= latest:
        raise refuse(
            Refusal.EXPIRED,
            f"the deadline {envelope.deadline} is not between {context.time} (chain time) and "
            f"{latest}: sign the call again with a deadline between",
        )


def _run(context: Context, state: State, sender: Address, call: Call) -> list[Event]:  # noqa: C901, PLR0911, PLR0912  # one line for each call
    check_numbers(call)
    match call:
        case calls.RegisterNode():
            return nodes.register(context, state, sender, call)
        case calls.UpdateNode():
            return nodes.update(context, state, sender, call)
        case calls.SetNodeState():
            return nodes.set_state(context, state, sender, call)
        case calls.Heartbeat():
            return nodes.heartbeat(context, state, sender, call)
        case calls.Resign():
            return nodes.resign(context, state, sender, call)
        case calls.CreateNamespace():
            return namespaces.create(context, state, sender, call)
        case calls.UpdateNamespace():
            return namespaces.update(context, state, sender, call)
        case calls.Publish():
            return publishing.publish(context, state, sender, call)
        case calls.Renew():
            return files.renew(context, state, sender, call)
        case calls.Rename():
            return files.rename(context, state, sender, call)
        case calls.Delete():
            return files.delete(context, state, sender, call)
        case calls.Release():
            return files.release(context, state, sender, call)
        case calls.Move():
            return slots.move(context, state, sender, call)
        case calls.Extend():
            return slots.extend(context, state, sender, call)
        case _:
            raise refuse(
                Refusal.UNSUPPORTED,
                f"{type(call).__name__} is not offered here: use a deployment that has it",
            )
