"""What audits cost: calls and bytes on chain per node and epoch, and the prover's time.

    .venv/bin/python bench/audits.py
    .venv/bin/python bench/audits.py --files 10 100 --pieces 65536

A chain in memory with the real rules, one storage node with the real store on this
machine's disk and the real prover. Every file has one slot here, so that what is counted is
what one node pays. Calls and bytes are exact; times are this machine's.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from xdb.core.encoding import encode
from xdb.core.envelope import sign_envelope
from xdb.index.index import Index
from xdb.model.calls import Call, Heartbeat, Publish, RevealSeed
from xdb.model.ids import Deployment, Nonce
from xdb.model.registry import Coding, Parameters, Redundancy
from xdb.node.storage_tasks import PATIENCE
from xdb.ports.blockchain import Inclusion
from xdb.runtime.compute import LocalCompute
from xdb.services.answering import Answering
from xdb.store.disk import LocalDisk
from xdb.store.kv_memory import MemoryKeyValue
from xdb.store.replicas import ReplicaStore
from xdb.store.room import RoomConfig
from xdb.tasks.prover import ProverReport, ProverTask
from xdb.testing.audits import preimage
from xdb.testing.chain import MemoryChain, StillClock
from xdb.testing.custody import SealedFile, memory_custody
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, START, namespace_call, node_call

ONE_COPY = Redundancy(Coding.COPIES, 1, 1)
EPOCHS = 3
"""Epochs that are measured, after everything is sealed."""
BATCH = 200
MIB = 1 << 20


@dataclass
class Counting:
    """`Registry` of the node that counts what goes to the chain."""

    chain: MemoryChain
    key: NamedKey
    calls: Counter[str] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)
    sent: int = 0

    @property
    def deployment(self) -> Deployment:
        """See `Registry`."""
        return self.chain.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Registry`."""
        return self.chain.parameters

    async def submit(self, call: Call) -> Inclusion:
        """Counts a call and executes it."""
        self.sent += 1
        nonce = Nonce(self.sent.to_bytes(16, "big"))
        until = self.chain.time + self.parameters.envelope_lifetime
        envelope = sign_envelope(call, self.deployment, self.key, nonce, until)
        name = type(call).__name__
        self.calls[name] += 1
        self.size[name] += len(encode(envelope))
        return self.chain.submit(envelope)


@dataclass(frozen=True)
class Row:
    """One measurement."""

    files: int
    held: int
    calls: float
    size: float
    reports: list[ProverReport]
    seconds: list[float]
    seals: int
    seal_size: int


class Bench:
    """One node with so many files of one replica each."""

    def __init__(self, disk: LocalDisk, compute: LocalCompute) -> None:
        parameters = Parameters(start=START, beacons=(preimage(-1),))
        self.chain = MemoryChain(parameters, StillClock(START))
        self.owner, self.key = NamedKey("owner"), NamedKey("node")
        self.chain.call(self.key.address, node_call(self.key))
        self.chain.call(self.owner.address, namespace_call("ns", ONE_COPY))
        self.store = ReplicaStore(
            disk,
            MemoryKeyValue(),
            compute,
            RoomConfig(capacity=1 << 40, reserve=0),
            parameters.leaf_size,
            lambda: self.chain.head.time,
        )
        self.index = Index(MemoryKeyValue(), parameters)
        self.registry = Counting(self.chain, self.key)
        self.prover = ProverTask(
            self.key.node,
            self.key.address,
            self.index,
            self.registry,
            Answering(self.index, self.store, compute, parameters.epoch // PATIENCE),
        )

    async def follow(self) -> None:
        """The index takes in what there is."""
        height = self.chain.head.height
        async for item in self.chain.events().follow(self.index.head.height):
            await self.index.apply(item)
            if self.index.head.height == height:
                return

    async def fill(self, files: int, piece: int) -> int:
        """Stores and publishes `files` files; gives the bytes held."""
        custody = replace(memory_custody(self.chain, self.key, StillClock(START)), store=self.store)
        expiry, batch, held = self.chain.time + 30 * DAY, [], 0
        for number in range(files):
            file = self._file(number, piece)
            (data,), (commitment,) = file.replicas(1), file.commitments(1)
            await custody.push(self.owner.address, file.ref(1), 0, commitment, data)
            holder = await custody.accept(
                self.owner.address, file.ref(1), file.manifest_digest, file.manifest, expiry, 1
            )
            held += len(data)
            batch.append(file.new((holder,), expiry))
            if len(batch) == BATCH or number == files - 1:
                self.chain.call(self.owner.address, Publish(tuple(batch)))
                batch = []
        await self.follow()
        return held

    def _file(self, number: int, piece: int) -> SealedFile:
        return SealedFile(
            self.chain.deployment,
            self.owner,
            f"file {number}",
            number.to_bytes(4, "big") * ((piece - 16) // 4),
            ONE_COPY,
            max(piece, 1 << 16),
        )

    async def begin_epoch(self) -> None:
        """The next epoch, with its seed."""
        parameters, now = self.chain.parameters, self.chain.time
        epoch = parameters.epoch_at(now) + 1
        self.chain.advance(parameters.start_of(epoch) - now)
        self.chain.call(self.owner.address, RevealSeed(epoch, (preimage(epoch),)))
        await self.follow()

    async def run_once(self) -> ProverReport:
        """One cycle of the prover, with the index kept up."""
        running = asyncio.ensure_future(self.prover.run_once())
        while not running.done():
            await asyncio.sleep(0)
            if self.index.head.height < self.chain.head.height:
                await self.follow()
        return running.result()


async def measure(files: int, piece: int) -> Row:
    """Fills a node, seals, and proves some epochs."""
    async with _bench() as bench:
        held = await bench.fill(files, piece)
        await bench.begin_epoch()
        sealed = await bench.run_once()
        seals, seal_size = bench.registry.calls["Seal"], bench.registry.size["Seal"]
        if sealed.sealed != seals or not seals:
            raise RuntimeError("nothing was sealed: there is nothing to measure")
        bench.registry.calls.clear()
        bench.registry.size.clear()
        reports, seconds = [], []
        for _ in range(EPOCHS):
            await bench.begin_epoch()
            beats = bench.chain.parameters.epoch // bench.chain.parameters.heartbeat
            for _ in range(beats):
                await bench.registry.submit(Heartbeat(bench.key.node))
            await bench.follow()
            before = time.perf_counter()
            reports.append(await bench.run_once())
            seconds.append(time.perf_counter() - before)
        calls = bench.registry.calls.total() / EPOCHS
        size = bench.registry.size.total() / EPOCHS
        return Row(files, held, calls, size, reports, seconds, seals, seal_size)


@contextlib.asynccontextmanager
async def _bench() -> AsyncIterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="xdb-bench-") as directory:
        compute = LocalCompute()
        disk = LocalDisk(Path(directory) / "disk", compute)
        try:
            yield Bench(disk, compute)
        finally:
            disk.close()
            compute.close()


def main() -> None:
    """Prints a line for each number of files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--pieces", type=int, default=1 << 16, help="bytes of a replica")
    options = parser.parse_args()
    print("files      held   calls  on chain   draws  replicas      read   proof  | seals, once")
    for files in options.files:
        row = asyncio.run(measure(files, options.pieces))
        last, best = row.reports[-1], min(row.seconds)
        print(
            f"{row.files:>6} {row.held / MIB:>5.0f} MiB {row.calls:>6.1f} {row.size / 1024:>7.1f} "
            f"KiB {last.draws:>6} {last.replicas:>9} {last.read / MIB:>5.1f} MiB {best:>6.2f} s"
            f"  | {row.seals:>3} calls, {row.seal_size / 1024:.1f} KiB"
        )


if __name__ == "__main__":
    main()
