"""Throughput, latency and memory of a whole network on this machine, beside its primitives.

    make bench                       64 MiB and 1 GiB, 4 KiB files with 1 and 64 clients
    .venv/bin/python bench/throughput.py --sizes 4096 --seconds 5

A chain, four storage nodes, an owner node and the clients share this machine. The limit in
the last column is what the primitives alone would allow: the CPU seconds per GiB of every
hash, cipher, Merkle tree, gRPC hop and durable write that the job cannot do without, spread
over all cores. Compare ratios, not times.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from primitives import Cost, all_costs
from processes import Watch

from xdb.client import Client
from xdb.testnet import create, network

MIB = 1 << 20
COPIES = 3
SMALL = 4 << 10


@dataclass(frozen=True)
class Row:
    """One measurement."""

    job: str
    speed: str
    limit: str
    cpu: dict[str, float]
    peak: dict[str, int]


class Bench:
    """A network, and what is measured on it."""

    def __init__(self, directory: Path, costs: dict[str, Cost]) -> None:
        self._net = directory / "net"
        self._files = directory
        self._costs = costs
        self.rows: list[Row] = []
        create.create(self._net, create.Options(capacity="100 GiB"))
        network.start(self._net)
        self._cli("ns", "create", "bench", "--copies", str(COPIES))

    def close(self) -> None:
        """Ends the network."""
        network.destroy(self._net)

    def large(self, mib: int) -> None:
        """One file up and down."""
        path, back = self._files / f"{mib}.bin", self._files / "back.bin"
        with path.open("wb") as file:
            for _ in range(mib):
                file.write(os.urandom(MIB))
        name = path.name
        self._measure(f"upload {mib} MiB", mib, self._limit("up"), ["upload", str(path), "bench"])
        self._measure(
            f"download {mib} MiB",
            mib,
            self._limit("down"),
            ["download", f"bench/{name}", str(back)],
        )
        path.unlink()
        back.unlink()

    def small(self, clients: int, seconds: float) -> None:
        """Files of 4 KiB from so many clients at once, for some seconds."""
        with Watch(self._pids()).open() as watch:
            done, waits = asyncio.run(self._many(clients, seconds))
        waits.sort()
        middle, late = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
        speed = f"{done / seconds:.0f} files/s (p50 {middle * 1e3:.0f} ms, p99 {late * 1e3:.0f} ms)"
        self.rows.append(
            Row(f"4 KiB files, {clients} client{'s' * (clients > 1)}", speed, "", {}, watch.peak)
        )

    async def _many(self, clients: int, seconds: float) -> tuple[int, list[float]]:
        waits: list[float] = []
        async with Client.open(self._net / "context.toml") as xdb:
            await xdb.upload(os.urandom(SMALL), "bench", f"warm-{clients}")
            end = time.monotonic() + seconds

            async def work(number: int) -> int:
                count = 0
                while (began := time.monotonic()) < end:
                    name = f"small-{clients}-{number}-{count}"
                    await xdb.upload(os.urandom(SMALL), "bench", name)
                    waits.append(time.monotonic() - began)
                    count += 1
                return count

            counts = await asyncio.gather(*(work(number) for number in range(clients)))
        return sum(counts), waits

    def _measure(self, job: str, mib: int, limit: float, arguments: list[str]) -> None:
        with Watch(self._pids()).open() as watch:
            began, before = time.monotonic(), os.times()
            self._cli(*arguments)
            wall, after = time.monotonic() - began, os.times()
        client = sum(after[2:4]) - sum(before[2:4])
        cpu = {name: used * 1024 / mib for name, used in (*watch.cpu.items(), ("client", client))}
        self.rows.append(Row(job, f"{mib / wall:.0f} MiB/s", f"{limit:.0f} MiB/s", cpu, watch.peak))

    def _limit(self, way: str) -> float:
        cost = {name: each.cpu for name, each in self._costs.items()}
        hashing, hop = cost["SHA-256"], cost["gRPC hop (TLS, both ends)"]
        merkle, write = cost["Merkle, 1024 B leaves"], cost["write + fsync"]
        seal, encrypt = cost["seal (AES-256-CTR)"], cost["encrypt (AES-256-GCM)"]
        needed = (
            hop * (1 + COPIES) + hashing * 3 + encrypt + COPIES * (seal + 2 * merkle + write)
            if way == "up"
            else 2 * hop + 2 * hashing + seal + encrypt
        )
        return 1024 * (os.cpu_count() or 1) / needed

    def _pids(self) -> dict[str, int]:
        return {p.name: p.pid for p in network.status(self._net) if p.pid}

    def _cli(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "xdb", "--context", self._net / "context.toml", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )


def table(rows: list[Row]) -> str:
    """All rows in Markdown."""
    lines = [
        (
            "| job | speed | limit of the primitives | CPU s/GiB: client, owner, nodes, chain "
            "| peak PSS: owner, largest node, chain |"
        ),
        "|---|---|---|---|---|",
    ]
    for row in rows:
        nodes = [name for name in row.peak if name.startswith("node")]
        used = ""
        if row.cpu:
            stored = sum(row.cpu[name] for name in nodes)
            used = ", ".join(
                f"{value:.1f}"
                for value in (row.cpu["client"], row.cpu["owner"], stored, row.cpu["chain"])
            )
        peaks = (row.peak["owner"], max(row.peak[name] for name in nodes), row.peak["chain"])
        memory = ", ".join(f"{peak / MIB:.0f} MiB" for peak in peaks)
        lines.append(f"| {row.job} | {row.speed} | {row.limit} | {used} | {memory} |")
    return "\n".join(lines)


def main() -> None:
    """Runs everything and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="64,1024", help="MiB of the large files")
    parser.add_argument("--clients", default="1,64", help="clients that send small files")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each number of clients")
    options = parser.parse_args()
    costs = all_costs()
    with tempfile.TemporaryDirectory(prefix="xdb-bench-") as scratch:
        bench = Bench(Path(scratch), costs)
        try:
            for mib in filter(None, options.sizes.split(",")):
                bench.large(int(mib))
            for clients in filter(None, options.clients.split(",")):
                bench.small(int(clients), options.seconds)
        finally:
            bench.close()
    print(table(bench.rows))
    print()
    print("| primitive, one core | CPU s/GiB | MiB/s |\n|---|---|---|")
    for cost in costs.values():
        print(f"| {cost.name} | {cost.cpu:.2f} | {1024 / cost.wall:.0f} |")


if __name__ == "__main__":
    main()
