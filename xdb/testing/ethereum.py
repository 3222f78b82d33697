# ruff: noqa: ANN401, PLR2004  # JSON holds anything; the numbers are those of RLP
"""An Ethereum chain in memory that speaks JSON-RPC, mines when told, and endpoints that fail."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from xdb.blockchain.ethereum.quantities import data, quantity
from xdb.blockchain.ethereum.rpc import RpcError
from xdb.blockchain.ethereum.transactions import keccak256
from xdb.errors import UnavailableError

GWEI = 10**9
ETHER = 10**18
CHAIN = 31337


@dataclass(frozen=True)
class FakeTransaction:
    """A transaction as its bytes say; `sender` is what the test's key says."""

    raw: bytes
    hash: bytes
    sender: bytes
    nonce: int
    tip: int
    fee: int
    gas: int
    to: bytes
    data: bytes
    value: int = 0


@dataclass
class FakeBlock:
    """A block and what is in it."""

    number: int
    hash: bytes
    parent: bytes
    time: int
    base_fee: int
    transactions: list[FakeTransaction]
    logs: list[tuple[bytes, tuple[bytes, ...], bytes]]


def unrlp(octets: bytes) -> Any:
    """What RLP bytes say."""
    item, rest = _item(octets)
    assert not rest
    return item


def _item(octets: bytes) -> tuple[Any, bytes]:
    first = octets[0]
    if first < 0x80:
        return octets[:1], octets[1:]
    is_list, base = first >= 0xC0, 0xC0 if first >= 0xC0 else 0x80
    length, start = first - base, 1
    if length > 55:
        start = 1 + length - 55
        length = int.from_bytes(octets[1:start], "big")
    inner, rest = octets[start : start + length], octets[start + length :]
    if not is_list:
        return inner, rest
    items = []
    while inner:
        item, inner = _item(inner)
        items.append(item)
    return items, rest


@dataclass
class FakeEthereum:
    """The chain. `time` is that of the next block; `final` blocks from below are final."""

    time: int = 1_800_000_000
    base_fee: int = 10 * GWEI
    balance: int = 100 * ETHER
    tip: int = GWEI
    sender: bytes = bytes(20)
    code: bytes = b"code"
    lag: int = 4
    execute: Callable[[bytes], bytes] = lambda _: b""  # RpcError when it reverts
    minimum: int = 0  # fee below which nothing is taken
    pool: dict[int, FakeTransaction] = field(default_factory=dict)
    blocks: list[FakeBlock] = field(default_factory=list)
    salt: int = 0
    fails: bool = False  # what is in a block has no effect

    def __post_init__(self) -> None:
        """A chain has a first block."""
        self.mine()

    def mine(self, count: int = 1, *, taking: bool = True) -> None:
        """Makes blocks; the first takes what waits and pays enough."""
        for _ in range(count):
            number = len(self.blocks)
            parent = self.blocks[-1].hash if self.blocks else bytes(32)
            digest = sha256(f"{number} {self.salt}".encode() + parent).digest()
            taken = self._taken() if taking else []
            block = FakeBlock(number, digest, parent, self.time, self.base_fee, taken, [])
            self.blocks.append(block)
            self.time += 12

    def _taken(self) -> list[FakeTransaction]:
        found = []
        nonce = self.nonce(len(self.blocks))
        while (one := self.pool.get(nonce)) is not None and one.fee >= self.base_fee:
            found.append(self.pool.pop(nonce))
            nonce += 1
        return found

    def reorganise(self, depth: int, *, keep: bool = False, drop: bool = False) -> None:
        """Replaces the newest `depth` blocks; their transactions wait again unless dropped."""
        undone = self.blocks[-depth:]
        del self.blocks[-depth:]
        self.salt += 1
        self.time = undone[0].time
        for block in undone:
            for one in block.transactions:
                if not drop:
                    self.pool.setdefault(one.nonce, one)
        self.mine(depth, taking=keep)

    def nonce(self, upto: int) -> int:
        """Transactions in blocks below number `upto`, all of one sender."""
        return sum(len(block.transactions) for block in self.blocks[:upto])

    def take(self, raw: bytes) -> str:
        """A transaction is sent."""
        one = self.parse(raw)
        waiting = self.pool.get(one.nonce)
        if waiting is not None and waiting.hash == one.hash:
            raise RpcError(-32000, "already known")
        if one.nonce < self.nonce(len(self.blocks)):
            raise RpcError(-32000, f"nonce too low: next nonce is above, tx nonce {one.nonce}")
        if one.gas * one.fee > self.balance:
            raise RpcError(-32000, "insufficient funds for gas * price + value")
        if one.fee < self.minimum:
            raise RpcError(-32000, "transaction underpriced")
        if waiting is not None and one.fee * 10 < waiting.fee * 11:
            raise RpcError(-32000, "replacement transaction underpriced")
        self.pool[one.nonce] = one
        return data(one.hash)

    def parse(self, raw: bytes) -> FakeTransaction:
        """What a transaction's bytes say."""
        fields = unrlp(raw[1:])
        numbers = [int.from_bytes(value, "big") for value in fields[1:5]]
        return FakeTransaction(
            raw=raw,
            hash=keccak256(raw),
            sender=self.sender,
            nonce=numbers[0],
            tip=numbers[1],
            fee=numbers[2],
            gas=numbers[3],
            to=fields[5],
            data=fields[7],
            value=int.from_bytes(fields[6], "big"),
        )

    def block(self, where: str, head: int) -> FakeBlock | None:
        """By number or tag."""
        final = max(0, head - self.lag)
        named = {"latest": head, "finalized": final, "pending": head, "safe": final}
        number = named[where] if where in named else int(where, 16)
        return self.blocks[number] if number <= head else None


@dataclass
class FakeRpc:
    """`Rpc` of a chain. A test makes it fail: `down`, `behind`, or `lie` about an answer."""

    chain: FakeEthereum
    name: str = "one"
    down: bool = False
    behind: int = 0
    chain_id: int = CHAIN
    lie: Callable[[str, tuple[Any, ...], Any], Any] | None = None
    calls: list[str] = field(default_factory=list)
    deaf: bool = False  # takes transactions and forgets them
    answers_lost: int = 0

    async def call(self, method: str, *parameters: Any) -> Any:
        """See `Rpc`."""
        self.calls.append(method)
        if self.down:
            raise UnavailableError(f"{self.name} is down")
        answer = self._answer(method, parameters)
        if method == "eth_sendRawTransaction" and self.answers_lost:
            self.answers_lost -= 1
            raise UnavailableError(f"{self.name}: the answer was lost")
        return answer if self.lie is None else self.lie(method, parameters, answer)

    async def close(self) -> None:
        """See `Rpc`."""

    @property
    def head(self) -> int:
        """The number of the newest block it knows."""
        return max(0, len(self.chain.blocks) - 1 - self.behind)

    def _answer(self, method: str, parameters: tuple[Any, ...]) -> Any:  # noqa: C901, PLR0911  # one for each method
        match method:
            case "eth_chainId":
                return quantity(self.chain_id)
            case "eth_getBlockByNumber":
                block = self.chain.block(parameters[0], self.head)
                return None if block is None else _header(block)
            case "eth_getTransactionCount":
                return self._nonce(parameters[1])
            case "eth_getBalance":
                return quantity(self.chain.balance)
            case "eth_feeHistory":
                return {"reward": [[quantity(self.chain.tip)]]}
            case "eth_getCode":
                return data(self.chain.code)
            case "eth_call":
                return data(self.chain.execute(bytes.fromhex(parameters[0]["data"][2:])))
            case "eth_estimateGas":
                self.chain.execute(bytes.fromhex(parameters[0]["data"][2:]))
                return quantity(100_000)
            case "eth_sendRawTransaction":
                raw = bytes.fromhex(parameters[0][2:])
                return data(keccak256(raw)) if self.deaf else self.chain.take(raw)
            case "eth_getTransactionReceipt":
                return self._receipt(bytes.fromhex(parameters[0][2:]))
            case "eth_getLogs":
                return self._logs(parameters[0])
        raise RpcError(-32601, f"no method {method}")

    def _nonce(self, where: str) -> str:
        block = self.chain.block(where, self.head)
        count = self.chain.nonce(0 if block is None else block.number + 1)
        while where == "pending" and count in self.chain.pool:
            count += 1
        return quantity(count)

    def _receipt(self, wanted: bytes) -> Any:
        for block in self.chain.blocks[: self.head + 1]:
            for one in block.transactions:
                if one.hash == wanted:
                    return {
                        "transactionHash": data(wanted),
                        "blockHash": data(block.hash),
                        "blockNumber": quantity(block.number),
                        "status": quantity(not self.chain.fails),
                        "gasUsed": quantity(50_000),
                        "effectiveGasPrice": quantity(min(one.fee, block.base_fee + one.tip)),
                    }
        return None

    def _logs(self, where: dict[str, str]) -> list[Any]:
        found = []
        for block in self.chain.blocks[: self.head + 1]:
            if "blockHash" in where:
                inside = data(block.hash) == where["blockHash"]
            else:
                inside = int(where["fromBlock"], 16) <= block.number <= int(where["toBlock"], 16)
            for place, (address, topics, octets) in enumerate(block.logs if inside else []):
                found.append(
                    {
                        "blockHash": data(block.hash),
                        "blockNumber": quantity(block.number),
                        "logIndex": quantity(place),
                        "address": data(address),
                        "topics": [data(topic) for topic in topics],
                        "data": data(octets),
                    }
                )
        return found


def _header(block: FakeBlock) -> dict[str, str]:
    return {
        "number": quantity(block.number),
        "hash": data(block.hash),
        "parentHash": data(block.parent),
        "timestamp": quantity(block.time),
        "baseFeePerGas": quantity(block.base_fee),
    }
