"""What processes take: CPU seconds, and peak proportional set size, workers included."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKS = os.sysconf("SC_CLK_TCK")
PERIOD = 1.0  # reading a large process's set takes milliseconds
MIB = 1 << 20


def family(pid: int) -> list[int]:
    """A process and all below it."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children[int(stat[1])].append(int(entry.name))
    found, rest = [], [pid]
    while rest:
        found.append(rest.pop())
        rest += children[found[-1]]
    return found


def cpu(pid: int) -> float:
    """CPU seconds of a process, its living and its ended children."""
    total = 0.0
    for member in family(pid):
        stat = _stat(member)
        if stat:
            total += sum(int(stat[at]) for at in (11, 12, 13, 14)) / TICKS
    return total


def pss(pid: int) -> int:
    """Proportional set size of a process and all below it, in bytes."""
    total = 0
    for member in family(pid):
        try:
            text = Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total << 10


class Watch:
    """CPU used and memory peaks of named processes while it is open."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._before = {name: cpu(pid) for name, pid in pids.items()}
        self.peak = dict.fromkeys(pids, 0)
        self.cpu: dict[str, float] = {}

    @contextmanager
    def open(self) -> Iterator[Watch]:
        """Samples until left."""
        done = threading.Event()

        def sample() -> None:
            while True:
                for name, pid in self._pids.items():
                    self.peak[name] = max(self.peak[name], pss(pid))
                if done.wait(PERIOD):
                    return

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            done.set()
            thread.join()
            self.cpu = {name: cpu(pid) - self._before[name] for name, pid in self._pids.items()}


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
