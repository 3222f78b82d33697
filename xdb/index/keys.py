"""Where the index keeps what. Parts of keys have fixed widths, numbers 8 bytes, big endian.

=====================================  ==================================================
key                                    value
=====================================  ==================================================
``mf``                                 Identity
``mc``                                 Cursor
``me``                                 height up to which blocks are final, 8 bytes
``u`` height                           Undo, until the block is final
``n`` node                             NodeRecord
``b`` node                             chain time of the last heartbeat, 8 bytes
``k`` node                             Held
``s`` owner namespace                  NamespaceEntry
``t`` owner namespace                  Totals
``f`` file                             FileView
``l`` owner namespace name             the file that took the name last
``o`` owner published file             expiry, deletion: 16 bytes
``p`` owner namespace published file   the same
``x`` owner namespace end file         size, bytes over all holders: 16 bytes
``z`` end file                         empty
``y`` owner or holder, end, file       empty
``h`` node file slot                   bytes of the holding, 8 bytes
=====================================  ==================================================
"""

from dataclasses import dataclass

from xdb.model.ids import Address, ChainId, Digest, FileId, NodeId, Tag
from xdb.model.registry import NamespaceRecord

IDENTITY = b"mf"
CURSOR = b"mc"
FINAL = b"me"
UNDO = b"u"
NODES = b"n"
NAMESPACES = b"s"
BY_OWNER = b"o"
BY_NAMESPACE = b"p"
ENDS_IN_NAMESPACE = b"x"
ENDS = b"z"
ENDS_OF = b"y"
HELD_BY = b"h"


@dataclass(frozen=True, slots=True)
class Identity:
    """What the index was made from: its own format, and the chain."""

    format: int
    parameters: Digest
    chain: ChainId | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The newest block applied, and how many events made no sense so far."""

    height: int
    time: int
    poisoned: int


@dataclass(frozen=True, slots=True)
class Change:
    """A key and what stood under it."""

    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Undo:
    """What a block changed, as it was before."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What a node holds."""

    holdings: int
    stored: int


@dataclass(frozen=True, slots=True)
class NamespaceEntry:
    """A namespace and its label."""

    record: NamespaceRecord
    label: bytes


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a namespace's files until they are released."""

    files: int
    size: int
    stored: int


def number(value: int) -> bytes:
    """A number in a key or value."""
    return value.to_bytes(8, "big")


def undo_key(height: int) -> bytes:
    """Key of an Undo."""
    return UNDO + number(height)


def node_key(node: NodeId) -> bytes:
    """Key of a NodeRecord."""
    return NODES + node


def heartbeat_key(node: NodeId) -> bytes:
    """Key of a node's last heartbeat."""
    return b"b" + node


def held_key(node: NodeId) -> bytes:
    """Key of what a node holds."""
    return b"k" + node


def namespace_key(owner: Address, namespace: Tag) -> bytes:
    """Key of a NamespaceEntry."""
    return NAMESPACES + owner + namespace


def totals_key(owner: Address, namespace: Tag) -> bytes:
    """Key of a namespace's Totals."""
    return b"t" + owner + namespace


def file_key(file: FileId) -> bytes:
    """Key of a FileView."""
    return b"f" + file


def name_key(owner: Address, namespace: Tag, name: Tag) -> bytes:
    """Key of the file that took a name last."""
    return b"l" + owner + namespace + name


def holding_key(node: NodeId, file: FileId, slot: int) -> bytes:
    """Key of one holding of a node."""
    return HELD_BY + node + file + number(slot)
