"""Health: an owner node looks at nodes and files, and keeps every change of colour."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice

from xdb.core.health import Survey, changes, counted
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.health import Change, Colour, Kind, Standing, Subject, Summary
from xdb.model.ids import Address, NodeId
from xdb.model.registry import NodeState
from xdb.ports.clock import Clock
from xdb.runtime.logging import Log
from xdb.services.health.book import HealthBook
from xdb.services.health.latest import Latest
from xdb.services.health.look import Look, Observed, Viewpoint
from xdb.services.turns import Turns

PAGE = 50
"""Files and nodes between which others get their turn."""
TURN = 500
"""Entries of the book between which they do."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Colours of nodes and of live files, and how many changed."""

    nodes: Summary
    files: Summary
    changed: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthTask:
    """Over all nodes, and the files of one owner."""

    owner: Address
    index: Index
    observed: Observed
    book: HealthBook
    clock: Clock
    log: Log

    async def run_once(self) -> HealthReport:
        """One look at everything."""
        look = Viewpoint(self.index, self.observed).look()
        round_ = _Round(self.book, look, Latest(look.now))
        async for page in self._pages(round_):
            await self._note(round_, page)
        await self._note(round_, round_.summed_up())
        await self.book.write((), [each async for each in self._gone(round_)])
        found = self.book.latest = round_.latest
        return HealthReport(found.nodes, found.files, round_.changed, tuple(round_.problems))

    async def _pages(self, round_: "_Round") -> AsyncIterator[dict[Subject, Standing]]:
        turns = Turns(self.clock)
        after = b""
        while page := self.index.nodes(after=after, limit=PAGE):
            after = page[-1].record.node
            yield dict(
                round_.nodes([v.record.node for v in page if v.record.state is not NodeState.LEFT])
            )
        after = b""
        while True:
            files = self.index.files(self.owner, after=after, limit=PAGE, problems=round_.problems)
            yield dict(round_.files(files.items))
            after = files.next
            if not after:
                return
            await turns.rest()

    async def _gone(self, round_: "_Round") -> AsyncIterator[Subject]:
        """What was not green once and is no more, or not of this owner."""
        after = None
        while page := list(islice(self.book.coloured(after), TURN)):
            for each in page:
                if each not in round_.met:
                    yield each
            after = page[-1]
            await self.clock.sleep(0)

    async def _note(self, round_: "_Round", found: dict[Subject, Standing]) -> None:
        changed = round_.changes(found)
        await self.book.write(changed)
        for change in changed:
            self.log.info(
                "health.changed",
                kind=change.subject.kind.name.lower(),
                id=change.subject.id.hex(),
                before=change.before.name.lower(),
                after=change.after.name.lower(),
                cause=change.cause,
                remedy=change.remedy,
            )


@dataclass(slots=True)
class _Round:
    """One look under way. `met` are the subjects that are not green."""

    book: HealthBook
    look: Look
    latest: Latest
    survey: Survey = field(default_factory=Survey)
    met: set[Subject] = field(default_factory=set)
    changed: int = 0
    problems: list[str] = field(default_factory=list)

    def nodes(self, nodes: list[NodeId]) -> Iterator[tuple[Subject, Standing]]:
        for node in nodes:
            condition = self.look.node(node)
            if condition is not None:
                subject, standing = Subject(Kind.NODE, node), self.survey.node(condition.health)
                self.latest.node(subject, standing)
                yield subject, standing

    def files(self, views: tuple[FileView, ...]) -> Iterator[tuple[Subject, Standing]]:
        for view in views:
            file = view.record.file
            try:
                standing = self.survey.file(self.look.file(view))
            except (ValueError, LookupError) as error:  # one record must not hide the others
                self.problems.append(f"file {file.hex()}: {error!r}")
                continue
            subject = Subject(Kind.FILE, file)
            self.latest.file(subject, view.record.namespace, standing)
            yield subject, standing

    def summed_up(self) -> dict[Subject, Standing]:
        survey, latest = self.survey, self.latest
        latest.sums = survey.sums()
        latest.nodes, latest.files = counted(survey.nodes), counted(survey.files)
        latest.namespaces = {tag: counted(each) for tag, each in survey.namespaces.items()}
        return latest.sums

    def changes(self, found: dict[Subject, Standing]) -> tuple[Change, ...]:
        before = {subject: self.book.colour(subject) for subject in found}
        changed = changes(before, found, self.look.now)
        self.changed += len(changed)
        self.met |= {each for each, is_ in found.items() if is_.colour is not Colour.GREEN}
        return changed
