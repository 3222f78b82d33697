"""Where a call meets its rule."""

from collections.abc import Callable

from xdb.core.envelope import open_envelope
from xdb.core.rules import files, namespaces, nodes, proofs, publishing, seeds, segments, slots
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


def _run(context: Context, state: State, sender: Address, call: Call) -> list[Event]:
    check_numbers(call)
    return _RULES[type(call)](context, state, sender, call)


_RULES: dict[type[Call], Callable[..., list[Event]]] = {
    calls.RegisterNode: nodes.register,
    calls.UpdateNode: nodes.update,
    calls.SetNodeState: nodes.set_state,
    calls.Heartbeat: nodes.heartbeat,
    calls.Resign: nodes.resign,
    calls.CreateNamespace: namespaces.create,
    calls.UpdateNamespace: namespaces.update,
    calls.Publish: publishing.publish,
    calls.Renew: files.renew,
    calls.Rename: files.rename,
    calls.Delete: files.delete,
    calls.Release: files.release,
    calls.Move: slots.move,
    calls.Extend: slots.extend,
    calls.Shrink: slots.shrink,
    calls.RevealSeed: seeds.reveal,
    calls.Seal: segments.seal,
    calls.Prove: proofs.prove,
    calls.Surrender: segments.surrender,
}
"""Every rule takes the context, the state, the sender and its call, and gives the events."""
