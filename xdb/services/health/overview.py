"""Health for people: of one node or file as it is now, of many as the last look found them.

The records have the fields of the messages of proto/xdb/v1/owner.proto.
"""

from dataclasses import dataclass
from typing import Protocol

from xdb.core.health import Survey
from xdb.errors import NotFoundError, UnavailableError
from xdb.index.views import FileView, NamespaceView, Page
from xdb.model.health import Change, Kind, SlotHealth, Standing, Subject, Summary, Trigger
from xdb.model.ids import Address, FileId, NodeId, Tag
from xdb.model.registry import NodeState
from xdb.services.catalog import Catalog
from xdb.services.health.book import HealthBook
from xdb.services.health.latest import Ill, Latest
from xdb.services.health.look import Look, NodeCondition, Observed, Viewpoint


class LastProbe(Protocol):
    """The newest probe of a node."""

    @property
    def time(self) -> int:
        """Chain time."""
        ...

    @property
    def answered(self) -> bool:
        """Whether it was."""
        ...

    @property
    def text(self) -> str:
        """What was wrong."""
        ...


class Probes(Observed, Protocol):
    """What the owner's probes showed."""

    def probe(self, node: NodeId) -> LastProbe | None:
        """The newest probe of a node."""
        ...


@dataclass(frozen=True, slots=True)
class Ailing:
    """Something that is not green, and since when it has its colour."""

    kind: Kind
    id: bytes
    name: str
    standing: Standing
    since: int


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """All of it, as of chain time `as_of`."""

    standing: Standing
    as_of: int
    files: Summary
    nodes: Summary
    worst_files: tuple[Ailing, ...]
    worst_nodes: tuple[Ailing, ...]


@dataclass(frozen=True, slots=True)
class NamespaceHealth:
    """A namespace."""

    standing: Standing
    as_of: int
    files: Summary
    worst_files: tuple[Ailing, ...]
    namespace: Tag
    name: str


@dataclass(frozen=True, slots=True)
class NodeOverview:
    """A node now. Without `standing` it has left."""

    condition: NodeCondition
    standing: Standing | None
    since: int
    as_of: int
    probe: LastProbe | None


@dataclass(frozen=True, slots=True)
class SlotOverview:
    """A slot, what is wrong with it, and where its node is."""

    health: SlotHealth
    address: str

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """What is wrong, the gravest first."""
        return self.health.triggers


@dataclass(frozen=True, slots=True)
class FileOverview:
    """A file now. `required` slots must be readable."""

    view: FileView
    standing: Standing
    since: int
    as_of: int
    good: int
    wanted: int
    required: int
    slots: tuple[SlotOverview, ...]


@dataclass(frozen=True, slots=True)
class HealthOverview:
    """Of one owner."""

    probes: Probes
    book: HealthBook
    catalog: Catalog

    def system(self) -> SystemHealth:
        """Everything. UnavailableError before the first look."""
        latest = self._latest()
        return SystemHealth(
            standing=latest.sums[Subject(Kind.SYSTEM)],
            as_of=latest.time,
            files=latest.files,
            nodes=latest.nodes,
            worst_files=self._ailing(latest.worst_files.first()),
            worst_nodes=self._ailing(latest.worst_nodes.first()),
        )

    def namespace(self, view: NamespaceView) -> NamespaceHealth:
        """A namespace. UnavailableError before the first look."""
        latest = self._latest()
        tag = view.record.namespace
        standing, files, worst = latest.namespace(tag)
        return NamespaceHealth(
            standing=standing,
            as_of=latest.time,
            files=files,
            worst_files=self._ailing(worst),
            namespace=tag,
            name=self.catalog.namespace_name(tag),
        )

    def node(self, node: NodeId) -> NodeOverview:
        """A node as it is now."""
        look = self._look()
        condition = look.node(node)
        if condition is None:
            raise NotFoundError(
                f"there is no node {node.hex()}: `xdb-cli nodes list` shows all of them"
            )
        is_left = condition.view.record.state is NodeState.LEFT
        return NodeOverview(
            condition=condition,
            standing=None if is_left else Survey().node(condition.health),
            since=self.book.since(Subject(Kind.NODE, node)),
            as_of=look.now,
            probe=self.probes.probe(node),
        )

    def file(self, view: FileView) -> FileOverview:
        """A file as it is now."""
        look, address_of = self._look(), self.catalog.index.address_of
        health = look.file(view)
        return FileOverview(
            view=view,
            standing=Survey().file(health),
            since=self.book.since(Subject(Kind.FILE, view.record.file)),
            as_of=look.now,
            good=health.good,
            wanted=health.wanted,
            required=health.redundancy.required,
            slots=tuple(SlotOverview(slot, address_of(slot.holding.node)) for slot in health.slots),
        )

    def changes(  # noqa: PLR0913  # what a list may be narrowed by
        self,
        kind: Kind | None = None,
        subject: bytes = b"",
        *,
        since: int = 0,
        until: int | None = None,
        after: bytes = b"",
        limit: int = 100,
    ) -> Page[Change]:
        """Changes of colour, the newest first."""
        return self.book.changes(
            kind=kind, subject=subject, since=since, until=until, after=after, limit=limit
        )

    def name(self, subject: Subject) -> str:
        """A file as `namespace/name`, a namespace's name, a node's address."""
        if subject.kind is Kind.NODE:
            return self.catalog.index.address_of(NodeId(Address(subject.id)))
        if subject.kind is Kind.FILE:
            return self.catalog.title(FileId(subject.id))
        if subject.kind is Kind.NAMESPACE:
            return self.catalog.namespace_name(Tag(subject.id))
        return ""

    def _look(self) -> Look:
        return Viewpoint(self.catalog.index, self.probes).look()

    def _latest(self) -> Latest:
        if self.book.latest is None:
            raise UnavailableError(
                "the owner node has not looked at its files since it started: ask again when "
                "its health task has run; `xdb-cli nodes tasks` shows when that is"
            )
        return self.book.latest

    def _ailing(self, found: tuple[Ill, ...]) -> tuple[Ailing, ...]:
        return tuple(
            Ailing(subject.kind, subject.id, self.name(subject), standing, self.book.since(subject))
            for subject, standing in found
        )
