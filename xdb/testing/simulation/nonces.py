"""No key and nonce are used for two contents, checked where uploads encrypt."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from unittest.mock import patch

from xdb.core.encryption import encrypt_slice
from xdb.model.ids import FileId
from xdb.testing.simulation.oversight import ViolationError


@contextmanager
def watched_encryption() -> Iterator[None]:
    """ViolationError in whoever encrypts another content under a key and nonce used before."""
    seen: dict[tuple[object, ...], bytes] = {}

    def watched(  # noqa: PLR0913, PLR0917  # as encrypt_slice takes them
        key: bytes,
        prefix: bytes,
        file: FileId,
        index: int,
        last: bool,  # noqa: FBT001
        plaintext: bytes,
    ) -> bytes:
        use, content = (key, prefix, index, last), sha256(plaintext).digest()
        if seen.setdefault(use, content) != content:
            raise ViolationError(f"slice {index} of {file.hex()}: key and nonce are used twice")
        return encrypt_slice(key, prefix, file, index, last, plaintext)

    with patch("xdb.services.upload.pipeline.encrypt_slice", watched):
        yield
