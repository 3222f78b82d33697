"""What the primitives alone cost on this machine: CPU seconds per GiB, one core.

Each works on the same random 4 MiB slice as often as a budget of bytes allows.
`throughput.py` puts the sum that an upload needs beside what the system takes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from xdb.core.merkle import replica_root
from xdb.core.sealing import seal
from xdb.peer.certificates import make_certificate
from xdb.store import direct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLICE = 4 << 20
GIB = 1 << 30
MESSAGE = 1 << 20
LEAF = 1024


@dataclass(frozen=True)
class Cost:
    """One primitive: CPU and wall seconds per GiB of its input."""

    name: str
    cpu: float
    wall: float


def measure(name: str, work: Callable[[], object], rounds: int) -> Cost:
    """Runs `work`, which handles one slice, `rounds` times after one warm-up."""
    work()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(rounds):
        work()
    scale = GIB / (rounds * SLICE)
    return Cost(name, (time.process_time() - cpu) * scale, (time.perf_counter() - wall) * scale)


def local(rounds: int) -> Iterator[Cost]:
    """Hash, encrypt, seal, commit, and write with fsync."""
    data, key = os.urandom(SLICE), os.urandom(32)
    aead = AESGCM(key)
    yield measure("SHA-256", lambda: hashlib.sha256(data).digest(), rounds)
    yield measure("encrypt (AES-256-GCM)", lambda: aead.encrypt(bytes(12), data, b""), rounds)
    yield measure("seal (AES-256-CTR)", lambda: seal(key, 1, data), rounds)
    yield measure(f"Merkle, {LEAF} B leaves", lambda: replica_root(data, LEAF), rounds)
    with tempfile.TemporaryDirectory() as scratch:
        directory = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
        names = iter(map(str, range(rounds + 1)))
        yield measure(
            "write + fsync", lambda: direct.write(directory, next(names), [data], 0o600), rounds
        )
        os.close(directory)


async def hop(rounds: int) -> Cost:
    """One gRPC hop over TLS on loopback in 1 MiB messages, both ends in this process."""

    async def take(messages: object, _context: object) -> bytes:
        async for _ in messages:  # type: ignore[attr-defined]
            pass
        return b""

    handler = grpc.method_handlers_generic_handler(
        "bench.Sink", {"Take": grpc.stream_unary_rpc_method_handler(take)}
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    identity = make_certificate()
    credentials = grpc.ssl_server_credentials([(identity.private_key, identity.certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    channel = grpc.aio.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(identity.certificate),
        options=[("grpc.ssl_target_name_override", "xdb-node")],
    )
    data = memoryview(os.urandom(SLICE))

    async def send() -> None:
        call = channel.stream_unary("/bench.Sink/Take")()
        for start in range(0, SLICE, MESSAGE):
            await call.write(bytes(data[start : start + MESSAGE]))
        await call.done_writing()
        await call

    await send()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(rounds):
        await send()
    scale = GIB / (rounds * SLICE)
    cost = Cost(
        "gRPC hop (TLS, both ends)",
        (time.process_time() - cpu) * scale,
        (time.perf_counter() - wall) * scale,
    )
    await channel.close()
    await server.stop(None)
    return cost


def all_costs(rounds: int = 64) -> dict[str, Cost]:
    """Every primitive by name."""
    costs = [*local(rounds), asyncio.run(hop(rounds))]
    return {cost.name: cost for cost in costs}


if __name__ == "__main__":
    for cost in all_costs().values():
        print(f"{cost.name:28} {cost.cpu:6.2f} CPU s/GiB {1024 / cost.wall:8.0f} MiB/s")
