"""Whether a block that the sequencer signed may be taken; IntegrityError when not."""

from xdb.blockchain.embedded.blocks import Block, Header
from xdb.blockchain.embedded.execution import Execution
from xdb.blockchain.embedded.records import HeadRecord
from xdb.errors import IntegrityError
from xdb.model.ids import Digest


def check_follows(header: Header, head: HeadRecord) -> None:
    """Refuses a block that does not come right after `head`."""
    if header.number != head.height + 1:
        raise IntegrityError(f"block {header.number} cannot follow block {head.height}")
    if header.previous != head.block:
        raise IntegrityError(
            f"block {header.number} follows {header.previous.hex()}, but block {head.height} "
            f"here is {head.block.hex()}: the histories differ, compare them"
        )
    if header.time < head.time:
        raise IntegrityError(
            f"block {header.number} is of {header.time}, before block {head.height} "
            f"({head.time}): the sequencer is faulty, tell whoever runs it"
        )


def contradiction(height: int, ours: Digest, other: Digest) -> str:
    """The sentence on two blocks of one height."""
    return (
        f"the sequencer signed two blocks {height}, {ours.hex()} and {other.hex()}: this node "
        "takes no more blocks; find out from whoever runs the chain which history holds"
    )


def check_execution(block: Block, execution: Execution) -> None:
    """Refuses a block that does something else here than it says."""
    number = block.header.number
    for place, (theirs, result) in enumerate(
        zip(block.transactions, execution.results, strict=True)
    ):
        here = result.transaction.refusal
        if theirs.refusal is not here:
            raise IntegrityError(
                f"block {number}, transaction {place}: its outcome is {theirs.refusal.name} by the "
                f"block and {here.name} by the rules ({result.reason or 'it takes effect'}): "
                "a faulty sequencer, or another version of the rules"
            )
    if execution.writes_hash != block.header.writes:
        raise IntegrityError(
            f"block {number} leads to another state here than at the sequencer: a faulty "
            "sequencer, another version of the rules, or a damaged database on one side"
        )
