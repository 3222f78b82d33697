"""The embedded chain as one node keeps it: blocks, and the state they lead to.

Every block is executed before it is taken, and written with everything that follows
from it in one atomic batch, so that state, blocks and head never disagree.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdb.blockchain.embedded.blocks import (
    VERSION,
    Block,
    Header,
    read_block,
    transactions_root,
    write_block,
)
from xdb.blockchain.embedded.checking import check_execution, check_follows, contradiction
from xdb.blockchain.embedded.execution import UNRECORDED, USED_NONCES, Execution, execute_block
from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.records import (
    BLOCKS,
    EVENTS,
    EVIDENCE,
    HEAD_KEY,
    OUTCOME_ENDS,
    OUTCOMES,
    STATE,
    EventsRecord,
    HeadRecord,
    OutcomeRecord,
    numbered,
)
from xdb.core.encoding import decode, encode
from xdb.core.rules import Context
from xdb.core.rules.seeds import Newest, newest
from xdb.core.rules.state import State
from xdb.core.wire import read_event
from xdb.errors import IntegrityError, NotFoundError, UnavailableError
from xdb.model.calls import Envelope
from xdb.model.events import Event
from xdb.model.ids import Deployment, Digest
from xdb.ports.blockchain import BlockEvents
from xdb.ports.compute import Compute
from xdb.ports.keys import Signer
from xdb.ports.kv import KeyValue
from xdb.ports.peer import Outcome, RemoteHead

OUTCOME_KEPT = 600
"""Seconds after an envelope's deadline for which its outcome can still be asked for."""

FORGOTTEN_PER_BLOCK = 1024

Batch = dict[bytes, bytes | None]


@dataclass(slots=True)
class StateReader:
    """Chain state for the rules.

    Up to `forgotten` there is no used nonce any more, nor will there be. A store may step
    over all that was ever removed, so what is known to be gone is not looked for.
    """

    kv: KeyValue
    forgotten: bytes = b""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        return self.kv.get(STATE + key)

    def scan(self, prefix: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        """The first `limit` pairs under `prefix`."""
        after = STATE + self.forgotten if prefix == USED_NONCES and self.forgotten else b""
        pairs = self.kv.scan(STATE + prefix, after=after)
        for _, (key, value) in zip(range(limit), pairs, strict=False):
            yield key[len(STATE) :], value


class Ledger:
    """Made by `opening.open_ledger`. One writer at a time; readers see whole blocks.

    `sync` is whether a block is on the disk when it counts as taken.
    """

    def __init__(  # noqa: PLR0913  # what opening found
        self,
        kv: KeyValue,
        genesis: Genesis,
        head: HeadRecord,
        compute: Compute,
        *,
        sync: bool = True,
        contradiction: str | None = None,
    ) -> None:
        self.genesis = genesis
        self.deployment: Deployment = genesis.deployment
        self.state = StateReader(kv)
        self.contradiction = contradiction
        self._kv = kv
        self._head = head
        self._compute = compute
        self._sync = sync
        self._writing = asyncio.Lock()
        self._unsure = False
        self._forgotten = b""  # up to there, ends of outcomes
        self._grown = asyncio.Event()

    @property
    def head(self) -> RemoteHead:
        """The newest block; height 0 and the chain id before the first."""
        return RemoteHead(self._head.height, self._head.block, self._head.time)

    def block(self, height: int) -> bytes:
        """An encoded block; NotFoundError when there is none of that height."""
        data = self._kv.get(numbered(BLOCKS, height))
        if data is None:
            raise NotFoundError(f"no block {height} here: the newest is {self._head.height}")
        return data

    def id_of(self, height: int) -> Digest:
        """The id of a block that is here."""
        if height == self._head.height:
            return self._head.block
        return decode(Block, self.block(height)).header.id

    def events(self, height: int) -> BlockEvents:
        """The events of a block. Events that this version does not know are left out."""
        data = self._kv.get(numbered(EVENTS, height))
        if data is None:
            raise NotFoundError(f"no block {height} here: the newest is {self._head.height}")
        record = decode(EventsRecord, data)
        return BlockEvents(height, record.time, tuple(_known(record.events)))

    def outcome(self, transaction: Digest) -> Outcome | None:
        """What became of a transaction; None when it is in no block, or long past its deadline."""
        data = self._kv.get(OUTCOMES + transaction)
        if data is None:
            return None
        record = decode(OutcomeRecord, data)
        return Outcome(record.height, record.time, record.refusal, record.reason, transaction)

    def position(self, transaction: Digest) -> int:
        """A transaction's place in its block; 0 when it is in none."""
        data = self._kv.get(OUTCOMES + transaction)
        return 0 if data is None else decode(OutcomeRecord, data).position

    def newest_seed(self) -> Newest | None:
        """The newest seed as of the head; None before the first."""
        return newest(State(self.state))

    async def reached(self, height: int) -> None:
        """Returns when the head is at `height` or above."""
        while self._head.height < height:
            await self._grown.wait()

    async def append(self, data: bytes) -> None:
        """Takes the next block from somebody else; one that is here already is compared.

        IntegrityError when it is not the sequencer's, does not follow, or does not do what
        it says; when two blocks of one height are signed, nothing is taken any more.
        """
        block = read_block(data, self.deployment, self.genesis.sequencer)
        async with self._writing:
            self._check_usable()
            if 0 < block.header.number <= self._head.height:
                await self._compare(block, data)
                return
            check_follows(block.header, self._head)
            envelopes = [transaction.envelope for transaction in block.transactions]
            execution = await self._execute(block.header.time, envelopes)
            check_execution(block, execution)
            await self._write(block, data, execution)

    async def extend(
        self, time: int, envelopes: Sequence[Envelope], signer: Signer
    ) -> tuple[Outcome, ...]:
        """Makes the next block; for the sequencer only. Outcomes in order of the envelopes.

        What is malformed is answered but not recorded: its outcome has height 0.
        """
        async with self._writing:
            self._check_usable()
            execution = await self._execute(time, envelopes)
            header = Header(
                version=VERSION,
                chain=self.deployment.chain,
                number=self._head.height + 1,
                previous=self._head.block,
                time=time,
                transactions=transactions_root(execution.recorded),
                writes=execution.writes_hash,
            )
            block = Block(header, signer.sign(header.id), execution.recorded)
            await self._write(block, write_block(block), execution)
            return tuple(_outcomes(header, execution))

    async def _execute(self, time: int, envelopes: Sequence[Envelope]) -> Execution:
        context = Context(self.deployment, self.genesis.parameters, time)
        if not envelopes:  # a tick is not worth a thread
            return execute_block(context, self.state, envelopes)
        return await self._compute.in_thread(execute_block, context, self.state, envelopes)

    def _check_usable(self) -> None:
        if self.contradiction is not None:
            raise IntegrityError(self.contradiction)
        if self._unsure:
            raise UnavailableError(
                "whether the last block was written is unknown: restart this node"
            )

    async def _compare(self, other: Block, data: bytes) -> None:
        height = other.header.number
        ours = self.id_of(height)
        if other.header.id == ours:
            return
        self.contradiction = contradiction(height, ours, other.header.id)
        await self._kv.write({numbered(EVIDENCE, height) + other.header.id: data}, sync=True)
        raise IntegrityError(self.contradiction)

    async def _write(self, block: Block, data: bytes, execution: Execution) -> None:
        header = block.header
        head = HeadRecord(header.number, header.id, header.time)
        batch = self._forgotten_outcomes(header.time)
        batch |= {STATE + key: value for key, value in execution.writes}
        batch |= _outcome_records(header, execution)
        batch[numbered(BLOCKS, header.number)] = data
        batch[numbered(EVENTS, header.number)] = encode(EventsRecord(header.time, execution.events))
        batch[HEAD_KEY] = encode(head)
        self._unsure = True
        await self._kv.write(batch, sync=self._sync)
        self._unsure = False
        self._head = head
        self._skip_forgotten(batch)
        self._grown.set()
        self._grown = asyncio.Event()

    def _forgotten_outcomes(self, time: int) -> Batch:
        batch: Batch = {}
        past = numbered(OUTCOME_ENDS, time)
        ends = self._kv.scan(OUTCOME_ENDS, after=self._forgotten)
        for _, (key, _) in zip(range(FORGOTTEN_PER_BLOCK), ends, strict=False):
            if key >= past:
                break
            batch[key] = batch[OUTCOMES + key[len(past) :]] = None
        return batch

    def _skip_forgotten(self, batch: Batch) -> None:
        """Nothing comes in before what went out, which was past: no use in looking there."""
        for key, value in batch.items():
            if value is None and key.startswith(STATE + USED_NONCES):
                self.state.forgotten = max(self.state.forgotten, key[len(STATE) :])
            elif value is None and key.startswith(OUTCOME_ENDS):
                self._forgotten = max(self._forgotten, key)


def _outcomes(header: Header, execution: Execution) -> Iterator[Outcome]:
    for result in execution.results:
        refusal = result.transaction.refusal
        height = 0 if refusal in UNRECORDED else header.number
        yield Outcome(height, header.time, refusal, result.reason, result.digest)


def _outcome_records(header: Header, execution: Execution) -> Batch:
    batch: Batch = {}
    recorded = [r for r in execution.results if r.transaction.refusal not in UNRECORDED]
    for position, result in enumerate(recorded):
        record = OutcomeRecord(
            header.number, position, header.time, result.transaction.refusal, result.reason
        )
        end = max(result.transaction.envelope.deadline, header.time) + OUTCOME_KEPT
        batch[OUTCOMES + result.digest] = encode(record)
        batch[numbered(OUTCOME_ENDS, end) + result.digest] = b""
    return batch


def _known(events: Sequence[bytes]) -> Iterator[Event]:
    for data in events:
        try:
            yield read_event(data)
        except ValueError:  # written by a later version, before this one was put back
            continue
