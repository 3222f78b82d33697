"""Merkle trees of fixed depth: replica -> holding -> file.

::

    leaf of a replica tree    SHA256(00 || data)          the last leaf is hashed unpadded
    leaf of a holding tree    SHA256(02 || be64(length) || replica root)
    leaf of a file tree       a digest as it is: leaf 0 the manifest's, leaf j the root of slot j
    inner node                SHA256(01 || left || right)

A tree of n leaves has depth ceil(log2 n). A missing subtree of height k is Z_k, with
Z_0 = 32 zero bytes and Z_{k+1} = SHA256(01 || Z_k || Z_k).
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import cast

from xdb.errors import IntegrityError
from xdb.model.buffer import Buffer
from xdb.model.ids import Digest
from xdb.model.storage import Commitment

_LEAF = sha256(b"\0").copy
_NODE = sha256(b"\1").copy
_MAX_DEPTH = 64


def _missing() -> tuple[Digest, ...]:
    subtrees = [bytes(32)]
    while len(subtrees) <= _MAX_DEPTH:
        subtrees.append(sha256(b"\1" + subtrees[-1] * 2).digest())
    return tuple(map(Digest, subtrees))


MISSING = _missing()
"""Z_k by height k."""


def leaf_count(length: int, leaf_size: int) -> int:
    """Leaves of a replica of `length` bytes; no bytes are one empty leaf."""
    return max(1, -(-length // leaf_size))


def depth(count: int) -> int:
    """Nodes on the way from a leaf up to the root of a tree of `count` leaves."""
    return (count - 1).bit_length()


def leaf_hash(data: Buffer) -> Digest:
    """The hash of one leaf of a replica."""
    leaf = _LEAF()
    leaf.update(data)
    return Digest(leaf.digest())


def replica_leaves(data: Buffer, leaf_size: int) -> list[Digest]:
    """The leaf hashes of one replica."""
    view = memoryview(data)
    leaves: list[bytes] = []
    # Copying a prepared hash and feeding it a view beats gluing prefix and data together.
    for start in range(0, len(view) or 1, leaf_size):
        leaf = _LEAF()
        leaf.update(view[start : start + leaf_size])
        leaves.append(leaf.digest())
    return cast("list[Digest]", leaves)


def replica_root(data: Buffer, leaf_size: int) -> Digest:
    """The root over one replica."""
    return root(replica_leaves(data, leaf_size))


def root(leaves: Sequence[Digest]) -> Digest:
    """The root over leaf hashes, of which there must be one at least."""
    level = leaves
    for height in range(depth(len(leaves))):
        level = _parents(level, height)
    return level[0]


def path(leaves: Sequence[Digest], index: int) -> tuple[Digest, ...]:
    """The siblings on the way from leaf `index` up to the root."""
    level = leaves
    siblings = []
    for height in range(depth(len(leaves))):
        beside = (index >> height) ^ 1
        siblings.append(level[beside] if beside < len(level) else MISSING[height])
        level = _parents(level, height)
    return tuple(siblings)


def climb(leaf: Digest, index: int, siblings: Sequence[Digest]) -> Digest:
    """The root that `leaf` leads to. The caller knows the index and the depth it must have."""
    if index >> len(siblings):
        raise IntegrityError(f"leaf {index} does not exist in a tree of depth {len(siblings)}")
    node = leaf
    for sibling in siblings:
        node = _parent(sibling, node) if index & 1 else _parent(node, sibling)
        index >>= 1
    return node


def leads_to(
    leaf: Digest, index: int, count: int, siblings: Sequence[Digest], expected: Digest
) -> bool:
    """Whether the path shows `leaf` to be number `index` of `count` under the root `expected`."""
    if not 0 <= index < count or len(siblings) != depth(count):
        return False
    return climb(leaf, index, siblings) == expected


def replica_leaf(commitment: Commitment) -> Digest:
    """A replica's leaf in the holding tree, and its address by content."""
    length = commitment.length.to_bytes(8, "big")
    return Digest(sha256(b"\2" + length + commitment.root).digest())


def holding_root(commitments: Sequence[Commitment]) -> Digest:
    """The root over the replicas of one slot, in order of the pieces."""
    return root([replica_leaf(commitment) for commitment in commitments])


def file_root(manifest: Digest, holding_roots: Sequence[Digest]) -> Digest:
    """The root over the manifest and the holdings of slots 1, 2, ..."""
    return root([manifest, *holding_roots])


def extension_siblings(leaves: Sequence[Digest]) -> tuple[Digest, ...]:
    """The full subtrees left of where the next leaf goes, lowest first.

    They are enough to know the root before and after; what lies right of the new
    leaf is missing by definition.
    """
    count = len(leaves)
    siblings = path([*leaves, MISSING[0]], count)
    return tuple(sibling for height, sibling in enumerate(siblings) if count >> height & 1)


def extended_root(expected: Digest, count: int, leaf: Digest, siblings: Sequence[Digest]) -> Digest:
    """The root after `leaf` became number `count` of the tree with the root `expected`.

    IntegrityError unless `siblings` are that tree's `extension_siblings`, which
    leaves no room for a change of any other leaf.
    """
    before, after = _without_and_with(count, leaf, siblings)
    if before != expected:
        raise IntegrityError("the siblings do not lead to the file's present root")
    return after


def shrink_siblings(leaves: Sequence[Digest]) -> tuple[Digest, ...]:
    """The full subtrees left of the last leaf, lowest first: what `shrunk_root` asks for."""
    return extension_siblings(leaves[:-1])


def shrunk_root(expected: Digest, count: int, leaf: Digest, siblings: Sequence[Digest]) -> Digest:
    """The root of the first `count` leaves of the tree with the root `expected`.

    `leaf` is the only one behind them. IntegrityError unless `siblings` are the tree's
    `shrink_siblings`.
    """
    before, after = _without_and_with(count, leaf, siblings)
    if after != expected:
        raise IntegrityError("the siblings do not lead to the file's present root")
    return before


def _without_and_with(
    count: int, leaf: Digest, siblings: Sequence[Digest]
) -> tuple[Digest, Digest]:
    """The roots of a tree of `count` leaves, and with `leaf` behind them."""
    if len(siblings) != count.bit_count():
        raise IntegrityError(
            f"{len(siblings)} siblings where a tree of {count} leaves has {count.bit_count()}"
        )
    heights = [height for height in range(count.bit_length()) if count >> height & 1]
    beside = dict(zip(heights, siblings, strict=True))
    before, after = MISSING[0], leaf
    for height in range(depth(count + 1)):
        if height in beside:
            # a full tree is its own left subtree and grows by one level
            full = count == 1 << height
            before = beside[height] if full else _parent(beside[height], before)
            after = _parent(beside[height], after)
        else:
            before = _parent(before, MISSING[height])
            after = _parent(after, MISSING[height])
    return before, after


def _parent(left: bytes, right: bytes) -> Digest:
    node = _NODE()
    node.update(left + right)
    return Digest(node.digest())


def _parents(level: Sequence[Digest], height: int) -> list[Digest]:
    parents: list[bytes] = []
    pairs = iter(level)
    # Spelled out, without calls, for speed: half of a tree's hashes are made here.
    for left, right in zip(pairs, pairs, strict=False):
        node = _NODE()
        node.update(left + right)
        parents.append(node.digest())
    if len(level) % 2:
        parents.append(_parent(level[-1], MISSING[height]))
    return cast("list[Digest]", parents)
