"""What the demo sees of a network that loses things and mends itself: through the client only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from xdb.client.health_records import HealthKind
from xdb.client.history_records import AuditFilter
from xdb.client.records import FileInfo, Health
from xdb.client.sync import Client
from xdb.errors import NotFoundError
from xdb.model.health import Verdict
from xdb.model.ids import NodeId
from xdb.testnet.network import ProcessStatus

Say = Callable[[str], None]
SCRUBBED = "replica.damaged"
"""What a storage node logs when its scrubber finds something."""


@dataclass
class Watch:
    """Asks the owner node, and says what is new. `names` are the testnet's names of nodes."""

    client: Client
    namespace: str
    names: dict[bytes, str]
    since: datetime
    say: Say
    _told: set[str] = field(default_factory=set)

    def files(self) -> list[FileInfo]:
        """All files of the namespace."""
        return list(self.client.list(self.namespace).files)

    def node(self, process: ProcessStatus) -> NodeId:
        """A process's id."""
        return next(
            node.node for node in self.client.nodes.list() if node.address == process.address
        )

    # ------------------------------------------------------------ proofs

    def unproved(self) -> list[str]:
        """Slots whose present holders have not proved yet that they hold them."""
        found = []
        for file in self.files():
            page = self.client.audits.list(AuditFilter(file=file.ref, verdict=Verdict.PROVED))
            proved = {audit.node for audit in page.audits}
            found += [
                f"slot {slot.slot} of {file.name}" for slot in file.slots if slot.node not in proved
            ]
        return found

    def is_whole(self) -> bool:
        """Whether every file is green, every slot is there and proved by who holds it now."""
        return all(file.health is Health.GREEN for file in self.files()) and not self.unproved()

    def lives_without(self, address: str) -> bool:
        """Whether nothing is expected of the node at this address."""
        return all(slot.address != address for file in self.files() for slot in file.slots)

    def has_proved(self, node: NodeId, epoch: int) -> bool:
        """Whether a node has answered an epoch."""
        try:
            audit = self.client.audits.show(f"{epoch}-{node.hex()}")
        except NotFoundError:
            return False
        return audit.verdict is not None

    def epoch(self) -> tuple[int, datetime]:
        """The open epoch and when the next one begins."""
        (audit,) = self.client.audits.list(limit=1).audits
        with suppress(NotFoundError):
            audit = self.client.audits.show(f"{audit.epoch + 1}-{audit.node.hex()}")
        return audit.epoch, audit.ends

    # ------------------------------------------------------------ news

    def news(self, suspects: dict[NodeId, ProcessStatus]) -> None:
        """Says what has been found, what changed its colour and what was repaired since."""
        self._losses()
        for node, process in suspects.items():
            self._scrub(process)
            self._probe(node)
        self._colours()
        self._moves()

    def _losses(self) -> None:
        wanted = AuditFilter(verdict=Verdict.FAILED, since=self.since)
        for audit in reversed(self.client.audits.list(wanted).audits):
            lost = ", ".join(f"slot {each.slot} of {each.name}" for each in audit.lost)
            who = self._name(audit.node)
            self._tell(audit.id, f"  epoch {audit.epoch} found it: {who} admits the loss of {lost}")

    def _scrub(self, process: ProcessStatus) -> None:
        for line in process.log.read_text(errors="replace").splitlines():
            if SCRUBBED in line:
                self._tell(
                    f"scrub {process.id}",
                    f"  scrub found it: {process.name} hashes what it has and finds it changed",
                )

    def _probe(self, node: NodeId) -> None:
        found = self.client.health.node(node)
        if found.probed is not None and found.probed >= self.since and not found.answered:
            self._tell(f"probe {node.hex()}", f"  probes found it: {self._name(node)} is silent")

    def _colours(self) -> None:
        shown = {HealthKind.FILE, HealthKind.SYSTEM}
        events = list(self.client.health.events(since=self.since))
        for event in reversed([event for event in events if event.kind in shown]):
            what = event.name.rpartition("/")[2] or "the system"
            change = f"{event.before.name.lower()} -> {event.after.name.lower()}"
            is_file = event.kind is HealthKind.FILE
            why = self._short(event.cause) if is_file else event.cause
            cause = "" if event.after is Health.GREEN else f" ({why})"
            self._tell(
                f"{event.time} {event.id.hex()} {change}", f"  health of {what}: {change}{cause}"
            )

    def _moves(self) -> None:
        for move in reversed(self.client.migrations.list(since=self.since).migrations):
            source = self._name(move.source) if move.source else "nowhere"
            target = self._name(move.target) if move.target else "nowhere"
            how = f"made again on {target}" if source == target else f"{source} -> {target}"
            self._tell(
                f"{move.file.hex()} {move.version}",
                f"  moved: slot {move.slot} of {move.name}: {how}",
            )

    def _tell(self, key: str, text: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self.say(text)

    def _name(self, node: bytes) -> str:
        return self.names.get(node, node.hex()[:8])

    def _short(self, cause: str) -> str:
        """The first sentence of a cause, with names in place of ids."""
        text = cause.partition("; ")[2].partition("; ")[0] or cause
        for node, name in self.names.items():
            text = text.replace(f"node {node.hex()}", name)
        return text


@contextmanager
def watching(
    context: Path, namespace: str, nodes: list[ProcessStatus], since: datetime, say: Say
) -> Iterator[Watch]:
    """A watch over the network of a client's context."""
    with Client.open(context) as client:
        names = {bytes.fromhex(process.id): process.name for process in nodes}
        yield Watch(client, namespace, names, since, say)
