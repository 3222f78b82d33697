"""Nodes that keep everything, and still answer an epoch wrongly or late."""

from collections.abc import Sequence
from dataclasses import replace

from xdb.core.proving import Question
from xdb.model.calls import Answer, Call, Prove
from xdb.node.storage import StorageNode
from xdb.node.storage_ports import StoragePorts
from xdb.ports.blockchain import Inclusion, Registry
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.services.answering import Answering, Effort
from xdb.testing.simulation.byzantine.forging import Answers, with_answers
from xdb.testing.simulation.byzantine.masks import masked
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.byzantine.twisting import Twisted
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.twist import Twist

LAST = 75
"""Seconds before the end of an epoch from which on the last-minute node answers."""
LOOK = 5.0


def lies_in_proofs(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Serves every read well, and shows a changed leaf in every proof."""

    def lying(honest: Answering) -> Answers:
        async def answers(questions: Sequence[Question], effort: Effort) -> tuple[Answer, ...]:
            found = await honest.answers(questions, effort)
            plot.deeds["leaves changed"] += sum(answer.leaf is not None for answer in found)
            return tuple(_changed(answer) for answer in found)

        return answers

    return Twisted(lambda node: with_answers(node, plot, lying))


def _changed(answer: Answer) -> Answer:
    if answer.leaf is None:
        return answer
    data = bytes([answer.leaf.data[0] ^ 1]) + answer.leaf.data[1:]
    return replace(answer, leaf=replace(answer.leaf, data=data))


def answers_at_the_last_minute(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Proves just before the epoch closes, which is as good as at once."""

    def on_node(node: StorageNode) -> StorageNode:
        (prover,) = (task for task in node.tasks if task.name == "prover")
        run_once, index = prover.run_once, node.following.index

        async def cycle() -> object:
            parameters, now = index.parameters, index.head.time
            left = parameters.start_of(parameters.epoch_at(now) + 1) - now
            if left > LAST:
                return None
            plot.deeds["proofs at the last minute"] += 1
            return await run_once()

        prover.run_once = cycle
        return node

    return Twisted(on_node)


def answers_too_late(plot: Plot, _member: SimulatedStorage) -> Twist:
    """Sends each proof when the next epoch has its seed."""

    def on_ports(ports: StoragePorts) -> StoragePorts:
        def registry(signer: Signer, entropy: Entropy) -> Registry:
            inner = plot.counted(ports.backend.registry(signer, entropy))

            async def submit(call: Call) -> Inclusion:
                while isinstance(call, Prove) and plot.newest_epoch() <= call.epoch:
                    await ports.clock.sleep(LOOK)
                return await inner.submit(call)

            return masked(inner, submit=submit)

        return replace(ports, backend=masked(ports.backend, registry=registry))

    return Twisted(on_ports=on_ports)
