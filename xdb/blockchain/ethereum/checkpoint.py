"""The highest final block that was agreed on, kept across restarts."""

from xdb.blockchain.ethereum.headers import Header
from xdb.core.encoding import decode, encode
from xdb.errors import CorruptFileError
from xdb.ports.kv import KeyValue

_KEY = b"c/"


class Checkpoint:
    """It only ever rises."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self.header = _read(kv.get(_KEY))

    async def raise_to(self, header: Header) -> None:
        """Takes a higher one; it is on the disk when this returns."""
        if self.header is not None and header.number <= self.header.number:
            raise ValueError(f"from block {self.header.number} down to {header.number}")
        await self._kv.write({_KEY: encode(header)}, sync=True)
        self.header = header


def _read(data: bytes | None) -> Header | None:
    if data is None:
        return None
    try:
        return decode(Header, data)
    except ValueError as error:
        raise CorruptFileError(
            f"the kept Ethereum checkpoint is damaged ({error}): remove the directories chain and "
            "views of this node, they are made again from the chain"
        ) from error
