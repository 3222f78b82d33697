"""Repair triggers: what makes a holding be restored or moved.

Three facts are kept apart. *Failed*: the node itself admits a loss, and what it names is
lost. *Missed*: epochs went by without a proof. *Silent*: it sends no heartbeats and
answers no probes. A silent node is never said to have failed, and neither a miss nor an
unanswered probe makes anything lost.
"""

from itertools import takewhile

from xdb.model.health import (
    HoldingFacts,
    NodeFacts,
    Reason,
    SlotHealth,
    Trigger,
    Verdict,
)
from xdb.model.registry import NodeState, Parameters

MISSES = 2
"""Epochs in a row without a proof that are too many."""
DEAF = 4
"""Times `unreachable` after which a node that answers no probe is silent, whatever it sends to
the chain: nobody can read from it."""


def slot_health(holding: HoldingFacts, of_node: tuple[Trigger, ...]) -> SlotHealth:
    """A holding with all triggers that apply to it; `of_node` are those of its node."""
    found = sorted((*_of_holding(holding), *of_node), key=lambda trigger: trigger.reason)
    return SlotHealth(holding, tuple(found))


def node_triggers(parameters: Parameters, node: NodeFacts, now: int) -> tuple[Trigger, ...]:
    """Triggers that apply to everything the node holds, the gravest first."""
    found = (
        _state(node, NodeState.LEFT, Reason.LEFT, "has left"),
        _silent(parameters, node, now),
        _missed(parameters, node),
        _state(node, NodeState.DRAINING, Reason.DRAINING, "is draining"),
    )
    return tuple(trigger for trigger in found if trigger is not None)


def _of_holding(holding: HoldingFacts) -> list[Trigger]:
    name = f"node {holding.node.hex()}"
    found = []
    if holding.lost:
        found.append(Trigger(Reason.LOST, holding.lost, f"{name} gave the slot up"))
    elif holding.damaged:
        sentence = f"replicas of the slot at {name} are damaged"
        found.append(Trigger(Reason.DAMAGED, holding.damaged, sentence))
    return found


def _state(node: NodeFacts, state: NodeState, reason: Reason, what: str) -> Trigger | None:
    if node.state is not state:
        return None
    return Trigger(reason, node.state_since, f"node {node.node.hex()} {what}")


def _silent(parameters: Parameters, node: NodeFacts, now: int) -> Trigger | None:
    """Silent on the chain and to probes alike, each for the whole time and until lately.

    Or silent to probes alone, for `DEAF` times as long.
    """
    if node.state is NodeState.LEFT or node.silence is None:
        return None
    limit, silence = parameters.unreachable, node.silence
    heard = max(node.last_heartbeat, node.registered)
    unanswered = silence.latest - silence.first
    # Probes must have been made: an owner that was away has no evidence against anybody.
    if unanswered < limit or now - silence.latest > limit:
        return None
    name, no_probe = f"node {node.node.hex()}", f"answered no probe for {unanswered} s"
    if unanswered >= DEAF * limit:
        return Trigger(Reason.SILENT, silence.first + DEAF * limit, f"{name} {no_probe}")
    if now - heard < limit:
        return None
    sentence = f"{name} was not heard of for {now - heard} s and {no_probe}"
    return Trigger(Reason.SILENT, max(heard, silence.first) + limit, sentence)


def _missed(parameters: Parameters, node: NodeFacts) -> Trigger | None:
    counted = [each for each in node.verdicts if each.verdict is not Verdict.VOID]
    row = list(takewhile(lambda each: each.verdict is Verdict.MISSED, reversed(counted)))[::-1]
    if len(row) < MISSES:
        return None
    epochs = " and ".join(str(each.epoch) for each in row[-MISSES:])
    return Trigger(
        Reason.MISSED,
        parameters.start_of(row[MISSES - 1].epoch + 1),
        f"node {node.node.hex()} gave no proof in epochs {epochs}",
    )
