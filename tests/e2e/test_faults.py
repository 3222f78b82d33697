"""Faults on real processes: what was acknowledged stays, and the rest leaves nothing wrong."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from xdb.client import Client, copies
from xdb.errors import PlacementError, UnavailableError, XdbError

MIB = 1 << 20
pytestmark = pytest.mark.timeout(240)


@contextlib.asynccontextmanager
async def client_of(net):
    async with Client.open(net.directory / "context.toml") as client:
        yield client


@pytest.fixture
def spare(make_net):
    """A running network with one storage node more than copies."""
    net = make_net(nodes=3)
    net.start()

    async def prepare():
        async with client_of(net) as client:
            await client.namespaces.create("ns", copies(2))

    asyncio.run(prepare())
    return net


def bytes_of(name, size):
    return hashlib.shake_256(name.encode()).digest(size)


async def all_good(net, names):
    """Every file comes back as it went up, and every replica is what was committed to."""
    async with client_of(net) as client:
        for name, data in names.items():
            assert await client.read(f"ns/{name}") == data
            checks = [check async for check in client.verify(f"ns/{name}")]
            assert [check.problem for check in checks if not check.good] == []


def wait_until(holds, seconds=60):
    """For what another process has to notice first."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


# ---------------------------------------------------------------- a node lost


@pytest.mark.parametrize("after", [0, 3 * MIB])
async def test_a_node_killed_in_the_middle_of_an_upload(spare, after):
    data, killed, notes = bytes_of(f"lost {after}", 8 * MIB), [], []

    async def source():
        for start in range(0, len(data), MIB):
            if start == after:
                spare.kill("node-1")
                killed.append("node-1")
            yield data[start : start + MIB]

    async with client_of(spare) as client:
        file = await client.upload(
            source(), "ns", "f", progress=lambda report: notes.append(report.note)
        )
    dead = spare.status()["node-1"]
    assert killed
    assert dead.address not in {slot.address for slot in file.slots}
    await all_good(spare, {"f": data})


# ---------------------------------------------------------------- the owner lost


@pytest.mark.parametrize("moment", [0.1, 0.5, 0.9])
async def test_the_owner_killed_in_the_middle_resumes(spare, moment):
    """The moments are parts of what an undisturbed upload took."""
    data = bytes_of("owner", 6 * MIB)
    async with client_of(spare) as client:
        began = time.monotonic()
        await client.upload(data, "ns", "undisturbed")
        took = time.monotonic() - began

    upload_id = os.urandom(16)

    async def interrupted():
        async with client_of(spare) as client:
            await client.upload(_once(data), "ns", "f", upload_id=upload_id)

    task = asyncio.ensure_future(interrupted())
    await asyncio.sleep(moment * took)
    spare.kill("owner")
    with contextlib.suppress(XdbError):
        await task
    spare.start()
    async with client_of(spare) as client:
        files = [file async for file in client.files("ns")]
        assert {file.name for file in files} <= {"undisturbed", "f"}
        await client.upload(data, "ns", "f", upload_id=upload_id)
        assert len([file async for file in client.files("ns")]) == 2
    await all_good(spare, {"f": data, "undisturbed": data})


async def _once(data):
    for start in range(0, len(data), MIB):
        yield data[start : start + MIB]


# ---------------------------------------------------------------- killed at the n-th system call


def killer(pid, number):
    """Kills a process at its n-th call that makes something durable or visible."""
    calls = "fsync,fdatasync,rename,renameat,renameat2,unlinkat,ftruncate"
    strace = subprocess.Popen(
        [
            "strace",
            "-f",
            "-qq",
            "-p",
            str(pid),
            "-e",
            f"trace={calls}",
            "-e",
            f"inject={calls}:signal=SIGKILL:when={number}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: _traced(pid))
    return strace


def _traced(pid):
    with Path(f"/proc/{pid}/status").open() as status:
        return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in status)


def alive(net, name):
    return net.status()[name].pid is not None


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
async def test_a_node_killed_at_every_durable_step(make_net):
    """Of an upload that needs it, which is repeated when it is back."""
    net, kept = make_net(nodes=2), {}
    net.start()
    async with client_of(net) as client:
        await client.namespaces.create("ns", copies(2))
    for number in range(1, 100 if os.environ.get("XDB_LONG") else 6):
        name, data = f"f{number}", bytes_of(f"step {number}", 100_000)
        upload_id = os.urandom(16)
        strace = killer(net.status()["node-1"].pid, number)
        try:
            async with client_of(net) as client:
                with contextlib.suppress(XdbError):
                    await client.upload(_once(data), "ns", name, upload_id=upload_id)
            died = not alive(net, "node-1")
        finally:
            strace.send_signal(signal.SIGTERM)
            strace.communicate()
        net.start()
        async with client_of(net) as client:
            await client.upload(data, "ns", name, upload_id=upload_id)
        kept[name] = data
        if not died:
            break
    assert number > 3
    await all_good(net, kept)


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(make_net):
    """A network of three nodes; node-1 keeps everything on a disk of 100 MiB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root to mount a tmpfs")
    net = make_net(nodes=3)
    place = net.directory / "node-1" / "data"
    aside = place.with_name("aside")
    place.rename(aside)
    place.mkdir(mode=0o700)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100m,mode=0700", "tmpfs", place], check=True
    )
    shutil.copytree(aside, place, dirs_exist_ok=True)
    net.start()
    yield net
    net.stop()
    subprocess.run(["umount", place], check=True)


async def test_a_disk_that_fills_up(small_disk):
    """Its node refuses with a clear word, others take over, and it takes again when mended."""
    net, kept = small_disk, {}
    filler = net.directory / "node-1" / "data" / "filler"
    async with client_of(net) as client:
        await client.namespaces.create("ns", copies(2))
        kept["before"] = bytes_of("before", 8 * MIB)
        await client.upload(kept["before"], "ns", "before")
        with filler.open("wb") as file, contextlib.suppress(OSError):
            while True:  # until there is no room at all, reserve included
                file.write(bytes(MIB))
                file.flush()
        for number in range(3):
            name = f"during-{number}"
            kept[name] = bytes_of(name, 4 * MIB)
            stored = await client.upload(kept[name], "ns", name)
            assert net.status()["node-1"].address not in {slot.address for slot in stored.slots}
        assert alive(net, "node-1")
        net.kill("node-2")
        with pytest.raises(
            (PlacementError, UnavailableError),
            match=r"full|room|bytes left|no other node is usable",
        ):
            await client.upload(bytes(4 * MIB), "ns", "too much")
        net.start()
        filler.unlink()
        net.kill("node-2")
        await asyncio.to_thread(wait_until, lambda: _takes(net), 30)
    net.start()
    await all_good(net, kept)


def _takes(net):
    async def upload():
        async with client_of(net) as client:
            name = f"after-{time.monotonic()}"
            await client.upload(bytes_of("after", MIB), "ns", name)

    try:
        asyncio.run(upload())
    except XdbError:
        return False
    return True


# ---------------------------------------------------------------- half a stream


async def test_an_upload_that_breaks_off_leaves_no_file(spare):
    async def broken():
        yield bytes_of("half", 3 * MIB)
        raise UnavailableError("the source went away")

    async with client_of(spare) as client:
        with pytest.raises(XdbError):
            await client.upload(broken(), "ns", "half")
        assert [file async for file in client.files("ns")] == []
        await client.upload(bytes_of("whole", 3 * MIB), "ns", "half")
    await all_good(spare, {"half": bytes_of("whole", 3 * MIB)})
