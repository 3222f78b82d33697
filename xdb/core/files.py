"""File ids."""

from dataclasses import dataclass
from hashlib import sha256

from xdb.core.encoding import encode
from xdb.model.ids import Address, Deployment, FileId, Nonce

DOMAIN = "xdb/v1/file"


@dataclass(frozen=True, slots=True)
class _Origin:
    domain: str
    deployment: Deployment
    owner: Address
    nonce: Nonce


def file_id(deployment: Deployment, owner: Address, nonce: Nonce) -> FileId:
    """The id of the file that `owner` makes with `nonce`, known before anything is sent.

    Nobody else's nonce leads there, so an id shows whose file it is.
    """
    return FileId(sha256(encode(_Origin(DOMAIN, deployment, owner, nonce))).digest())
