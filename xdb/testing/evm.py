"""A real EVM for tests: anvil from npm, spoken to in JSON-RPC, and contracts on it.

Every transaction is mined in a block of its own, `SECONDS` after the one before, so that
block numbers and times keep step. Senders are whoever a test names: anvil asks for no
signatures here.
"""

import json
import subprocess
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any

import rlp  # type: ignore[import-untyped]  # it ships no types
from Crypto.Hash import keccak
from eth_abi.abi import decode, encode

from xdb.blockchain import ethereum
from xdb.model.ids import Address
from xdb.testing.anvil import PRUNED, anvil

SECONDS = 12
"""Between two blocks."""

CONTRACTS = Path(ethereum.__file__).parent / "contracts"
ARTIFACT = CONTRACTS.parent / "artifacts" / "Registry.json"

_RICH = "0x" + "ff" * 12
_GAS = 16_000_000  # below the most that one transaction may take (EIP-7825)
_START = 1_800_000_000
_HEADER = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
    *("logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"),
    *("mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas"),
    *("parentBeaconBlockRoot", "requestsHash"),
)
_NUMBERS = {
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp"),
    *("baseFeePerGas", "blobGasUsed", "excessBlobGas"),
}
_LISTENING = "Listening on 127.0.0.1:"


def digest_256(data: bytes) -> bytes:
    """Keccak-256."""
    return keccak.new(digest_bits=256, data=data).digest()


@dataclass(frozen=True, slots=True)
class Log:
    """An event: its name and its fields."""

    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction; `refusal` is the error's name and fields, if any."""

    block: int
    time: int
    gas: int
    logs: tuple[Log, ...]
    refusal: Log | None
    address: Address | None


class Evm:
    """A chain of its own on one anvil."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._number = 0

    def rpc(self, method: str, *params: object) -> Any:  # noqa: ANN401  # any JSON
        """What a JSON-RPC method answers."""
        self._number += 1
        body = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        request = urllib.request.Request(  # noqa: S310  # a loopback address
            self._url, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    @property
    def block(self) -> int:
        """The newest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    @property
    def time(self) -> int:
        """The newest block's time."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003

    def mine(self, blocks: int) -> None:
        """So many empty blocks."""
        if blocks > 0:
            self.rpc("anvil_mine", hex(blocks), hex(SECONDS))

    def set_time(self, start: int) -> None:
        """The time of the next block; those after it follow at the usual pace."""
        self.rpc("evm_setNextBlockTimestamp", start)

    def header(self, number: int) -> bytes:
        """A block's header in RLP."""
        block = self.rpc("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003
        raw: bytes = rlp.encode([_header_field(name, block[name]) for name in _HEADER])
        if digest_256(raw).hex() != block["hash"][2:]:
            raise RuntimeError(f"block {number} has other header fields than {_HEADER}")
        return raw

    def send(self, sender: bytes, data: bytes, to: bytes | None = None) -> Outcome:
        """Mines a transaction; names in its outcome are the contract's to give."""
        self.rpc("anvil_setBalance", "0x" + sender.hex(), _RICH)
        body = {"from": "0x" + sender.hex(), "data": "0x" + data.hex(), "gas": hex(_GAS)}
        if to is not None:
            body["to"] = "0x" + to.hex()
        name = self.rpc("eth_sendTransaction", body)
        self.rpc("evm_mine")
        receipt = self.rpc("eth_getTransactionReceipt", name)
        number = receipt["blockNumber"]
        refusal = None
        if receipt["status"] == "0x0":
            trace = self.rpc("debug_traceTransaction", name, {"tracer": "callTracer"})
            refusal = Log(trace.get("output", "0x"), {"error": trace.get("error")})
        made = receipt.get("contractAddress")
        return Outcome(
            block=int(number, 16),
            time=int(self.rpc("eth_getBlockByNumber", number, False)["timestamp"], 16),  # noqa: FBT003
            gas=int(receipt["gasUsed"], 16),
            logs=tuple(Log("raw", log) for log in receipt["logs"]),
            refusal=refusal,
            address=Address(bytes.fromhex(made[2:])) if made else None,
        )


class Contract:
    """A contract by its ABI."""

    def __init__(self, evm: Evm, abi: list[dict[str, Any]], address: Address) -> None:
        self.evm, self.abi, self.address = evm, abi, address

    @cached_property
    def _functions(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in self.abi if entry["type"] == "function"}

    @cached_property
    def _errors(self) -> dict[bytes, dict[str, Any]]:
        return {_selector(entry): entry for entry in self.abi if entry["type"] == "error"}

    @cached_property
    def _events(self) -> dict[str, dict[str, Any]]:
        events = (entry for entry in self.abi if entry["type"] == "event")
        return {"0x" + digest_256(_signature(entry).encode()).hex(): entry for entry in events}

    def data(self, function: str, *values: object) -> bytes:
        """The bytes that call a function."""
        entry = self._functions[function]
        return _selector(entry) + encode(_types(entry["inputs"]), values)

    def send(self, sender: bytes, function: str, *values: object) -> Outcome:
        """Mines a call."""
        raw = self.evm.send(sender, self.data(function, *values), self.address)
        return Outcome(
            raw.block,
            raw.time,
            raw.gas,
            tuple(self._log(log.fields) for log in raw.logs),
            None if raw.refusal is None else self._error(raw.refusal),
            None,
        )

    def view(self, function: str, *values: object) -> Any:  # noqa: ANN401  # any value
        """What a view gives."""
        body = {"to": "0x" + self.address.hex(), "data": "0x" + self.data(function, *values).hex()}
        answer = bytes.fromhex(self.evm.rpc("eth_call", body, "latest")[2:])
        outputs = self._functions[function]["outputs"]
        values = tuple(map(_named, outputs, decode(_types(outputs), answer)))
        return values[0] if len(values) == 1 else values

    def _error(self, raw: Log) -> Log:
        data = bytes.fromhex(raw.name[2:])
        entry = self._errors.get(data[:4])
        if entry is None:
            return Log("unnamed", {"data": data, **raw.fields})
        return Log(entry["name"], _fields(entry["inputs"], data[4:]))

    def _log(self, raw: Mapping[str, Any]) -> Log:
        entry = self._events[raw["topics"][0]]
        topics = [field for field in entry["inputs"] if field["indexed"]]
        data = [field for field in entry["inputs"] if not field["indexed"]]
        found = _fields(data, bytes.fromhex(raw["data"][2:]))
        for field, topic in zip(topics, raw["topics"][1:], strict=True):
            found |= _fields([field], bytes.fromhex(topic[2:]))
        return Log(entry["name"], found)


def artifact() -> dict[str, Any]:
    """The compiled registry."""
    found: dict[str, Any] = json.loads(ARTIFACT.read_text())
    return found


def deploy(evm: Evm, parameters: Mapping[str, int]) -> Contract:
    """A new registry; `genesis` and `start` are its block's."""
    found = artifact()
    [made] = [entry for entry in found["abi"] if entry["type"] == "constructor"]
    values = tuple(parameters.get(field["name"], 0) for field in made["inputs"][0]["components"])
    code = bytes.fromhex(found["bytecode"][2:])
    outcome = evm.send(b"\1" * 20, code + encode(_types(made["inputs"]), [values]))
    if outcome.address is None or outcome.refusal is not None:
        raise RuntimeError(f"the registry was not deployed: {outcome.refusal}")
    return Contract(evm, found["abi"], outcome.address)


@contextmanager
def running() -> Iterator[Evm]:
    """An anvil for as long as the context lasts."""
    command = (
        *(str(anvil()), "--port", "0", "--hardfork", "osaka", "--auto-impersonate", "--no-mining"),
        *PRUNED,
        *("--timestamp", str(_START), "--accounts", "1", "--gas-limit", "60000000"),
    )
    with subprocess.Popen(  # noqa: S603  # the program and arguments above
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = next((text for text in process.stdout if _LISTENING in text), "")
        # It tells of every request: unread, the pipe would fill and it would stop.
        reader = Thread(target=deque, args=(process.stdout, 0), daemon=True)
        reader.start()
        evm = Evm(int(line.partition(_LISTENING)[2].strip() or 0))
        evm.rpc("anvil_setBlockTimestampInterval", SECONDS)
        try:
            yield evm
        finally:
            process.kill()
            reader.join()


def _header_field(name: str, value: str) -> bytes:
    if name not in _NUMBERS:
        return bytes.fromhex(value[2:])
    number = int(value, 16)
    return number.to_bytes(-(-number.bit_length() // 8), "big")


def _selector(entry: Mapping[str, Any]) -> bytes:
    return digest_256(_signature(entry).encode())[:4]


def _signature(entry: Mapping[str, Any]) -> str:
    return f"{entry['name']}({','.join(_types(entry['inputs']))})"


def _types(fields: list[dict[str, Any]]) -> list[str]:
    return [_type(field) for field in fields]


def _type(field: Mapping[str, Any]) -> str:
    name: str = field["type"]
    if not name.startswith("tuple"):
        return name
    return f"({','.join(_types(field['components']))}){name.removeprefix('tuple')}"


def _fields(fields: list[dict[str, Any]], data: bytes) -> dict[str, Any]:
    values = decode(_types(fields), data)
    return {
        field["name"]: _named(field, value) for field, value in zip(fields, values, strict=True)
    }


def _named(field: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401  # any value
    """Tuples as dicts by their names, addresses as bytes."""
    name: str = field["type"]
    if name.endswith("[]"):
        return tuple(_named({**field, "type": name.removesuffix("[]")}, item) for item in value)
    if name == "tuple":
        return {
            part["name"]: _named(part, item)
            for part, item in zip(field["components"], value, strict=True)
        }
    return bytes.fromhex(value[2:]) if name == "address" else value
