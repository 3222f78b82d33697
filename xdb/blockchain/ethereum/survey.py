"""A deployment as its endpoints show it now, for people; and ether from one key to another."""

from collections.abc import Mapping
from dataclasses import dataclass

from xdb.blockchain.ethereum.broadcast import Taken
from xdb.blockchain.ethereum.config import FeeConfig
from xdb.blockchain.ethereum.deployment import Pins
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.fees import ether, offer
from xdb.blockchain.ethereum.market import AccountView
from xdb.blockchain.ethereum.receipts import Receipt
from xdb.blockchain.ethereum.transactions import Draft, sign_transaction
from xdb.errors import TimeoutExpiredError, UnavailableError
from xdb.model.ids import Address, Digest
from xdb.ports.clock import Clock
from xdb.ports.keys import Signer

PATIENCE, LOOK = 300.0, 1.0
"""Seconds until a transfer must be in a block, and between looks."""
TRANSFER_GAS = 21_000


@dataclass(frozen=True, slots=True)
class Account:
    """A key that pays for calls."""

    name: str
    address: Address
    balance: int  # wei
    pending: int  # transactions that wait for a block


@dataclass(frozen=True, slots=True)
class Survey:
    """A chain by enough endpoints."""

    chain: int
    head: int
    final: int
    time: int  # of the head
    base_fee: int  # wei
    endpoints: Mapping[str, str]  # why one is set aside, or nothing, by its name
    accounts: tuple[Account, ...]


async def survey(endpoints: Endpoints, pins: Pins, keys: Mapping[str, Address]) -> Survey:
    """What the endpoints agree on, and what they know of `keys`."""
    head, final = endpoints.head, endpoints.final
    if final is None:
        raise UnavailableError("the endpoints agree on no final block yet: let them catch up")
    accounts = [await _account(endpoints, name, key) for name, key in keys.items()]
    return Survey(
        chain=pins.chain,
        head=head.number,
        final=final.number,
        time=head.time,
        base_fee=head.base_fee,
        endpoints={name: endpoints.trouble.get(name, "") for name in endpoints.names},
        accounts=tuple(accounts),
    )


async def transfer(  # noqa: PLR0913, PLR0917  # from whom, to whom, how much
    endpoints: Endpoints, chain: int, payer: Signer, to: Address, wei: int, clock: Clock
) -> Receipt:
    """Sends ether, and says where that is; UnavailableError when nothing was sent.

    TimeoutExpiredError when it is in no block in time: look before you repeat it.
    """
    view = AccountView(endpoints, payer.address)
    price = offer(await view.market(), FeeConfig())
    balance, most = await view.balance(), wei + TRANSFER_GAS * price.fee
    if balance < most:
        raise UnavailableError(
            f"0x{payer.address.hex()} has {ether(balance)} and this takes up to {ether(most)}: "
            f"nothing was sent; send ether to this address on chain {chain}, or send less"
        )
    nonce = await view.pending_nonce()
    draft = Draft(chain, nonce, price.tip, price.fee, TRANSFER_GAS, to, b"", wei)
    sent = sign_transaction(draft, payer)
    taken, words = await view.broadcast(sent.raw)
    # An answer that was lost says nothing: then the transfer may be in a block all the same.
    if taken not in {Taken.YES, Taken.UNKNOWN}:
        raise UnavailableError(f"no endpoint took the transfer ({words}): nothing was sent")
    receipt = await _included(view, sent.hash, clock, "" if taken is Taken.YES else words)
    if not receipt.succeeded:
        raise UnavailableError(
            f"the transfer 0x{sent.hash.hex()} failed: 0x{to.hex()} takes no ether with "
            f"{TRANSFER_GAS} gas; it is no key's address"
        )
    return receipt


async def _included(view: AccountView, transfer: Digest, clock: Clock, words: str) -> Receipt:
    end = clock.monotonic() + PATIENCE
    while clock.monotonic() < end:
        receipt = await view.receipt([transfer])
        if receipt is not None:
            return receipt
        await clock.sleep(LOOK)
    raise TimeoutExpiredError(
        f"the transfer 0x{transfer.hex()} is in no block after {PATIENCE:g} s"
        f"{f' ({words})' if words else ''}: look again before you repeat it"
    )


async def _account(endpoints: Endpoints, name: str, address: Address) -> Account:
    view = AccountView(endpoints, address)
    used = await view.next_nonce(endpoints.head.number)
    return Account(name, address, await view.balance(), max(0, await view.pending_nonce() - used))
