"""`xdb-cli chain`."""

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.lazy import LazyGroup, Verb
from xdb.cli.session import converse, now
from xdb.cli.state import connected, state
from xdb.cli.table import fields

VERBS = {"status": Verb("xdb.cli.chain:status", "Show the chain as the owner node sees it.")}


@click.command(cls=LazyGroup, verbs=VERBS, short_help="The chain: status.")
def chain() -> None:
    """The chain."""


@click.command(short_help="Show the chain as the owner node sees it.")
@connected
def status() -> None:
    """Show which chain the owner node follows, how far it is, and the owner node itself."""
    at = state()
    found = converse(at, lambda client: client.status())
    at.document(document(found))
    fields(
        at,
        [
            ("chain", found.deployment.chain.hex()),
            ("contract", found.deployment.contract.hex()),
            ("height", f"{found.height:,}"),
            ("chain time", words.spelled(found.chain_time, now())),
            ("retention", words.span(found.retention)),
            ("owner", found.owner.hex()),
            ("owner node", f"version {found.version}"),
            ("slice size", words.size(found.slice_size)),
            ("open uploads", f"{found.open_uploads:,}"),
        ],
        indent="",
    )
