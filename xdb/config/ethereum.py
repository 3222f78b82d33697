"""Which registry on which Ethereum chain, and how it is reached."""

from dataclasses import dataclass, field
from pathlib import Path

from xdb.blockchain.ethereum.config import FeeConfig, SendConfig, WatchConfig
from xdb.config.address import parse_hexadecimal, parse_identity
from xdb.errors import ConfigError
from xdb.model.ids import Address, ChainId, Deployment, Digest
from xdb.model.units import Seconds


@dataclass(frozen=True, slots=True)
class EthereumAccess:
    """The registry, and addresses of endpoints: JSON-RPC over HTTP.

    `endpoints_file` has one more on each line: addresses often hold a key.
    """

    chain_id: int = 0
    contract: str = ""
    code_hash: str = ""  # Keccak-256 of the contract's code
    endpoints: tuple[str, ...] = ()
    endpoints_file: Path | None = None
    slot: Seconds = 12.0  # between blocks
    fees: FeeConfig = field(default_factory=FeeConfig)
    send: SendConfig = field(default_factory=SendConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)

    def check(self) -> None:
        """ConfigError unless everything is named that has no default."""
        if self.chain_id < 1:
            raise ConfigError("ethereum.chain_id is missing: 1 is the main chain, 11155111 Sepolia")
        _ = self.address, self.code
        if not self.endpoints and self.endpoints_file is None:
            raise ConfigError("ethereum.endpoints is empty: name at least two endpoints")
        for url in self.endpoints:
            check_url(url)

    @property
    def address(self) -> Address:
        """The contract's."""
        return parse_identity(self.contract)

    @property
    def code(self) -> Digest:
        """The hash of its code."""
        return Digest(parse_hexadecimal(self.code_hash.removeprefix("0x"), 32, "a code hash"))

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        return Deployment(ChainId(self.chain_id.to_bytes(32, "big")), self.address)

    def urls(self) -> tuple[str, ...]:
        """All endpoints; ConfigError when the file cannot be read or names none."""
        return (*self.endpoints, *self._in_file())

    def _in_file(self) -> tuple[str, ...]:
        if self.endpoints_file is None:
            return ()
        try:
            lines = self.endpoints_file.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{self.endpoints_file}: cannot be read: {error}; it has one endpoint on each line"
            ) from error
        for url in lines:
            check_url(url)
        return tuple(lines)


def check_url(url: str) -> None:
    """ConfigError unless it is the address of an endpoint."""
    scheme, mark, rest = url.partition("://")
    if scheme not in {"http", "https"} or not mark or not rest:
        # without the address: it may hold a key
        raise ConfigError(
            "an Ethereum endpoint is no address: write http://host:port or https://host/path"
        )
