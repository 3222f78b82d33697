"""Whatever happens, what a node may be asked for is still there."""

import asyncio
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.core.rules.seeds import newest
from xdb.core.rules.segments import space
from xdb.core.rules.state import State
from xdb.errors import RefusedCallError
from xdb.model.calls import Surrender
from xdb.testing.collecting import Collecting
from xdb.testing.registry import DAY

HOUR = 3600
STEPS = [
    "upload", "move", "move", "move", "shrink", "delete", "renew", "release", "surrender",
    "epoch", "epoch", "epoch without a seed", "hours", "hours", "day", "roll back", "restart",
]  # fmt: skip


class Life:
    """Steps as numbers choose them; a step that the chain refuses changes nothing."""

    def __init__(self, lag):
        self.world = Collecting(draws=8, lag=lag)
        self.lag = lag

    async def take(self, step, number):
        with contextlib.suppress(RefusedCallError):
            await self._take(step, number)
        await self.world.follow()

    async def _take(self, step, number):
        world, drafts = self.world, list(self.world.drafts.values())
        if step == "upload":
            await world.upload(f"file {len(drafts)}", life=(1 + number % 12) * DAY)
        elif step in {"epoch", "epoch without a seed"}:
            world.next_epoch(seed=step == "epoch")
        elif step in {"hours", "day", "week"}:
            await world.pass_time({"hours": 2 * HOUR, "day": DAY + 1, "week": 7 * DAY}[step])
        elif step == "roll back":
            undone = number % (self.lag + 1)
            head = world.index.head  # the chain in memory forgets what was final
            await world.roll_back(min(undone, head.height - head.final))
        elif step == "restart":
            world.keepers[world.nodes[number % 4].node].restart()
        elif drafts:
            await self._change(step, drafts[number % len(drafts)], number // 7)

    async def _change(self, step, draft, number):
        world = self.world
        entry = world.entry(draft.id)
        if entry is None:
            return
        slot = 1 + number % len(entry.slots)
        holder = entry.record.holders[slot - 1]
        if step == "move":
            target = world.nodes[number % 4]
            if target.node not in entry.record.holders:
                await world.move(draft, slot, target)
        elif step == "shrink":
            await world.shrink(draft)
        elif step == "delete":
            await world.delete(draft)
        elif step == "renew":
            await world.renew(draft, world.now + 3 * DAY)
        elif step == "release":
            await world.release(draft)
        elif step == "surrender":
            node = next(key for key in world.nodes if key.node == holder)
            world.call(node, Surrender(node.node, draft.id, slot))

    def check(self):
        """What the newest seed draws, and what the records name, is there."""
        world = self.world
        for node in world.nodes:
            for question in self._questions(node):
                if question.span is not None and question.spot is not None:
                    assert world.has(node, question.span.file, question.span.slot)
            for draft in world.drafts.values():
                record = getattr(world.entry(draft.id), "record", None)
                if record is None or record.gone(world.parameters.retention) <= world.now:
                    continue
                for slot, holder in enumerate(record.holders, start=1):
                    assert holder != node.node or world.has(node, draft.id, slot)

    def _questions(self, node):
        state = State(self.world.chain.state)
        seed = newest(state)
        extent = None if seed is None else space(state, node.node).before(seed.epoch)
        return self.world.questions(node) if extent is not None and extent.leaves else []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 10_000)), min_size=20, max_size=40),
    st.sampled_from([0, 3]),
)
def test_what_may_be_asked_for_is_never_removed(steps, lag):
    async def live():
        life = Life(lag)
        await life.take("upload", 1)
        for step, number in steps:
            await life.take(step, number)
            for node in life.world.nodes:
                await life.world.collect(node)
            life.check()

    asyncio.run(live())


def test_what_nobody_asks_for_does_go():
    """The property would hold for a collector that removes nothing."""

    async def live():
        life = Life(3)
        for step in ["upload", "epoch", "day", "move", "week", "week", "epoch", "release"]:
            await life.take(step, 14)
        removed = 0
        for _ in range(6):
            await life.take("epoch", 0)
            for node in life.world.nodes:
                removed += (await life.world.collect(node)).removed
        return removed

    assert asyncio.run(live()) == 3
