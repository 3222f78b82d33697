"""Deploys the registry's contract: once in the life of a network."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from eth_abi.abi import encode

from xdb.blockchain.ethereum.abi import PARAMETERS
from xdb.blockchain.ethereum.config import FeeConfig
from xdb.blockchain.ethereum.deployment import SLOT, Pins
from xdb.blockchain.ethereum.endpoint import Endpoint
from xdb.blockchain.ethereum.fees import Market, ether, offer
from xdb.blockchain.ethereum.market import usual_tip
from xdb.blockchain.ethereum.quantities import data, number_of, octets_of, quantity
from xdb.blockchain.ethereum.receipts import Receipt, read_receipt
from xdb.blockchain.ethereum.refusals import reason_of, refusal_of
from xdb.blockchain.ethereum.rpc import RpcError
from xdb.blockchain.ethereum.transactions import Draft, Signed, keccak256, rlp, sign_transaction
from xdb.blockchain.ethereum.transactions import number as rlp_number
from xdb.errors import ConfigError, TimeoutExpiredError, UnavailableError
from xdb.model.ids import Address, Digest
from xdb.model.registry import Parameters
from xdb.ports.keys import Signer

ARTIFACT = Path(__file__).parent / "artifacts" / "Registry.json"
DAY, HOUR = 86400, 3600
PATIENCE, LOOK = 600.0, 2.0
"""Seconds until the deployment must be in a block, and between looks."""
_MARGIN = 10  # percent of gas


@dataclass(frozen=True, slots=True)
class Founding:
    """What a registry is deployed with; epochs are counted in blocks."""

    epoch: int = 7200
    freeze: int = 64  # blocks before an epoch in which nothing is added to its draws
    parameters: Parameters = field(
        default_factory=lambda: Parameters(
            start=0,  # the contract's own: the time of its block
            epoch=7200 * SLOT,
            leaves_per_epoch=5,
            leaf_size=256,
            health_window=7,
            receipt_validity=6 * HOUR,
            stray_grace=2 * DAY,
            unreachable=6 * HOUR,
        )
    )


def initcode(founding: Founding) -> bytes:
    """What a deployment sends."""
    p = founding.parameters
    values = (
        0,  # the constructor fills in block and time of the deployment
        0,
        founding.epoch,
        founding.freeze,
        p.leaves_per_epoch,
        p.leaf_size,
        p.health_window,
        p.retention,
        p.receipt_validity,
        p.stray_grace,
        p.unreachable,
        p.notice,
        p.max_slots,
        p.max_files_per_call,
        p.max_label,
        p.max_text,
        p.max_lifetime,
    )
    code: str = json.loads(ARTIFACT.read_text(encoding="utf-8"))["bytecode"]
    return bytes.fromhex(code.removeprefix("0x")) + encode((PARAMETERS,), (values,))


async def found(
    endpoint: Endpoint, signer: Signer, founding: Founding, fees: FeeConfig | None = None
) -> Pins:
    """Deploys a registry, paid by `signer`, and says what to pin.

    ConfigError when the contract refuses the parameters, UnavailableError without ether for it,
    TimeoutExpiredError when it is in no block in time: look before you repeat it.
    """
    chain, octets = await endpoint.chain(), initcode(founding)
    nonce = number_of(
        await endpoint.call("eth_getTransactionCount", data(signer.address), "latest"), "a nonce"
    )
    head = await endpoint.header("latest")
    if head is None:
        raise UnavailableError(f"{endpoint.name} has no block: let it catch up")
    price = offer(Market(head.base_fee, await usual_tip(endpoint)), fees or FeeConfig())
    gas = await _gas(endpoint, signer.address, octets)
    await _check_affordable(endpoint, signer.address, gas * price.fee, chain)
    draft = Draft(chain, nonce, price.tip, price.fee, gas, Address(b""), octets)
    sent = sign_transaction(draft, signer)
    await endpoint.call("eth_sendRawTransaction", data(sent.raw))
    receipt = await _included(endpoint, sent)
    if not receipt.succeeded:
        raise UnavailableError(f"the deployment 0x{sent.hash.hex()} failed: nothing was deployed")
    contract = contract_of(signer.address, nonce)
    code = octets_of(
        await endpoint.call("eth_getCode", data(contract), quantity(receipt.number)), "code"
    )
    return Pins(chain, contract, Digest(keccak256(code)))


def contract_of(deployer: Address, nonce: int) -> Address:
    """The address of what a transaction deploys."""
    return Address(keccak256(rlp([deployer, rlp_number(nonce)]))[-20:])


async def _gas(endpoint: Endpoint, payer: Address, octets: bytes) -> int:
    # At a price of nothing, so that a payer without ether is told so and not of a failed call.
    request = {"from": data(payer), "data": data(octets), "gasPrice": quantity(0)}
    try:
        found = await endpoint.call("eth_estimateGas", request)
    except RpcError as error:
        if not error.data and "revert" not in error.message.lower():
            raise UnavailableError(
                f"{endpoint.name} cannot try the deployment ({error}): nothing was sent; try "
                "another endpoint"
            ) from error
        known = refusal_of(error.data)
        why = str(known) if known else f"the contract refuses them ({reason_of(error.data)})"
        raise ConfigError(
            f"a registry cannot have these parameters: {why}; choose others with --set"
        ) from error
    return number_of(found, "gas") * (100 + _MARGIN) // 100


async def _check_affordable(endpoint: Endpoint, payer: Address, cost: int, chain: int) -> None:
    found = await endpoint.call("eth_getBalance", data(payer), "latest")
    balance = number_of(found, "a balance")
    if balance < cost:
        raise UnavailableError(
            f"0x{payer.hex()} has {ether(balance)} and the deployment may take {ether(cost)}: "
            f"nothing was sent; send ether to this address on chain {chain}"
        )


async def _included(endpoint: Endpoint, sent: Signed) -> Receipt:
    end = endpoint.clock.monotonic() + PATIENCE
    while endpoint.clock.monotonic() < end:
        found = await endpoint.call("eth_getTransactionReceipt", data(sent.hash))
        receipt = read_receipt(found)
        if receipt is not None:
            return receipt
        await endpoint.clock.sleep(LOOK)
    raise TimeoutExpiredError(
        f"the deployment 0x{sent.hash.hex()} is in no block after {PATIENCE:g} s: look again "
        "before you repeat it"
    )
