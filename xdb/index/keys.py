"""Where the index keeps what. Parts of keys have fixed widths, numbers 8 bytes, big endian.

=====================================  ==================================================
key                                    value
=====================================  ==================================================
``mf``                                 Identity
``mc``                                 Cursor
``me``                                 height up to which blocks are final, 8 bytes
``mb``                                 BlockEpoch, the newest, where blocks count epochs
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
``H`` owner node                       how many slots of the owner it has or gave up, 8 bytes
``r`` node                             chain time at which its state changed last, 8 bytes
``c`` node day                         heartbeats of that day, 8 bytes
``d`` node epoch                       heartbeats of that epoch, within the health window
``q``                                  Seed, the newest
``a`` node                             Space, how far its segments reach
``g`` node start                       SegmentEntry
``i`` node file slot                   start of the segment, 8 bytes
``j`` node epoch file slot             empty: a holding that is not sealed yet
``v`` epoch node                       verdict, 1 byte
``w`` node epoch                       AuditEntry
``G`` time file version                MigrationEntry
``N`` node time file version           empty
=====================================  ==================================================
"""

from dataclasses import dataclass

from xdb.model.events import HoldingRef
from xdb.model.health import Verdict
from xdb.model.ids import Address, ChainId, Digest, FileId, NodeId, Tag
from xdb.model.registry import NamespaceRecord

IDENTITY = b"mf"
CURSOR = b"mc"
FINAL = b"me"
COUNTED = b"mb"
UNDO = b"u"
NODES = b"n"
NAMESPACES = b"s"
BY_OWNER = b"o"
BY_NAMESPACE = b"p"
ENDS_IN_NAMESPACE = b"x"
ENDS = b"z"
ENDS_OF = b"y"
HELD_BY = b"h"
HOLDERS_OF = b"H"
DAYS = b"c"
SEED = b"q"
SPACES = b"a"
SEGMENTS = b"g"
UNSEALED = b"j"
BY_EPOCH = b"v"
AUDITS = b"w"
MIGRATIONS = b"G"
MIGRATIONS_OF = b"N"


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


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A segment; `ended` is the epoch it ended in plus 1, or 0."""

    index: int
    file: FileId
    slot: int
    leaves: int
    replica_leaves: int
    ended: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What an epoch said of a node, and when: the proof's time, or that of the epoch's end."""

    verdict: Verdict
    time: int
    lost: tuple[HoldingRef, ...]


@dataclass(frozen=True, slots=True)
class MigrationEntry:
    """A Move; without a source an Extend, without a target a Shrink."""

    slot: int
    source: NodeId | None
    target: NodeId | None
    size: int
    height: int


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


def holders_key(owner: Address, node: NodeId) -> bytes:
    """Key of how many slots of an owner a node has, or had and gave up."""
    return HOLDERS_OF + owner + node


def state_key(node: NodeId) -> bytes:
    """Key of the time of a node's last change of state."""
    return b"r" + node


def day_key(node: NodeId, day: int) -> bytes:
    """Key of a node's heartbeats of a day, counted from 1970 in UTC."""
    return DAYS + node + number(day)


def beats_key(node: NodeId, epoch: int) -> bytes:
    """Key of a node's heartbeats of an epoch."""
    return b"d" + node + number(epoch)


def space_key(node: NodeId) -> bytes:
    """Key of a node's Space."""
    return SPACES + node


def segment_key(node: NodeId, start: int) -> bytes:
    """Key of a SegmentEntry."""
    return SEGMENTS + node + number(start)


def pointer_key(node: NodeId, file: FileId, slot: int) -> bytes:
    """Key of the segment that a holding is in."""
    return b"i" + node + file + number(slot)


def unsealed_key(node: NodeId, epoch: int, file: FileId, slot: int) -> bytes:
    """Key of a holding that is in no segment yet."""
    return UNSEALED + node + number(epoch) + file + number(slot)


def audit_key(node: NodeId, epoch: int) -> bytes:
    """Key of an AuditEntry."""
    return AUDITS + node + number(epoch)


def epoch_key(epoch: int, node: NodeId) -> bytes:
    """Key of a verdict, in order of epochs."""
    return BY_EPOCH + number(epoch) + node


def migration_key(time: int, file: FileId, version: int) -> bytes:
    """Key of a MigrationEntry, without its prefix."""
    return number(time) + file + number(version)
