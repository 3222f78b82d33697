"""Which contract on which chain: pinned by the configuration, and asked for its parameters."""

from dataclasses import dataclass
from typing import cast

from xdb.blockchain.ethereum.abi import PARAMETERS, read
from xdb.blockchain.ethereum.endpoint import Endpoint
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.interface import PARAMETERS_VIEW
from xdb.blockchain.ethereum.quantities import data, octets_of, quantity
from xdb.blockchain.ethereum.transactions import keccak256
from xdb.core.encoding import decode, encode
from xdb.errors import ConfigError, UnavailableError
from xdb.model.ids import Address, ChainId, Deployment, Digest
from xdb.model.registry import Parameters
from xdb.ports.kv import KeyValue

SLOT = 12
"""Seconds between Ethereum's blocks, when none is missed."""

_KEY = b"d/"


@dataclass(frozen=True, slots=True)
class Pins:
    """What a configuration names."""

    chain: int
    contract: Address
    code: Digest  # Keccak-256 of the contract's code

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        return Deployment(ChainId(self.chain.to_bytes(32, "big")), self.contract)


@dataclass(frozen=True, slots=True)
class Terms:
    """The contract's parameters, with those that are counted in blocks."""

    genesis: int  # number of the block of the deployment; it has height 1
    epoch: int  # blocks
    freeze: int  # blocks
    parameters: Parameters

    def height_of(self, block: int) -> int:
        """A block's height here."""
        return block - self.genesis + 1

    def block_at(self, height: int) -> int:
        """A height's block number."""
        return height + self.genesis - 1

    def epoch_of(self, height: int) -> int:
        """The epoch of a block."""
        return max(0, height - 1) // self.epoch

    def begins(self, epoch: int) -> int:
        """The height of an epoch's first block."""
        return epoch * self.epoch + 1

    def enters(self, height: int) -> int:
        """What enters an address space in a block is drawn in epochs after this one."""
        return (height - 1 + self.freeze) // self.epoch


async def open_terms(endpoints: Endpoints, pins: Pins, kv: KeyValue, slot: int = SLOT) -> Terms:
    """The contract's terms; ConfigError says what differs from the pins.

    A node that knew them before goes by that while no endpoint can be asked.
    """
    known = kv.get(_KEY)
    try:
        await endpoints.refresh()
        block = quantity(endpoints.head.number)
        await _check_code(endpoints, pins, block)
        raw = await endpoints.agreed(
            lambda endpoint: _call(endpoint, pins.contract, PARAMETERS_VIEW.call(), block)
        )
    except UnavailableError:
        if known is None:
            _explain(endpoints, pins)
            raise
        return decode(Terms, known)
    terms = _terms(raw, slot)
    await kv.write({_KEY: encode(terms)}, sync=True)
    return terms


def _explain(endpoints: Endpoints, pins: Pins) -> None:
    """ConfigError when all endpoints are on another chain: waiting does not help."""
    words = list(endpoints.trouble.values())
    if words and all(word.startswith("is on chain ") for word in words):
        raise ConfigError(
            f"chain.chain_id is {pins.chain}, but the endpoints differ: "
            + "; ".join(f"{name} {why}" for name, why in endpoints.trouble.items())
        )


async def _check_code(endpoints: Endpoints, pins: Pins, block: str) -> None:
    async def code_of(endpoint: Endpoint) -> bytes:
        found = await endpoint.call("eth_getCode", data(pins.contract), block)
        return octets_of(found, "a contract's code")

    code = await endpoints.agreed(code_of)
    where = f"0x{pins.contract.hex()} on chain {pins.chain}"
    if not code:
        raise ConfigError(
            f"there is no contract at {where}: correct chain.contract, or wait until its "
            "deployment is in a block"
        )
    found = keccak256(code)
    if found != pins.code:
        raise ConfigError(
            f"the contract at {where} has the code 0x{found.hex()}, chain.code_hash is "
            f"0x{pins.code.hex()}: it is another contract; correct chain.contract or "
            "chain.code_hash only if you know why"
        )


async def _call(endpoint: Endpoint, to: Address, call: bytes, block: str) -> bytes:
    request = {"to": data(to), "data": data(call)}
    return octets_of(await endpoint.call("eth_call", request, block), "parameters")


def _terms(raw: bytes, slot: int) -> Terms:
    values = cast("tuple[int, ...]", read((PARAMETERS,), raw)[0])
    genesis, start, epoch, freeze, leaves, leaf_size, window, *times = values
    retention, validity, grace, unreachable, notice, *limits = times
    slots, files, label, text, lifetime = limits
    parameters = Parameters(
        start=start,
        epoch=epoch * slot,
        leaves_per_epoch=leaves,
        leaf_size=leaf_size,
        # Proofs are the signs of life here; none other is expected within a window.
        heartbeat=2 * window * epoch * slot,
        health_window=window,
        retention=retention,
        receipt_validity=validity,
        stray_grace=grace,
        unreachable=unreachable,
        notice=notice,
        max_slots=slots,
        max_files_per_call=files,
        max_label=label,
        max_text=text,
        max_lifetime=lifetime,
    )
    return Terms(genesis, epoch, freeze, parameters)
