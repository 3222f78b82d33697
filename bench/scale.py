"""What a large network costs: an embedded chain and an index of so many nodes and files.

    .venv/bin/python bench/scale.py                               # small, half a minute
    .venv/bin/python bench/scale.py --files 1000000 --nodes 1000  # an hour or less

The real ledger and rules, the real index and the real prover over LevelDB, every receipt and
every envelope signed and checked. Only the bytes of the files are not there: each holding is
one small replica that its file's id determines, so that proofs can be made without a disk.
Everybody shares one chain and one index here, as every node has them; seconds are CPU time.
"""

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import median

import coincurve

from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.opening import open_ledger
from xdb.blockchain.embedded.records import STATE
from xdb.core import merkle, proving
from xdb.core.envelope import sign_envelope
from xdb.core.files import file_id
from xdb.core.proving import Question
from xdb.core.receipts import receipt_digest
from xdb.core.signing import address_of
from xdb.index.index import Index
from xdb.model.calls import (
    Answer,
    Call,
    CreateNamespace,
    Envelope,
    Heartbeat,
    NewFile,
    Publish,
    RevealSeed,
)
from xdb.model.ids import Address, Deployment, Digest, FileId, NodeId, Nonce, Signature, Tag
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, Holder, Parameters, ProofScheme, Receipt, Redundancy
from xdb.model.storage import Commitment
from xdb.ports.blockchain import Final, Inclusion
from xdb.services.answering import Effort
from xdb.services.health.look import Viewpoint
from xdb.store.kv_leveldb import LevelKeyValue
from xdb.tasks.prover import ProverTask
from xdb.testing.audits import preimage
from xdb.testing.compute import InlineCompute
from xdb.testing.embedded import SEQUENCER
from xdb.testing.registry import DAY, START, node_call, tag

COPIES = Redundancy(Coding.COPIES, 1, 3)
BATCH = 256
"""Files of a call."""
CALLS = 256
"""Calls of a block, as many as a sequencer takes."""
EPOCHS = 2
"""Steady epochs that are measured."""
CONTENTS = 64
"""Different replicas of a slot."""
SIZE = 4000
"""Bytes of a replica."""
ASKED = 50
"""Times that every question is asked."""
LOOKED_AT = 5000
"""Files that are assessed to see what one takes."""
KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Key:
    """A `Signer` that its name determines; the key is made once, as in a node."""

    name: str
    private: coincurve.PrivateKey
    address: Address

    @property
    def node(self) -> NodeId:
        """Its address as that of a node."""
        return NodeId(self.address)

    def sign(self, digest: Digest) -> Signature:
        """See `Signer`."""
        return Signature(self.private.sign_recoverable(digest, hasher=None))


def key(name: str) -> Key:
    secret = sha256(name.encode()).digest()
    return Key(name, coincurve.PrivateKey(secret), address_of(secret))


# ------------------------------------------------------------------ what is stored


@dataclass(frozen=True)
class Content:
    """The one replica of a holding."""

    data: bytes
    hashes: list[Digest]
    commitment: Commitment
    root: Digest


@cache
def content(slot: int, number: int, leaf_size: int) -> Content:
    """The replica number so and so of a slot."""
    part = sha256(b"%d %d" % (slot, number)).digest()
    data = (part * (SIZE // len(part) + 1))[:SIZE]
    commitment = Commitment(SIZE, merkle.replica_root(data, leaf_size))
    hashes = merkle.replica_leaves(data, leaf_size)
    return Content(data, hashes, commitment, merkle.holding_root([commitment]))


def content_of(file: FileId, slot: int, leaf_size: int) -> Content:
    return content(slot, file[0] % CONTENTS, leaf_size)


class Holders:
    """`Answering` of all nodes over what is not there: draws are answered, nothing is read."""

    def __init__(self, leaf_size: int) -> None:
        self.leaf_size = leaf_size

    async def answers(self, questions: Sequence[Question], effort: Effort) -> tuple[Answer, ...]:
        """See `Answering`."""
        return tuple(self._answer(question, effort) for question in questions)

    def _answer(self, question: Question, effort: Effort) -> Answer:
        span, spot = question.span, question.spot
        if span is None or spot is None:
            return Answer(question.holes, None, None)
        effort.replicas += 1
        held = content_of(span.file, span.slot, self.leaf_size)
        leaf = held.data[spot.leaf * self.leaf_size : (spot.leaf + 1) * self.leaf_size]
        path = merkle.path(held.hashes, spot.leaf)
        return Answer(question.holes, proving.leaf(question, leaf, path, [held.commitment]), None)


# ------------------------------------------------------------------ the network


@dataclass
class Clocks:
    """CPU seconds by what they were spent on."""

    spent: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Counts what is done meanwhile."""
        before = time.process_time()
        yield
        self.spent[what] = self.spent.get(what, 0.0) + time.process_time() - before

    def taken(self) -> dict[str, float]:
        """All of it, and begins anew."""
        taken, self.spent = self.spent, {}
        return taken


@dataclass
class Counted:
    """What all provers did."""

    sealed: int = 0
    draws: int = 0


@dataclass
class Network:
    """A chain, everybody's index of it, and the keys of nodes and of one owner."""

    ledger: Ledger
    index: Index
    nodes: list[Key]
    owner: Key
    clocks: Clocks = field(default_factory=Clocks)
    time: int = START
    sent: int = 0
    on_chain: int = 0

    @property
    def parameters(self) -> Parameters:
        """The chain's."""
        return self.ledger.genesis.parameters

    @property
    def deployment(self) -> Deployment:
        """The chain's."""
        return self.ledger.deployment

    def envelope(self, sender: Key, call: Call) -> Envelope:
        """A signed call."""
        self.sent += 1
        nonce = Nonce(self.sent.to_bytes(16, "big"))
        until = self.time + self.parameters.envelope_lifetime
        return sign_envelope(call, self.deployment, sender, nonce, until)

    async def block(self, envelopes: Sequence[Envelope]) -> Inclusion:
        """Makes a block, and everybody's index takes it in."""
        with self.clocks.on("chain"):
            outcomes = await self.ledger.extend(self.time, envelopes, SEQUENCER)
        refused = [outcome for outcome in outcomes if outcome.refusal is not Refusal.NONE]
        if refused:
            raise RuntimeError(f"refused: {refused[0].reason}")
        height = self.ledger.head.height
        self.on_chain += len(self.ledger.block(height))
        with self.clocks.on("index"):
            await self.index.apply(Final(height))
            await self.index.apply(self.ledger.events(height))
        transaction = outcomes[0].transaction if outcomes else None
        return Inclusion(height, self.time, transaction or Digest(b""))

    async def blocks(self, calls: Iterable[tuple[Key, Call]]) -> None:
        """As many blocks as the calls need."""
        waiting = []
        for sender, call in calls:
            waiting.append(self.envelope(sender, call))
            if len(waiting) == CALLS:
                await self.block(waiting)
                waiting = []
        if waiting:
            await self.block(waiting)

    async def found(self) -> None:
        """Nodes and a namespace."""
        await self.blocks((node, node_call(node)) for node in self.nodes)
        namespace = CreateNamespace(tag("ns"), b"label", COPIES, ProofScheme.MERKLE)
        await self.blocks([(self.owner, namespace)])

    def new_file(self, number: int, draws: random.Random) -> NewFile:
        """A file with its receipts."""
        nonce, manifest = Nonce(number.to_bytes(16, "big")), Digest(sha256(b"%d" % number).digest())
        file = file_id(self.deployment, self.owner.address, nonce)
        size = self.parameters.leaf_size
        held = [content_of(file, slot, size) for slot in range(1, COPIES.total + 1)]
        root = merkle.file_root(manifest, [each.root for each in held])
        expiry = self.time + 300 * DAY
        holders = tuple(
            self._accepted(node, file, slot, root, each, expiry)
            for slot, (node, each) in enumerate(
                zip(draws.sample(self.nodes, COPIES.total), held, strict=True), start=1
            )
        )
        return NewFile(
            nonce=nonce,
            namespace=tag("ns"),
            name=name_of(number),
            manifest=manifest,
            redundancy=COPIES,
            size=SIZE,
            expiry=expiry,
            holders=holders,
            replaces=None,
            label=b"encrypted name and description of the file, some eighty bytes together, or so",
        )

    def _accepted(  # noqa: PLR0913, PLR0917  # what a receipt says
        self, node: Key, file: FileId, slot: int, root: Digest, held: Content, expiry: int
    ) -> Holder:
        leaves = len(held.hashes)
        receipt = Receipt(
            deployment=self.deployment,
            file=file,
            slot=slot,
            file_root=root,
            holding_root=held.root,
            leaves=leaves,
            replica_leaves=leaves,
            size=SIZE,
            latest_expiry=expiry,
            version=1,
            valid_until=self.time,
        )
        return Holder(
            node=node.node,
            root=held.root,
            leaves=leaves,
            replica_leaves=leaves,
            size=SIZE,
            latest_expiry=expiry,
            valid_until=self.time,
            signature=node.sign(receipt_digest(receipt)),
        )

    async def publish(self, files: int) -> None:
        """So many files, two blocks a second."""
        draws = random.Random(1)  # the same files every time
        for first in range(0, files, BATCH):
            self.time = START + first // BATCH // 2
            with self.clocks.on("owner"):
                numbers = range(first, min(first + BATCH, files))
                call = Publish(tuple(self.new_file(number, draws) for number in numbers))
                envelope = self.envelope(self.owner, call)
            await self.block([envelope])

    async def begin_epoch(self) -> None:
        """The next epoch, with its seed."""
        epoch = self.parameters.epoch_at(self.time) + 1
        self.time = self.parameters.start_of(epoch)
        await self.blocks([(self.owner, RevealSeed(epoch, (preimage(epoch),)))])

    async def prove(self) -> Counted:
        """Every node's prover runs once."""
        holders, counted = Holders(self.parameters.leaf_size), Counted()
        for node in self.nodes:
            registry = OfNode(self, node)
            prover = ProverTask(node.node, node.address, self.index, registry, holders)
            with self.clocks.on("prover, chain and index"):
                report = await prover.run_once()
            counted.sealed += report.sealed
            counted.draws += report.draws
        return counted

    async def beat(self) -> None:
        """An epoch's heartbeats of every node."""
        start = self.time
        for late in range(0, self.parameters.epoch, self.parameters.heartbeat):
            self.time = start + late
            await self.blocks((node, Heartbeat(node.node)) for node in self.nodes)


def name_of(number: int) -> Tag:
    return Tag(sha256(b"name %d" % number).digest())


@dataclass(frozen=True)
class OfNode:
    """`Registry` of one node: a block for every call."""

    network: Network
    key: Key

    @property
    def deployment(self) -> Deployment:
        """See `Registry`."""
        return self.network.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Registry`."""
        return self.network.parameters

    async def submit(self, call: Call) -> Inclusion:
        """See `Registry`."""
        return await self.network.block([self.network.envelope(self.key, call)])


class Unprobed:
    """`Observed` of an owner that has probed nobody."""

    def silence(self, node: NodeId) -> None:
        """See `Observed`."""

    def damage(self, file: FileId, slot: int) -> None:
        """See `Observed`."""


# ------------------------------------------------------------------ measuring


@dataclass(frozen=True)
class Sizes:
    """Bytes of what is kept, of the directories, and of memory.

    `mapped` are LevelDB's tables; the system takes them back when it needs the room.
    """

    state: int
    chain_disk: int
    index: int
    index_disk: int
    memory: int
    mapped: int


def sizes(chain: LevelKeyValue, index: LevelKeyValue, directory: Path) -> Sizes:
    memory, mapped = _memory()
    return Sizes(
        state=_size(chain, STATE),
        chain_disk=_disk(directory / "chain"),
        index=_size(index, b""),
        index_disk=_disk(directory / "index"),
        memory=memory,
        mapped=mapped,
    )


def _memory() -> tuple[int, int]:
    rows = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    found = {row[0]: int(row[1]) << 10 for row in rows if row and row[0].startswith("Rss")}
    return found["RssAnon:"], found["RssFile:"]


def _size(kv: LevelKeyValue, prefix: bytes) -> int:
    return sum(len(key) + len(value) for key, value in kv.scan(prefix))


def _disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def asked(index: Index, network: Network, files: int) -> dict[str, tuple[float, float]]:
    """Median and longest milliseconds of questions, each about another file or node."""
    draws = random.Random(2)  # the same questions every time
    owner, namespace = network.owner.address, tag("ns")
    cursors = [
        (START + number // BATCH // 2).to_bytes(8, "big")
        + file_id(network.deployment, owner, Nonce(number.to_bytes(16, "big")))
        for number in (draws.randrange(files) for _ in range(ASKED))
    ]
    ids = [FileId(cursor[8:]) for cursor in cursors]
    nodes = [draws.choice(network.nodes).node for _ in range(ASKED)]
    look = Viewpoint(index, Unprobed()).look
    questions: dict[str, Callable[[int], object]] = {
        "file by name": lambda n: index.live_file(owner, namespace, name_of(n % files)),
        "file by id": lambda n: index.file(ids[n]),
        "newest 100 files": lambda _: index.files(owner),
        "100 files from the middle": lambda n: index.files(owner, after=cursors[n]),
        "1,000 holdings of a node": lambda n: index.held_by(nodes[n]),
        "100 files that end first": lambda n: index.expiring(1 << 40, of=nodes[n]),
        "namespace with its sums": lambda _: index.namespace(owner, namespace),
        "100 nodes": lambda _: index.nodes(),
        "newest audits of a node": lambda n: index.audits.listed({nodes[n]: 0}, limit=24),
        "health of a node": lambda n: look().node(nodes[n]),
        "health of a file": lambda n: look().file(index.file(ids[n])),
    }
    return {name: _timed(question) for name, question in questions.items()}


def _timed(question: Callable[[int], object]) -> tuple[float, float]:
    taken = []
    for number in range(ASKED):
        before = time.thread_time()
        if question(number) is None:
            raise RuntimeError("nothing was found: there is nothing to measure")
        taken.append(1000 * (time.thread_time() - before))
    return median(taken), max(taken)


def assessed(index: Index, owner: Address) -> float:
    """Microseconds that a look at everything takes for each file."""
    look, after, seen = Viewpoint(index, Unprobed()).look(), b"", 0
    before = time.process_time()
    while seen < LOOKED_AT:
        page = index.files(owner, status=None, after=after, limit=50)
        seen += len([look.colour(view) for view in page.items])
        after = page.next
        if not after:
            break
    return 1e6 * (time.process_time() - before) / seen


# ------------------------------------------------------------------ the run


@contextlib.asynccontextmanager
async def _network(
    nodes: int, directory: Path
) -> AsyncIterator[tuple[Network, Callable[[], Sizes]]]:
    parameters = Parameters(start=START, beacons=(preimage(-1),))
    genesis = Genesis("scale", START, SEQUENCER.address, parameters)
    chain, kept = LevelKeyValue(directory / "chain"), LevelKeyValue(directory / "index")
    try:
        ledger = await open_ledger(chain, genesis, InlineCompute(), sync=False)
        keys = [key(f"node{number}") for number in range(nodes)]
        network = Network(ledger, Index(kept, parameters), keys, key("owner"))
        await network.found()
        network.clocks.taken()
        yield network, lambda: sizes(chain, kept, directory)
    finally:
        chain.close()
        kept.close()


async def run(files: int, nodes: int, directory: Path) -> None:
    """One network, from nothing."""
    async with _network(nodes, directory) as (network, measured):
        await network.publish(files)
        _print_published(files, network, measured())
        await network.begin_epoch()
        network.clocks.taken()
        on_chain = network.on_chain
        counted = await network.prove()
        spent = network.clocks.taken()
        print(
            f"sealing, once: {counted.sealed} calls for {3 * files} holdings, "
            f"{(network.on_chain - on_chain) / counted.sealed:.0f} B each; {_seconds(spent)}"
        )
        await network.begin_epoch()  # what was sealed in the one before is asked for from now on
        await network.prove()
        await network.beat()
        before = measured()
        _print_sizes("sealed", files, before)
        for _ in range(EPOCHS):
            await _epoch(network)
        _print_growth(nodes, before, measured())
        for question, (middle, longest) in asked(network.index, network, files).items():
            print(f"  {question:28} {middle:8.3f} ms, at most {longest:8.3f}")
        network.time += 301 * DAY
        await network.block([])
        middle, longest = _timed(
            lambda _: network.index.namespace(network.owner.address, tag("ns"))
        )
        print(f"  namespace, all of it ended   {middle:8.3f} ms, at most {longest:8.3f}")
        each = assessed(network.index, network.owner.address)
        print(f"  a look at all files: {each:.0f} us each, {each * files / 1e6:.1f} s together")


async def _epoch(network: Network) -> None:
    """One steady epoch and what it costs."""
    await network.begin_epoch()
    network.clocks.taken()
    on_chain, nodes = network.on_chain, len(network.nodes)
    counted = await network.prove()
    proving = network.clocks.taken()
    if counted.draws != nodes * network.parameters.leaves_per_epoch:
        raise RuntimeError(f"{counted.draws} draws were answered")
    await network.beat()
    beating = network.clocks.taken()
    print(
        f"epoch: {(network.on_chain - on_chain) / nodes / KIB:.1f} KiB of blocks a node; "
        f"proofs {1000 * sum(_parts(proving).values()) / nodes:.1f} ms a node "
        f"({_seconds(proving)}), heartbeats {_seconds(beating)}"
    )


def _print_growth(nodes: int, before: Sizes, now: Sizes) -> None:
    each = nodes * EPOCHS
    print(
        f"an epoch leaves {(now.state - before.state) / each:.0f} B of state and "
        f"{(now.index - before.index) / each:.0f} B of index a node; memory "
        f"{now.memory / MIB:.0f} MiB, and {now.mapped / MIB:.0f} MiB of mapped tables"
    )


def _print_published(files: int, network: Network, found: Sizes) -> None:
    spent = network.clocks.taken()
    ways = ", ".join(f"{what} {files / seconds:.0f}/s" for what, seconds in spent.items())
    print(f"{files} files on {len(network.nodes)} nodes: published {ways}")
    print(f"blocks: {network.on_chain / files:.0f} bytes a file")
    _print_sizes("published", files, found)


def _print_sizes(when: str, files: int, found: Sizes) -> None:
    print(
        f"{when}: bytes a file: state {found.state / files:.0f}, index "
        f"{found.index / files:.0f}; on disk: chain {found.chain_disk / MIB:.0f} MiB, index "
        f"{found.index_disk / MIB:.0f} MiB; memory {found.memory / MIB:.0f} MiB, and "
        f"{found.mapped / MIB:.0f} MiB of mapped tables"
    )


def _parts(spent: dict[str, float]) -> dict[str, float]:
    """What the prover took is what is left when chain and index are taken off."""
    parts = dict(spent)
    together = parts.pop("prover, chain and index", None)
    if together is not None:
        parts["prover"] = together - sum(parts.values())
    return parts


def _seconds(spent: dict[str, float]) -> str:
    return ", ".join(f"{what} {seconds:.2f} s" for what, seconds in _parts(spent).items())


def main() -> None:
    """Prints as it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--directory", type=Path, help="where to put it; else a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xdb-scale-", dir=options.directory) as directory:
        asyncio.run(run(options.files, options.nodes, Path(directory)))


if __name__ == "__main__":
    main()
