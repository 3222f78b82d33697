"""`xdb-cli chain`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.chain_config import config_of, key_of
from xdb.cli.documents import document
from xdb.cli.lazy import LazyGroup, Verb
from xdb.cli.parsing import Parsed
from xdb.cli.session import converse, now
from xdb.cli.state import common, connected, placed, state
from xdb.cli.table import fields
from xdb.config.units import parse_amount
from xdb.core.names import parse_hex

if TYPE_CHECKING:
    from xdb.blockchain.ethereum.survey import Account

VERBS = {
    "status": Verb("xdb.cli.chain:status", "Show the chain as the owner node sees it."),
    "params": Verb("xdb.cli.chain:params", "Show the registry's parameters."),
    "deploy": Verb("xdb.cli.chain:deploy", "Deploy a new registry on Ethereum."),
    "fund": Verb("xdb.cli.chain:fund", "Send ether to an address."),
}
_PATH = click.Path(path_type=Path)
_NODE = click.argument("node", required=False)
_CONFIG = click.option(
    "--config", type=_PATH, metavar="FILE", help="A storage or owner node's configuration."
)
_AMOUNT = Parsed("AMOUNT", parse_amount)
_ADDRESS = Parsed("ADDRESS", lambda text: parse_hex(text, 20, "address"))
_PERIODS = frozenset({
    "epoch", "heartbeat", "retention", "receipt_validity", "stray_grace", "unreachable",
    "notice", "envelope_lifetime", "max_lifetime",
})  # fmt: skip


@click.command(cls=LazyGroup, verbs=VERBS, short_help="The chain: status, params, deploy, fund.")
def chain() -> None:
    """The chain."""


@click.command(short_help="Show the chain as the owner node sees it.")
@_NODE
@_CONFIG
@connected
def status(node: str | None, config: Path | None) -> None:
    """Show which chain the owner node follows, how far it is, and the owner node itself.

    With NODE, a member of the testnet that the context belongs to, or --config: the
    registry on Ethereum that the node follows, as its endpoints show it, and the ether of
    its keys. The node need not run.
    """
    if node is None and config is None:
        _status_of_owner()
    else:
        _status_of_endpoints(node, config)


def _status_of_owner() -> None:
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


def _status_of_endpoints(node: str | None, file: Path | None) -> None:
    from xdb.blockchain.ethereum.fees import gwei  # noqa: PLC0415  # not for --help
    from xdb.node.chains import look  # noqa: PLC0415  # likewise

    at = state()
    config = config_of(at, node, file)
    found, access = look(config), config.chain.ethereum
    lag = found.head - found.final
    pinned = {"contract": access.address.hex(), "code_hash": access.code.hex(), "lag": lag}
    at.document({**document(found), **pinned})
    fields(
        at,
        [
            ("chain", f"{found.chain}"),
            ("contract", f"0x{access.address.hex()}"),
            ("code hash", f"0x{access.code.hex()}, as pinned"),
            ("head", f"{found.head:,}, {max(0, now() - found.time):.0f} s old"),
            ("final", f"{found.final:,}, {lag:,} blocks behind the head"),
            ("base fee", gwei(found.base_fee)),
            *((f"endpoint {name}", why or "agrees") for name, why in found.endpoints.items()),
            *((f"key {each.name}", _account(each)) for each in found.accounts),
        ],
        indent="",
    )


def _account(account: "Account") -> str:
    from xdb.blockchain.ethereum.fees import ether  # noqa: PLC0415  # not for --help

    waiting = words.plural(account.pending, "transaction")
    text = f"0x{account.address.hex()} has {ether(account.balance)}, {waiting} waiting"
    return text if account.balance else f"{text}: send ether to it, or its calls cannot be paid"


@click.command(short_help="Show the registry's parameters.")
@_NODE
@_CONFIG
@placed
def params(node: str | None, config: Path | None) -> None:
    """Show what the registry was made with, on either kind of chain.

    NODE is a member of the testnet that the context belongs to, by default its owner;
    others need --config.
    """
    from xdb.node.chains import parameters  # noqa: PLC0415  # not for --help

    at = state()
    found, terms = parameters(config_of(at, node, config).chain)
    blocks = {} if terms is None else {"epoch_blocks": terms.epoch, "freeze_blocks": terms.freeze}
    values = document(found)
    at.document({**values, **blocks})
    shown = [(name.replace("_", " "), f"{value:,}") for name, value in blocks.items()]
    for name, value in values.items():
        if isinstance(value, int):
            text = f"{value:,}" if name not in _PERIODS else f"{value:,} s"
            shown.append((name.replace("_", " "), str(value) if name == "start" else text))
    fields(at, shown, indent="")


@click.command(short_help="Deploy a new registry on Ethereum.")
@click.option("--endpoint", required=True, metavar="URL", help="JSON-RPC over HTTP.")
@click.option("--chain-id", type=int, help="Deploy nowhere else.")
@click.option("--keystore", type=_PATH, required=True, metavar="FILE", help="Whose key pays.")
@click.option("--key-password-file", type=_PATH, required=True, metavar="FILE")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter other than its default, such as epoch=600 (blocks).",
)
@common
def deploy(
    endpoint: str,
    chain_id: int | None,
    keystore: Path,
    key_password_file: Path,
    settings: tuple[str, ...],
) -> None:
    """Deploy a new registry, once in the life of a network; print what nodes have to pin.

    The same as `xdb-node registry`.
    """
    from xdb.config.sections import KeyConfig  # noqa: PLC0415  # not for --help
    from xdb.node import registry  # noqa: PLC0415  # likewise

    at = state()
    key = KeyConfig(keystore, key_password_file)
    pins = registry.deploy(registry.Order(endpoint, key, settings, chain_id))
    at.document({
        "chain_id": pins.chain,
        "contract": pins.contract.hex(),
        "code_hash": pins.code.hex(),
    })  # fmt: skip
    at.say(registry.section(pins).rstrip())
    at.note("give everybody these lines; each adds endpoints of its own")


@click.command(short_help="Send ether to an address.")
@click.argument("to", type=_ADDRESS)
@click.argument("amount", type=_AMOUNT)
@click.option("--keystore", type=_PATH, metavar="FILE", help="Whose key pays.")
@click.option("--key-password-file", type=_PATH, metavar="FILE")
@_CONFIG
@placed
def fund(
    to: bytes,
    amount: int,
    keystore: Path | None,
    key_password_file: Path | None,
    config: Path | None,
) -> None:
    """Send AMOUNT, such as "0.05 ether", to the address TO, and wait until it is in a block.

    On the chain that a node's configuration names. In a testnet neither that nor a key has
    to be named: the testnet has one that is rich.
    """
    from xdb.blockchain.ethereum.fees import ether  # noqa: PLC0415  # not for --help
    from xdb.model.ids import Address  # noqa: PLC0415  # likewise
    from xdb.node.chains import fund as send  # noqa: PLC0415  # likewise

    at = state()
    access = config_of(at, None, config).chain
    payer = key_of(at, keystore, key_password_file)
    receipt = send(access, payer, Address(to), amount)
    at.document({
        "payer": payer.address.hex(),
        "to": to.hex(),
        "wei": amount,
        "transaction": receipt.transaction.hex(),
        "block": receipt.number,
    })  # fmt: skip
    at.say(f"0x{to.hex()}: {ether(amount)} more, in block {receipt.number:,}")
