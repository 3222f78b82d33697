"""`xdb-cli migrations` and `xdb-cli audits`."""

from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.exits import Exit
from xdb.cli.lazy import LazyGroup, Verb
from xdb.cli.node import named
from xdb.cli.session import converse
from xdb.cli.state import State, connected, state, terminal_width
from xdb.cli.table import Column, fields, show
from xdb.client.health_records import AuditFinding, AuditReport

if TYPE_CHECKING:
    from xdb.client import Client

MIGRATIONS = {
    "list": Verb("xdb.cli.migration:list_", "List slots that changed hands."),
    "plan": Verb("xdb.cli.care:plan", "What repair would do now."),
    "run": Verb("xdb.cli.care:run", "Repair now."),
}
AUDITS = {
    "list": Verb("xdb.cli.audit:list_", "List what epochs said of nodes."),
    "show": Verb("xdb.cli.audit:show_", "Show one audit."),
    "run": Verb("xdb.cli.care:audit", "Probe nodes now."),
}

_FINDINGS = (
    Column("NODE"),
    Column("ANSWERED"),
    Column("LEAVES RIGHT", right=True),
    Column("WRONG", right=True),
    Column("DAMAGED SLOTS", right=True),
)


@click.command(cls=LazyGroup, verbs=MIGRATIONS, short_help="Repair: list, plan, run.")
def migrations() -> None:
    """Repair: slots that are restored, moved or added."""


@click.command(cls=LazyGroup, verbs=AUDITS, short_help="Proofs and probes: list, show, run.")
def audits() -> None:
    """Audits: in every epoch each node proves on the chain that it holds what it should.

    Between epochs your owner node probes them: do they answer, and show what they hold?
    """


@click.command(short_help="What repair would do now.")
@connected
def plan() -> None:
    """Show what repair would do now, in order, and what waits and why. Nothing is done."""
    at = state()
    found = converse(at, lambda client: client.migrations.plan())
    at.document(document(found))
    if not found.steps and not found.waiting:
        at.note("nothing to repair")
    if found.steps:
        _title(at, f"{words.plural(len(found.steps), 'step')}, in this order")
    for number, step in enumerate(found.steps, start=1):
        at.say(_line(f"{number}. {step.sentence}", 5, 2))
    if found.waiting:
        first = len(found.deferred)
        more = "" if first == found.waiting else f", the first {first:,}"
        _title(at, f"{words.plural(found.waiting, 'slot')} waiting{more}")
    for each in found.deferred:
        at.say(_line(f"- {each.sentence}", 4, 2))


@click.command(short_help="Repair now.")
@connected
def run() -> Exit:
    """Do one cycle of repair now and show what came of it.

    It takes as long as the bytes need that it moves; a cycle that runs already is waited for.
    """
    at = state()
    found = converse(at, lambda client: client.migrations.run())
    at.document(document(found))
    done = [
        ("restored", found.restored),
        ("moved", found.moved),
        ("handed over", found.handed_over),
        ("extended", found.extended),
        ("shrunk", found.shrunk),
        ("out of date", found.out_of_date),
        ("waiting", found.deferred),
    ]
    fields(at, [(name, words.plural(count, "slot")) for name, count in done if count])
    if not any(count for _, count in done) and not found.problems:
        at.note("nothing to repair")
    for problem in found.problems:
        at.fail(words.printable(problem))
    return Exit.PARTLY if found.problems else Exit.OK


@click.command("run", short_help="Probe nodes now.")
@click.option("--node", metavar="NODE", help="Only this one: its id or address.")
@connected
def audit(node: str | None) -> Exit:
    """Ask nodes for random leaves of what they hold, and for what they know to be damaged."""
    at = state()

    async def body(client: "Client") -> AuditReport:
        return await client.audits.run(None if node is None else await named(client, node))

    found = converse(at, body)
    at.document(document(found))
    if found.findings:
        rows = [_row(finding) for finding in found.findings]
        below = [_below(finding) for finding in found.findings]
        if not at.json:
            show(at, _FINDINGS, rows, below)
    elif not found.problems:
        at.note("there are no nodes to probe")
    if found.note:
        at.note(words.printable(found.note))
    for problem in found.problems:
        at.fail(words.printable(problem))
    return Exit.PARTLY if found.problems else Exit.OK


def _row(finding: AuditFinding) -> list[str]:
    answered = "yes" if finding.answered else "no"
    counts = (finding.right, finding.wrong, len(finding.damaged))
    return [words.short(finding.node), answered, *(f"{count:,}" for count in counts)]


def _below(finding: AuditFinding) -> str:
    lines = [_line(finding.text, 4)] if finding.text else []
    lines += [f"    slot {each.slot} of file {each.file.hex()}" for each in finding.damaged]
    return "\n".join(lines)


def _title(at: State, text: str) -> None:
    at.say(click.style(text, bold=True))


def _line(text: str, indent: int, first: int | None = None) -> str:
    return words.wrapped(words.printable(text), terminal_width(), indent, first)
