"""The views that nodes have of a simulated chain, by name."""

from dataclasses import dataclass, field

from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.testing.simulation.chains.blocks import History
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.chains.view import Sight, View


@dataclass
class Views:
    """All of one chain. A node has the same one in each of its lives."""

    history: History
    clock: Clock
    draw: Entropy
    sight: Sight
    notes: Notes
    is_calm: bool = False  # nothing goes wrong any more
    _views: dict[str, View] = field(default_factory=dict)

    def of(self, name: str) -> View:
        """That of a node, made when it is first asked for."""
        if name not in self._views:
            draw = self.draw.stream(name)
            self._views[name] = View(self.history, self.clock, draw, self.sight, self.notes)
        if self.is_calm:
            self._views[name].heal()
        return self._views[name]

    def stall(self, name: str, seconds: float) -> bool:
        """See `Chain`."""
        if name in self._views:
            self._views[name].stall(seconds)
        return name in self._views

    def cut(self, name: str, seconds: float) -> bool:
        """See `Chain`."""
        if name in self._views:
            self._views[name].cut(seconds)
        return name in self._views

    def heal(self) -> None:
        """See `Chain`."""
        self.is_calm = True
        for view in self._views.values():
            view.heal()
