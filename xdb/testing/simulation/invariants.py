"""What must hold in every simulated network; the numbers are those of docs/assurance.md."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from xdb.index.index import Index
from xdb.index.views import AuditView, FileView, Page
from xdb.model.health import Verdict
from xdb.model.ids import NodeId
from xdb.model.registry import Parameters
from xdb.testing.simulation.clock import START
from xdb.testing.simulation.oversight import Oversight, ViolationError

T = TypeVar("T")

MOST_TASKS = 200
"""Tasks of one node that are under way at once, when nothing is asked of it."""


def check(oversight: Oversight, since: int = 0) -> None:
    """What holds all the time: blame, distinct holders, an index that understands everything.

    `since` is the first epoch whose verdicts are looked at.
    """
    index = oversight.index
    if index is None:
        return
    if index.poisoned:
        raise ViolationError(f"{index.poisoned} events made no sense to the index")
    failed = {audit.node for audit in audits(index, Verdict.FAILED, since)}
    if blamed := failed.difference(oversight.account.harmed):
        raise ViolationError(f"nodes that lost nothing are said to have failed: {_names(blamed)}")
    for view in oversight.views():
        if len(set(view.record.holders)) < len(view.record.holders):
            raise ViolationError(f"file {view.record.file.hex()} has two slots on one node")


def check_misses(oversight: Oversight) -> None:
    """A node that was there for a whole epoch, and could reach all, proved what it was asked."""
    index, account = oversight.index, oversight.account
    if index is None:
        return
    for audit in audits(index, Verdict.MISSED):
        first, last = epoch_of(index.parameters, audit.epoch)
        if not account.was_in_trouble(audit.node, first, last):
            raise ViolationError(
                f"node {audit.node.hex()} had no trouble between {first:.0f} s and {last:.0f} s "
                f"and is said to have missed epoch {audit.epoch}"
            )


def check_voids(oversight: Oversight) -> None:
    """No epoch says nothing while most of those it asked were there and could reach all."""
    index, account = oversight.index, oversight.account
    if index is None:
        return
    asked: dict[int, list[bool]] = {}
    for audit in audits(index, Verdict.VOID):
        first, last = epoch_of(index.parameters, audit.epoch)
        excused = account.was_in_trouble(audit.node, first, last)
        asked.setdefault(audit.epoch, []).append(excused)
    for epoch, excuses in sorted(asked.items()):
        if 2 * sum(excuses) < len(excuses):
            raise ViolationError(
                f"epoch {epoch} is void, and {sum(excuses)} of {len(excuses)} nodes had trouble"
            )


def check_bounds(oversight: Oversight) -> None:
    """Nothing piles up in nodes, and no slot was moved about more often than fate gave cause."""
    for node in oversight.world.storage.values():
        if node.life is not None and len(node.life.tasks) > MOST_TASKS:
            raise ViolationError(f"{node.name} has {len(node.life.tasks)} tasks under way")
    index = oversight.index
    if index is None:
        return
    moves: dict[tuple[bytes, int], int] = {}
    for view in pages(lambda after: index.migrations.listed(after=after)):
        moves[view.file, view.slot] = moves.get((view.file, view.slot), 0) + 1
    causes = len(oversight.account.troubles) + len(oversight.account.harmed)
    if moves and max(moves.values()) > causes:
        raise ViolationError(f"a slot moved {max(moves.values())} times, with {causes} causes")


def check_once(oversight: Oversight) -> None:
    """No operation took effect twice: every live file was asked for."""
    index, account = oversight.index, oversight.account
    if index is None:
        return
    owner = oversight.world.owner.key.address
    live = pages(lambda after: index.files(owner, after=after))
    known = account.files.keys() | account.doubtful.keys() | account.ended.keys()
    unknown = [view.record.file for view in live if view.record.file not in known]
    if len(unknown) > account.unsure:
        raise ViolationError(f"{len(unknown)} live files, and {account.unsure} unsure uploads")


def check_left_over(oversight: Oversight, before: int) -> None:
    """Disks hold what records name, and of what ended `before` that chain time, nothing."""
    index, account = oversight.index, oversight.account
    if index is None:
        return
    for node in oversight.world.storage.values():
        if node.node is None:
            continue
        for file, slot, _ in node.node.store.catalog.slots():
            view = index.file(file)
            named = view is not None and view.record.holders[slot - 1 : slot]
            kept = account.ended.get(file) or account.doubtful.get(file)
            is_young = kept is not None and kept.expiry >= before
            if not is_young and (not named or named[0] != node.key.node):
                raise ViolationError(f"{node.name} keeps slot {slot} of {file.hex()} for nobody")


def audits(index: Index, verdict: Verdict, since: int = 0) -> Iterator[AuditView]:
    """All with a verdict, of an epoch and those behind it."""
    return pages(lambda after: index.audits.listed(verdict=verdict, since=since, after=after))


def pages(listed: Callable[[bytes], Page[T]]) -> Iterator[T]:
    """Everything in a list."""
    after = b""
    while True:
        page = listed(after)
        yield from page.items
        after = page.next
        if not after:
            return


def check_kept(oversight: Oversight, view: FileView) -> None:
    """Until retention is over, whoever lost nothing has what it holds of a file that ended."""
    world, account = oversight.world, oversight.account
    gone = view.record.gone(world.chain.parameters.retention)
    for slot in oversight.bad_slots(view):
        node = world.storage[view.record.holders[slot - 1]]
        excused = node.key.node in account.harmed or not node.is_up or slot in view.lost
        if not excused and world.chain.time < gone:
            raise ViolationError(f"{node.name} removed what may be brought back")


def epoch_of(parameters: Parameters, epoch: int) -> tuple[float, float]:
    """When an epoch begins and ends, in seconds of the run."""
    first = parameters.start_of(epoch) - START
    return first, first + parameters.epoch


def _names(nodes: set[NodeId]) -> str:
    return ", ".join(sorted(node.hex() for node in nodes))
