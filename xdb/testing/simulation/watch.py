"""How long damage stays unknown, and how long it takes until it is repaired.

Every quarter of an epoch each slot is looked at from above. A slot that its holder, being up,
has not got must be known to the owner within the bound, as long as the holder stays up: the
scrubber re-hashes everything within `scrub_within`, and what is missing shows sooner.
"""

from dataclasses import dataclass, field

from xdb.index.views import FileView
from xdb.model.health import Colour
from xdb.model.ids import FileId, NodeId
from xdb.testing.simulation.account import Account
from xdb.testing.simulation.oversight import Oversight, ViolationError
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.world import World

SLACK = 3
"""Epochs on top of the scrubber's time until the owner has heard."""


@dataclass(slots=True)
class _Bad:
    """A slot that is not as it should be. Times are seconds of the run."""

    node: NodeId
    since: float
    waits: float  # since when its holder has been up with it
    known: bool = False


@dataclass
class Watch:
    """Looks on. `detected` and `repaired` are delays in epochs."""

    simulation: Simulation
    world: World
    account: Account
    oversight: Oversight
    detected: list[float] = field(default_factory=list)
    repaired: list[float] = field(default_factory=list)
    violation: ViolationError | None = None
    _bad: dict[tuple[FileId, int], _Bad] = field(default_factory=dict)

    async def run(self) -> None:
        """Goes on until cancelled, or until something is wrong."""
        while self.violation is None:
            await self.world.clock.sleep(self.world.config.epoch / 4)
            try:
                self.look()
            except ViolationError as error:
                self.violation = error

    def look(self) -> None:
        """At every slot."""
        owner = self.world.owner.node
        if owner is None:
            return
        look, now = owner.care.viewpoint.look(), self.simulation.loop.time()
        seen = set()
        for view in self.oversight.views():
            bad = self.oversight.bad_slots(view)
            known = bool(bad) and look.colour(view) is not Colour.GREEN
            for slot in bad:
                seen.add((view.record.file, slot))
                self._note(view, slot, known=known, now=now)
        for place in [place for place in self._bad if place not in seen]:
            self._over(place, self._bad.pop(place), now)

    def _note(self, view: FileView, slot: int, *, known: bool, now: float) -> None:
        file, node = view.record.file, view.record.holders[slot - 1]
        bad = self._bad.get((file, slot))
        if bad is None or bad.node != node:
            bad = self._bad[file, slot] = _Bad(node, now, now)
        if not self.world.storage[node].is_up or self.account.was_in_trouble(node, now, now):
            bad.waits = now
        if known and not bad.known:
            bad.known = True
            self.detected.append(self._epochs(now - bad.since))
        bound = self.world.config.paces.scrub_within + SLACK * self.world.config.epoch
        if not bad.known and now - bad.waits > bound:
            raise ViolationError(
                f"slot {slot} of file {file.hex()} has been bad for {now - bad.since:.0f} s, and "
                "its owner does not know"
            )

    def _over(self, place: tuple[FileId, int], bad: _Bad, now: float) -> None:
        if place[0] in self.account.files:
            self.repaired.append(self._epochs(now - bad.since))
            if not bad.known:
                self.detected.append(self._epochs(now - bad.since))

    def _epochs(self, seconds: float) -> float:
        return seconds / self.world.config.epoch
