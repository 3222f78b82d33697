"""Whether a leaf that a node shows lies where it must in what its receipt named."""

from xdb.core.merkle import climb, depth, leads_to, leaf_count, leaf_hash, replica_leaf
from xdb.core.sampling import Spot, spot
from xdb.errors import IntegrityError, InvalidRequestError
from xdb.model.ids import Digest
from xdb.model.registry import Holding
from xdb.model.storage import Commitment, LeafShown, ReplicaKey


def check_leaf(
    shown: LeafShown, leaf_size: int, holding: Holding, key: ReplicaKey, leaf: int
) -> None:
    """IntegrityError unless `shown` is leaf number `leaf` of the replica `key` of `holding`.

    InvalidRequestError when the holding has no such leaf: nobody could show it.
    """
    offset = key.piece * holding.replica_leaves + leaf
    where = spot(offset, holding.leaves, holding.replica_leaves)
    named = (where.replica, where.leaf) == (key.piece, leaf)
    if not named or not 0 <= offset < holding.leaves:
        raise InvalidRequestError(
            f"slot {key.slot} of file {key.file.hex()} has no leaf {leaf} of piece {key.piece}: "
            "ask for one of its leaves"
        )
    try:
        check_spot(shown, leaf_size, where, holding.root)
    except IntegrityError as error:
        raise IntegrityError(
            f"slot {key.slot} of file {key.file.hex()} is not what its receipt says: {error}"
        ) from error


def check_spot(shown: LeafShown, leaf_size: int, where: Spot, root: Digest) -> None:
    """IntegrityError, with what is wrong, unless `shown` lies at `where` under a holding root."""
    if leaf_count(shown.replica_length, leaf_size) != where.leaves:
        raise IntegrityError(
            f"a replica of {shown.replica_length} bytes does not have {where.leaves} leaves"
        )
    whole = where.leaf < where.leaves - 1
    wanted = leaf_size if whole else shown.replica_length - (where.leaves - 1) * leaf_size
    if len(shown.data) != wanted:
        raise IntegrityError(f"a leaf of {len(shown.data)} bytes where {wanted} belong")
    if len(shown.replica_path) != depth(where.leaves):
        raise IntegrityError(
            f"a replica path of {len(shown.replica_path)}, not {depth(where.leaves)}"
        )
    top = climb(leaf_hash(shown.data), where.leaf, shown.replica_path)
    replica = replica_leaf(Commitment(shown.replica_length, top))
    if not leads_to(replica, where.replica, where.replicas, shown.holding_path, root):
        raise IntegrityError(
            f"leaf {where.leaf} of replica {where.replica} does not lead to the root"
        )
