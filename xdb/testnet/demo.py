"""The main job, shown with real processes: `make demo`.

A chain of either kind, six storage nodes and an owner; a directory tree and a large file go
up, and every node proves that it holds its part. Then one node loses its disk, one gets a
bit flipped, one is killed. The network finds all three by itself, restores and moves what
was lost, and in the end everything is proved again and comes back unchanged.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from signal import SIG_IGN, SIGINT, SIGTERM, signal
from time import sleep
from typing import Any, NoReturn

from xdb.errors import XdbError
from xdb.model.ids import Address, FileId
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.runtime.clock import SystemClock
from xdb.runtime.entropy import SystemEntropy
from xdb.testnet import network
from xdb.testnet.create import Options, create
from xdb.testnet.demo_watch import Watch, watching
from xdb.testnet.network import ProcessStatus

LARGE = 128 << 20
MIB = 1 << 20
NAMESPACE = "demo"
COPIES = 3
OPTIONS = Options(nodes=6, epoch=15, heartbeat=3, unreachable=8, pace=2, scrub="8s")
"""Everything at a pace to be watched: real networks have hours where this one has seconds."""
LOOK_EVERY = 0.5
"""Seconds between looks."""
SETTLED_WITHIN = 150.0
"""Seconds after which something that does not heal has failed to."""
BEFORE_EPOCH = 2.5
"""Seconds before the next epoch at which a disk is lost, so that it is the epoch that asks."""
TREE = {
    "notes/todo.txt": b"tell somebody about it\n",
    "notes/empty": b"",
    "notes/zeros": bytes(100_000),
    "pictures/one.raw": bytes(range(256)) * 4096,
    "pictures/deep/er/two.raw": bytes(reversed(range(256))) * 777,
}


class DemoError(Exception):
    """A step did not do what it should."""


class Demo:
    """One run, in a directory of its own."""

    def __init__(self, directory: Path, options: Options, clock: Clock, entropy: Entropy) -> None:
        self._options = options
        self._net = directory / "net"
        self._files = directory / "files"
        self._back = directory / "back"
        self._clock = clock
        self._entropy = entropy
        self._started = clock.monotonic()

    def run(self) -> None:
        """All steps in order."""
        self._start()
        self._make_files()
        self._upload()
        self._show_holders()
        self._prove()
        self._break_and_mend()
        self._download()
        self._show_costs()
        self._say(
            f"done: a disk lost, a bit flipped, a node dead; {COPIES} proved copies of "
            "everything again, every byte came back, nothing was restarted"
        )

    def _start(self) -> None:
        create(self._net, self._options)
        seconds = self._timed(lambda: network.start(self._net))
        if self._options.chain == "ethereum":
            self._say("made an Ethereum chain (anvil), deployed the registry")
        names = ", ".join(process.name for process in network.status(self._net))
        self._say(f"network up in {seconds:.1f} s: {names}")
        self._xdb("ns", "create", NAMESPACE, "--copies", str(COPIES))
        self._say(f"namespace {NAMESPACE!r}: {COPIES} copies of everything")

    def _make_files(self) -> None:
        for name, content in TREE.items():
            path = self._files / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with (self._files / "large.bin").open("wb") as file:
            for _ in range(LARGE // MIB):
                file.write(self._entropy.draw(MIB))
        self._say(f"made a directory of {len(TREE)} files and {LARGE // MIB} MiB of random bytes")

    def _upload(self) -> None:
        tree, large = str(self._files / "tree"), str(self._files / "large.bin")
        seconds = self._timed(lambda: self._xdb("upload", tree, NAMESPACE))
        self._say(f"uploaded the directory in {seconds:.1f} s")
        seconds = self._timed(lambda: self._xdb("upload", large, NAMESPACE))
        self._say(f"uploaded {LARGE // MIB} MiB: {_speed(seconds)}, each byte to {COPIES} nodes")

    def _show_holders(self) -> None:
        files = self._json("ls", NAMESPACE)["files"]
        slots = Counter(slot["address"] for file in files for slot in file["slots"])
        for process in self._nodes():
            count = slots[process.address]
            self._say(
                f"  {process.name} at {process.address} holds {count} of {slots.total()} slots"
            )

    def _prove(self) -> None:
        with self._watch() as watch:
            seconds = self._timed(lambda: self._until(lambda: not watch.unproved(), "be proved"))
            counts = watch.client.audits.count()
        self._say(
            f"every slot proved on the chain after {seconds:.0f} s: {counts.proved} proofs, "
            f"{counts.failed} losses, {counts.missed} missed"
        )

    def _break_and_mend(self) -> None:
        wiped, rotten, dead = self._victims()
        with self._watch() as watch:
            epoch, ends = watch.epoch()
            asked = [node.node for node in watch.client.nodes.list() if node.holdings]
            self._pause_until(ends.timestamp() - BEFORE_EPOCH)
            network.wipe(self._net, wiped.name)
            self._say(f"{wiped.name} gets an empty disk in place of its own")
            self._until(
                lambda: all(watch.has_proved(node, epoch + 1) for node in asked),
                "answer the next epoch",
            )
            file = self._json("info", f"{NAMESPACE}/large.bin")["file"]
            network.corrupt(self._net, rotten.name, FileId(bytes.fromhex(file)))
            self._say(f"one bit of one replica of the large file flips on {rotten.name}")
            network.kill(self._net, dead.name)
            self._say(f"{dead.name} is killed (SIGKILL)")
            suspects = {watch.node(process): process for process in (wiped, rotten, dead)}

            def settled() -> bool:
                watch.news(suspects)
                return watch.lives_without(dead.address) and watch.is_whole()

            seconds = self._timed(lambda: self._until(settled, "heal"))
            watch.news(suspects)
        self._say(f"healed after {seconds:.0f} s: all green, every slot held and proved anew")

    def _victims(self) -> tuple[ProcessStatus, ProcessStatus, ProcessStatus]:
        """Two holders of the large file and one that holds others; no file loses all copies."""
        large = self._holders("large.bin")
        holders = [process for process in self._nodes() if process.address in large]
        files = self._json("ls", NAMESPACE)["files"]
        slots = Counter(slot["address"] for file in files for slot in file["slots"])
        others = [process for process in self._nodes() if process.address not in large]
        dead = max(others, key=lambda process: slots[process.address])
        return holders[0], holders[1], dead

    def _until(self, done: Callable[[], bool], what: str) -> None:
        """Looks again and again."""
        end = self._clock.monotonic() + SETTLED_WITHIN
        while not done():
            if self._clock.monotonic() > end:
                raise DemoError(f"the network does not {what} within {SETTLED_WITHIN:.0f} s")
            sleep(LOOK_EVERY)

    def _pause_until(self, moment: float) -> None:
        while self._clock.wall() < moment:
            sleep(min(LOOK_EVERY, max(0.01, moment - self._clock.wall())))

    def _watch(self) -> AbstractContextManager[Watch]:
        since = datetime.fromtimestamp(self._clock.wall(), UTC)
        context = self._net / "context.toml"
        return watching(context, NAMESPACE, self._nodes(), since, self._say)

    def _download(self) -> None:
        large, copy = self._files / "large.bin", self._back / "large.bin"
        self._back.mkdir()
        seconds = self._timed(lambda: self._xdb("download", f"{NAMESPACE}/large.bin", str(copy)))
        _compare(large, copy)
        self._say(f"downloaded {LARGE // MIB} MiB: {_speed(seconds)}, same SHA-256")
        for number, name in enumerate(TREE):
            copy = self._back / str(number)
            self._xdb("download", f"{NAMESPACE}/tree/{name}", str(copy))
            _compare(self._files / "tree" / name, copy)
        self._say(f"downloaded the {len(TREE)} files of the directory, same SHA-256")

    def _show_costs(self) -> None:
        """Calls to a registry on Ethereum cost gas; those to an embedded chain nothing."""
        if self._options.chain != "ethereum":
            return
        from xdb.testnet import gas  # noqa: PLC0415  # heavy, and only for this chain

        (chain,) = (each for each in network.status(self._net) if each.role == "anvil")
        found = gas.spent(f"http://{chain.address}", Address(bytes.fromhex(chain.id)))
        total = sum(each.gas for each in found)
        self._say(f"gas used, from the receipts: {total:,}; on average")
        for each in found:
            failed = f", {each.failed} of them without effect" if each.failed else ""
            self._say(f"  {each.mean:,} by {each.calls} {each.name}{failed}")

    def _holders(self, name: str) -> set[str]:
        return {slot["address"] for slot in self._json("info", f"{NAMESPACE}/{name}")["slots"]}

    def _nodes(self) -> list[ProcessStatus]:
        return [process for process in network.status(self._net) if process.role == "storage"]

    def _json(self, *arguments: str) -> Any:  # noqa: ANN401  # whatever the command says
        return json.loads(self._xdb(*arguments, "--json"))

    def _xdb(self, *arguments: str) -> str:
        context = str(self._net / "context.toml")
        command = [sys.executable, "-m", "xdb", "--context", context, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # this program
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise DemoError(f"xdb-cli {' '.join(arguments)} failed: {said}")
        return done.stdout

    def _timed(self, work: Callable[[], object]) -> float:
        before = self._clock.monotonic()
        work()
        return self._clock.monotonic() - before

    def _say(self, text: str) -> None:
        seconds = self._clock.monotonic() - self._started
        print(f"{seconds:6.1f} s  {text}", flush=True)  # noqa: T201  # what a demo is for


def _speed(seconds: float) -> str:
    return f"{LARGE / MIB / seconds:.0f} MiB/s"


def _compare(original: Path, copy: Path) -> None:
    with original.open("rb") as first, copy.open("rb") as second:
        if file_digest(first, "sha256").digest() != file_digest(second, "sha256").digest():
            raise DemoError(f"{copy} differs from {original}")


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _hold_on() -> None:
    """Cleaning up is not interrupted."""
    for number in (SIGINT, SIGTERM):
        signal(number, SIG_IGN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; leaves no process and no file, however it ends."""
    parser = argparse.ArgumentParser(prog="python -m xdb.testnet.demo")
    parser.add_argument("--chain", choices=("embedded", "ethereum"), default="embedded")
    options = replace(OPTIONS, chain=parser.parse_args(arguments).chain)
    for number in (SIGINT, SIGTERM):
        signal(number, _end)
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="xdb-demo-"))
        stack.callback(shutil.rmtree, directory)
        stack.callback(network.destroy, directory / "net")
        stack.callback(_hold_on)
        try:
            Demo(directory, options, SystemClock(), SystemEntropy()).run()
        except (DemoError, XdbError) as error:
            print(f"demo failed: {error}", file=sys.stderr)  # noqa: T201  # likewise
            return 1
        except KeyboardInterrupt:
            print("demo interrupted", file=sys.stderr)  # noqa: T201  # likewise
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
