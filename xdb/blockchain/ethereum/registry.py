"""The registry contract as one identity uses it."""

from contextlib import suppress
from dataclasses import dataclass

from xdb.blockchain.ethereum.calldata import calldata
from xdb.blockchain.ethereum.config import FeeConfig, SendConfig
from xdb.blockchain.ethereum.deployment import Pins, Terms
from xdb.blockchain.ethereum.endpoint import Endpoint
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.interface import REVEAL_SEED
from xdb.blockchain.ethereum.quantities import data, number_of, octets_of, quantity
from xdb.blockchain.ethereum.receipts import Receipt
from xdb.blockchain.ethereum.refusals import reason_of, refusal_of
from xdb.blockchain.ethereum.rpc import RpcError
from xdb.blockchain.ethereum.seeds import header_bytes
from xdb.blockchain.ethereum.sender import Sender, Sent
from xdb.blockchain.ethereum.store import BlockStore
from xdb.blockchain.ethereum.transactions import keccak256
from xdb.blockchain.waiting import within
from xdb.errors import (
    IntegrityError,
    RefusedCallError,
    TimeoutExpiredError,
    UnavailableError,
)
from xdb.model.calls import (
    Call,
    CreateNamespace,
    Extend,
    Move,
    Prove,
    Publish,
    RegisterNode,
    RevealSeed,
)
from xdb.model.ids import Address, Deployment
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.ports.blockchain import Inclusion
from xdb.ports.clock import Clock

_ONCE = (RegisterNode, CreateNamespace, Publish, Extend, Move, Prove, RevealSeed)
"""Calls of which a second one would be refused."""


@dataclass(frozen=True, slots=True)
class EthereumRegistry:
    """`Registry` of one identity. Whoever returns from `submit` finds the call in `store`.

    A call is tried without a transaction first: what would be refused costs nothing.
    """

    pins: Pins
    terms: Terms
    endpoints: Endpoints
    store: BlockStore
    sender: Sender
    address: Address
    clock: Clock
    fees: FeeConfig
    config: SendConfig

    @property
    def deployment(self) -> Deployment:
        """See `Registry`."""
        return self.pins.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Registry`."""
        return self.terms.parameters

    async def submit(self, call: Call) -> Inclusion:
        """See `Registry`. One that is under way already, with nobody waiting, is not repeated."""
        problem = self.endpoints.problem()
        if problem:
            raise UnavailableError(f"nothing is sent: {problem}")
        octets = await self._octets(call)
        once = isinstance(call, _ONCE)
        sent = await self.sender.adopted(self.pins.contract, octets, once=once)
        if sent is None:
            gas = await self._tried(call, octets)
            octets = await self._octets(call)  # what it shows may have changed meanwhile
            sent = await self.sender.send(self.pins.contract, octets, gas)
        receipt = await self._included(sent)
        if not receipt.succeeded:
            raise await self._failure(octets, receipt)
        height = self.terms.height_of(receipt.number)
        return Inclusion(height, self.store.events(height).time, receipt.transaction)

    async def _octets(self, call: Call) -> bytes:
        if isinstance(call, RevealSeed):
            return REVEAL_SEED.call(call.epoch, await self._header(call.epoch))
        return calldata(call, self.store.mirror)

    async def _header(self, epoch: int) -> bytes:
        """The header of an epoch's first block, from whichever endpoint tells the true one."""
        height = self.terms.begins(epoch)
        known = self.store.hash_of(height)
        if known is None:
            raise RefusedCallError(
                Refusal.EPOCH, f"epoch {epoch} has not begun: reveal its seed later"
            )

        async def read_from(endpoint: Endpoint) -> bytes:
            where = quantity(self.terms.block_at(height))
            block = await endpoint.call("eth_getBlockByNumber", where, False)  # noqa: FBT003  # of the method
            header = header_bytes(block)
            if keccak256(header) != known:
                raise IntegrityError(f"{endpoint.name} shows another block {height}: use another")
            return header

        return await self.endpoints.first(read_from)

    async def _tried(self, call: Call, octets: bytes) -> int:
        """The gas that the call may take; RefusedCallError when it would be refused.

        A call may build on one that is still in no block: then that one is waited for. And
        holders date receipts by the newest block, which may not have come here yet.
        """
        waited = bool(self.sender.waiting)
        try:
            return await self._gas(octets)
        except RefusedCallError as error:
            if error.refusal == Refusal.RECEIPT:
                await self._next_block()
            elif not waited:
                raise
        await self.sender.all_included()
        return await self._gas(await self._octets(call))

    async def _next_block(self) -> None:
        """Returns when there is one, or when there should have been."""
        with suppress(TimeoutExpiredError):
            blocks = self.store.reached(self.store.top.height + 1)
            await within(self.clock, 2 * self.terms.parameters.epoch / self.terms.epoch, blocks)

    async def _gas(self, octets: bytes) -> int:
        request = self._request(octets)
        at = quantity(self.endpoints.head.number)
        try:
            answer = await self.endpoints.first(
                lambda endpoint: endpoint.call("eth_estimateGas", request, at), refusing=True
            )
            gas = number_of(answer, "gas")
        except RpcError as error:
            # One endpoint's word is not enough to give up a call.
            raise await self._refusal(octets, self.endpoints.head.number) or UnavailableError(
                f"the call cannot be tried ({error}): try again"
            ) from error
        limit = gas * (100 + self.fees.gas_margin) // 100
        if gas > self.fees.most_gas:
            raise RefusedCallError(
                Refusal.TOO_LARGE,
                f"the call takes {gas} gas, {self.fees.most_gas} are the most: send several",
            )
        return min(limit, self.fees.most_gas)

    async def _refusal(self, octets: bytes, block: int) -> RefusedCallError | None:
        """Why enough endpoints refuse the call at a block; None when they do not."""

        async def run(endpoint: Endpoint) -> bytes:
            found = await endpoint.call("eth_call", self._request(octets), quantity(block))
            return octets_of(found, "a result")

        try:
            await self.endpoints.agreed(run, refusing=True)
        except RpcError as error:
            known = refusal_of(error.data)
            if known is not None:
                return known
            if error.data or "revert" in error.message.lower():
                why = reason_of(error.data) if error.data else error.message
                return RefusedCallError(Refusal.INVALID, f"the contract refuses the call: {why}")
        return None

    async def _included(self, sent: Sent) -> Receipt:
        """Where the call is, in the own copy of the chain, too: endpoints are not believed."""
        try:
            return await within(self.clock, 2 * self.config.patience, self._confirmed(sent))
        except TimeoutExpiredError as error:
            if sent.receipt is None:
                raise
            raise TimeoutExpiredError(
                f"the call is in Ethereum block {sent.receipt.number}, but this node has got only "
                f"to block {self.terms.block_at(self.store.top.height)}: look again before you "
                "repeat it"
            ) from error

    async def _confirmed(self, sent: Sent) -> Receipt:
        while True:
            receipt = await self.sender.included(sent)
            height = self.terms.height_of(receipt.number)
            await self.store.reached(height + self.config.confirmations - 1)
            if self.store.hash_of(height) == receipt.block:
                return receipt
            change = self.store.change
            if sent.receipt == receipt:
                await change.wait()

    async def _failure(
        self, octets: bytes, receipt: Receipt
    ) -> RefusedCallError | UnavailableError:
        """Why a call that is in a block had no effect."""
        refusal = await self._refusal(octets, receipt.number)
        return refusal or UnavailableError(
            f"transaction 0x{receipt.transaction.hex()} failed without a reason after "
            f"{receipt.gas} gas, nothing took effect: try again"
        )

    def _request(self, octets: bytes) -> dict[str, str]:
        return {
            "from": data(self.address),
            "to": data(self.pins.contract),
            "data": data(octets),
        }
