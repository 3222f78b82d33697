"""When and how the cheats of a trial were seen, by the chain or by the honest owner."""

from dataclasses import dataclass, field

from xdb.model.health import Verdict
from xdb.model.ids import NodeId
from xdb.testing.simulation.byzantine.arena import Arena
from xdb.testing.simulation.byzantine.strategy import Means


@dataclass
class Evidence:
    """`seen` says in which epoch each means first showed one of the cheats."""

    arena: Arena
    cheats: list[NodeId]
    began: int  # the epoch in which they began
    seen: dict[Means, int] = field(default_factory=dict)

    def look(self) -> None:
        """Notes what is new."""
        owner = self.arena.owner
        audits, probes = owner.following.index.audits, owner.care.observations
        since = dict.fromkeys(self.cheats, self.began)
        for verdict, means in (
            (Verdict.FAILED, Means.FAILED),
            (Verdict.MISSED, Means.MISSED),
        ):
            if audits.listed(since, verdict=verdict).items:
                self._note(means)
        for node in self.cheats:
            probe = probes.probe(node)
            if probe is not None and probe.wrong:
                self._note(Means.WRONG)
            if probe is not None and not probe.answered:
                self._note(Means.SILENT)
        for _, _, damage in probes.damages():
            if damage.node in self.cheats and not damage.shown:
                self._note(Means.LISTED)
            if damage.node in self.cheats and damage.shown and not self._showed_wrong(damage.node):
                self._note(Means.REFUSED)

    def took(self, by: frozenset[Means]) -> int | None:
        """Epochs until the first of these means showed; None when nothing has.

        When another one was so fast that all was moved away before these could show, that one
        counts: nobody is asked to prove what it does not hold.
        """
        found = [self.seen[means] for means in by if means in self.seen]
        found = found or list(self.seen.values())
        return min(found) - self.began if found else None

    def asked(self, verdict: Verdict | None = None) -> int:
        """Closed epochs since then that asked something of a cheat, or those with a verdict."""
        audits = self.arena.owner.following.index.audits
        since = dict.fromkeys(self.cheats, self.began + 1)
        found = audits.listed(since, verdict=verdict).items
        return sum(not view.is_open for view in found)

    def _showed_wrong(self, node: NodeId) -> bool:
        return self.arena.owner.care.observations.showed_wrong(node)

    def _note(self, means: Means) -> None:
        self.seen.setdefault(means, self.arena.epoch)
