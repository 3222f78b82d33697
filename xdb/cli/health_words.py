"""Health as people read it in a terminal."""

from collections.abc import Sequence

import click

from xdb.cli import words
from xdb.cli.state import State, terminal_width
from xdb.cli.table import COLOURS, Column, fields, show
from xdb.client.health_records import (
    Ailing,
    Counts,
    FileHealth,
    HealthEvent,
    NamespaceHealth,
    NodeHealth,
    Standing,
    SystemHealth,
    Trigger,
)
from xdb.client.records import Health

_SLOTS = (
    Column("SLOT", right=True),
    Column("NODE"),
    Column("ADDRESS", elastic=True),
    Column("STATE"),
)
_UNIT = 1_000_000


def system_view(at: State, found: SystemHealth, time: float) -> None:
    """Everything."""
    _head(at, "all", found.standing)
    pairs = [("files", counted(found.files)), ("nodes", counted(found.nodes))]
    fields(at, [*pairs, ("as of", words.spelled(found.as_of, time))])
    _advice(at, found.standing, cause=False)
    _ailing(at, "files", found.worst_files, found.files, time)
    _ailing(at, "nodes", found.worst_nodes, found.nodes, time)


def namespace_view(at: State, found: NamespaceHealth, time: float) -> None:
    """A namespace."""
    _head(at, f"namespace {words.printable(found.name)}", found.standing)
    fields(at, [("files", counted(found.files)), ("as of", words.spelled(found.as_of, time))])
    _advice(at, found.standing, cause=False)
    _ailing(at, "files", found.worst_files, found.files, time)


def node_view(at: State, found: NodeHealth, time: float) -> None:
    """A node."""
    _head(at, f"node {found.node.hex()}", found.standing)
    epochs = f"{found.proved:,} proved, {found.failed:,} with a loss, {found.missed:,} missed"
    fields(
        at,
        [
            ("address", found.address),
            ("state", found.state.name.lower()),
            ("score", f"{found.score // _UNIT}.{found.score % _UNIT // 10_000:02d}"),
            ("epochs", epochs),
            ("heartbeats", f"{found.heartbeats:,} of {found.expected:,}"),
            ("last probe", _probe(found, time)),
            ("since", words.spelled(found.since, time) if found.since else ""),
        ],
    )
    if found.probe:
        _paragraph(at, f"probe: {found.probe}", 2)
    _triggers(at, found.triggers, time)
    if found.standing is not None:
        _advice(at, found.standing, cause=False)


def file_view(at: State, found: FileHealth, time: float) -> None:
    """A file and its slots."""
    _head(at, words.printable(f"{found.namespace}/{found.name}"), found.standing)
    fields(
        at,
        [
            ("file", found.file.hex()),
            ("good slots", f"{found.good} of {found.wanted}, {found.required} needed to read it"),
            ("since", words.spelled(found.since, time) if found.since else ""),
        ],
    )
    _advice(at, found.standing, cause=False)
    at.say()
    rows, below = [], []
    for slot in found.slots:
        state = "good" if slot.good else ", ".join(trigger.reason for trigger in slot.triggers)
        rows.append([str(slot.slot), words.short(slot.node), slot.address, state])
        lines = [_trigger(trigger, time, 6) for trigger in slot.triggers]
        below.append("\n".join(lines))
    show(at, _SLOTS, rows, below)


def changes(at: State, found: Sequence[HealthEvent], time: float, *, title: bool) -> None:
    """Changes of colour, the newest first."""
    if found and title:
        at.say()
        at.say(click.style("newest changes", bold=True))
    for event in found:
        id_ = words.short(event.id)
        name = event.name or id_
        what = f"{event.kind.name.lower()} {words.printable(name)}" if event.id else "all"
        became = f"{_colour(event.before)} -> {_colour(event.after)}"
        at.say(f"  {words.moment(event.time)}, {words.relative(event.time, time)}")
        at.say(f"    {what}: {became}")
        _paragraph(at, event.cause, 6)


def counted(counts: Counts) -> str:
    """`3 green, 1 red`."""
    names = ("green", "yellow", "red", "lost")
    return ", ".join(f"{getattr(counts, n):,} {n}" for n in names if getattr(counts, n)) or "none"


def _head(at: State, what: str, standing: Standing | None) -> None:
    colour = "left" if standing is None else _colour(standing.colour)
    at.say(f"{click.style(what, bold=True)}: {colour}")


def _advice(at: State, standing: Standing, *, cause: bool = True, indent: int = 2) -> None:
    if cause:
        _paragraph(at, standing.cause, indent)
    if standing.colour is not Health.GREEN:
        _paragraph(at, f"to do: {standing.remedy}", indent)


def _ailing(at: State, what: str, found: Sequence[Ailing], counts: Counts, time: float) -> None:
    bad = counts.yellow + counts.red + counts.lost
    if not bad:
        return
    at.say()
    more = "" if len(found) == bad else f", {len(found):,} of {bad:,}"
    at.say(click.style(f"{what} that are not green{more}", bold=True))
    for each in found:
        name = words.printable(each.name or each.id.hex())
        age = f", for {words.since(each.since, time)}" if each.since else ""
        at.say(f"  {_colour(each.standing.colour)}  {name}{age}")
        _advice(at, each.standing, indent=4)


def _triggers(at: State, found: Sequence[Trigger], time: float) -> None:
    for trigger in found:
        at.say(_trigger(trigger, time, 2))


def _trigger(trigger: Trigger, time: float, indent: int) -> str:
    text = f"{trigger.reason}, {words.relative(trigger.since, time)}: {trigger.sentence}"
    return words.wrapped(words.printable(text), terminal_width(), indent)


def _paragraph(at: State, text: str, indent: int) -> None:
    at.say(words.wrapped(words.printable(text), terminal_width(), indent))


def _probe(found: NodeHealth, time: float) -> str:
    if found.probed is None:
        return "none yet"
    result = "answered" if found.answered else "no answer"
    return f"{result}, {words.relative(found.probed, time)}"


def _colour(colour: Health) -> str:
    name = colour.name.lower()
    return click.style(name, fg=COLOURS[name])
