"""The types of the registry contract's interface; see contracts/src/IRegistry.sol."""

from dataclasses import dataclass

from eth_abi.abi import decode, encode

from xdb.blockchain.ethereum.transactions import keccak256
from xdb.errors import IntegrityError

REDUNDANCY = "(uint8,uint64,uint64)"
ENDPOINT = "(string,bytes32,bytes32)"
HOLDER = "(address,bytes32,uint64,uint64,uint64,uint64,uint64,bytes32,bytes32)"
RENEWAL = f"(uint64,{HOLDER})"
PLACE = "(address,bytes32,uint64,uint64,uint64,uint64,uint256)"
RECORD = f"(bytes32,bytes32,bytes32,{REDUNDANCY},uint64,{PLACE}[])"
NEW_FILE = f"(bytes16,bytes32,bytes32,bytes32,{REDUNDANCY},uint64,uint64,{HOLDER}[],bytes32,bytes)"
CHANGES = f"(bool,bool,bool,bool,bool,address,{ENDPOINT},string,string,uint64)"
HELD = "(uint64,bytes32,uint64,uint64,uint64,uint64,bytes32)"
HOLDING_REF = "(bytes32,uint64)"
PARAMETERS = f"({','.join(['uint64'] * 17)})"


@dataclass(frozen=True, slots=True)
class Method:
    """A function of the contract."""

    name: str
    types: tuple[str, ...]

    @property
    def signature(self) -> str:
        """What its selector is made of."""
        return f"{self.name}({','.join(self.types)})"

    @property
    def selector(self) -> bytes:
        """The first four bytes of its calls."""
        return keccak256(self.signature.encode())[:4]

    def call(self, *arguments: object) -> bytes:
        """The bytes of a call."""
        return self.selector + encode(self.types, arguments)


@dataclass(frozen=True, slots=True)
class Log:
    """An event of the contract: the types of its topics, and of its data."""

    name: str
    types: tuple[str, ...]
    indexed: tuple[int, ...]

    @property
    def signature(self) -> str:
        """What its first topic is made of."""
        return f"{self.name}({','.join(self.types)})"

    @property
    def topic(self) -> bytes:
        """Its first topic."""
        return keccak256(self.signature.encode())

    def read(self, topics: tuple[bytes, ...], data: bytes) -> tuple[object, ...]:
        """All arguments in order. `topics` are those behind the first."""
        if len(topics) != len(self.indexed):
            raise IntegrityError(f"{self.name} with {len(topics)} topics: use another endpoint")
        keys = [read((self.types[at],), topic)[0] for at, topic in zip(self.indexed, topics)]  # noqa: B905  # compared above
        plain = tuple(t for at, t in enumerate(self.types) if at not in self.indexed)
        values = iter(read(plain, data))
        named = dict(zip(self.indexed, keys, strict=True))
        return tuple(named[at] if at in named else next(values) for at in range(len(self.types)))


@dataclass(frozen=True, slots=True)
class Error:
    """A refusal of the contract."""

    name: str
    types: tuple[str, ...]

    @property
    def signature(self) -> str:
        """What its selector is made of."""
        return f"{self.name}({','.join(self.types)})"

    @property
    def selector(self) -> bytes:
        """How what a call reverted with begins."""
        return keccak256(self.signature.encode())[:4]


def read(types: tuple[str, ...], data: bytes) -> tuple[object, ...]:
    """Values of these types; IntegrityError when `data` has none."""
    try:
        return tuple(decode(types, data))
    except Exception as error:  # the library raises several kinds
        raise IntegrityError(
            f"an answer of {len(data)} bytes is no {', '.join(types)}: use another endpoint, or "
            "check chain.contract"
        ) from error
