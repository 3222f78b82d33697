"""A disk in memory that forgets in a crash what was not synced."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xdb.errors import NotFoundError, StorageFullError, UnavailableError
from xdb.ports.compute import Buffer
from xdb.ports.entropy import Entropy
from xdb.store.paths import parts_of

_GRAINS = (512, 4096)
"""Bytes that a disk, or a file system, writes whole or not at all."""


@dataclass(eq=False)
class _File:
    """One file, whatever names it has: its content now, and what of it is synced."""

    content: bytes = b""
    synced: bytes = b""


@dataclass
class MemoryDisk:
    """`Disk` with a volatile and a durable image of names.

    `step` is called before every operation with its name and path, and may raise to
    inject a fault: an XdbError is what the caller sees. After `crash` names and contents
    are what was durable, plus whatever subset of the rest the entropy chooses.
    """

    room: int = 1 << 40
    step: Callable[[str, str], None] = lambda _operation, _path: None
    _names: dict[str, _File] = field(default_factory=dict)
    _durable: dict[str, _File] = field(default_factory=dict)

    def content(self, path: str) -> bytes | None:
        """What a file holds now; None when there is none."""
        file = self._names.get(path)
        return None if file is None else file.content

    def rot(self, path: str, change: Callable[[bytes], bytes | None]) -> None:
        """Changes a file behind everybody's back, as bit rot does; None: it is missing."""
        content = change(self._names[path].content)
        if content is None:
            del self._names[path]
        else:
            self._names[path].content = self._names[path].synced = content

    async def write(self, path: str, parts: Sequence[Buffer]) -> None:
        """See `Disk`."""
        parts_of(path)
        content = b"".join(bytes(part) for part in parts)
        file = self._names.setdefault(path, _File())
        used = sum(len(other.content) for other in self._names.values()) - len(file.content)
        try:
            self.step("write", path)
        except BaseException:
            file.content = content[: len(content) // 2]  # some of it got there
            raise
        if used + len(content) > self.room:
            file.content = content[: max(0, self.room - used)]
            raise StorageFullError(f"no room left for {path}: make room on its disk")
        file.content = content
        self.step("sync", path)
        file.synced = content

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Disk`."""
        self.step("read", path)
        content = self._file(path).content[offset:]
        return content if length is None else content[:length]

    async def rename(self, source: str, target: str) -> None:
        """See `Disk`."""
        self.step("rename", source)
        self._names[target] = self._file(source)
        del self._names[source]

    async def sync_directory(self, path: str) -> None:
        """See `Disk`."""
        self.step("sync_directory", path)
        for image, other in ((self._names, self._durable), (self._durable, self._names)):
            for name in [name for name in image if name.rpartition("/")[0] == path]:
                if other is self._durable:
                    self._durable[name] = self._names[name]
                elif name not in self._names:
                    del self._durable[name]

    async def remove(self, path: str) -> None:
        """See `Disk`."""
        parts_of(path)
        self.step("remove", path)
        self._names.pop(path, None)

    async def names(self, path: str) -> list[str]:
        """See `Disk`."""
        self.step("names", path)
        below = f"{path}/" if path else ""
        found = [name[len(below) :] for name in self._names if name.startswith(below)]
        return sorted({name.split("/")[0] for name in found})

    async def size(self, path: str) -> int:
        """See `Disk`."""
        return len(self._file(path).content)

    async def free(self) -> int:
        """See `Disk`."""
        return self.room - sum(len(file.content) for file in self._names.values())

    def crash(self, entropy: Entropy) -> None:
        """Loses power: keeps what was synced and a random part of the rest."""
        names = dict(self._durable)
        for name in sorted(self._names.keys() | self._durable.keys()):
            if entropy.draw(1)[0] % 2:
                if name in self._names:
                    names[name] = self._names[name]
                else:
                    del names[name]
        for file in names.values():
            if file.content != file.synced:
                file.content = file.synced = _torn(file, entropy)
        self._names, self._durable = names, dict(names)

    def corrupt(self, path: str, at: int = -1) -> None:
        """Flips a bit of a file at rest."""
        file = self._file(path)
        content = bytearray(file.content)
        content[at] ^= 1
        file.content = file.synced = bytes(content)

    def lose(self, path: str) -> None:
        """Makes a file vanish, as a bad disk does."""
        self._names.pop(path, None)
        self._durable.pop(path, None)

    def files(self, path: str) -> list[str]:
        """All files below a directory, at any depth."""
        return sorted(name for name in self._names if name.startswith(f"{path}/"))

    def _file(self, path: str) -> _File:
        parts_of(path)
        if path not in self._names:
            raise NotFoundError(f"{path} does not exist")
        return self._names[path]


def _torn(file: _File, entropy: Entropy) -> bytes:
    """Each grain of a file that was being written is new, old or empty, and so is its length."""
    choice, wide = entropy.draw(2)
    grain = _GRAINS[wide % len(_GRAINS)]
    length = (len(file.synced), len(file.content), len(file.content) // 2)[choice % 3]
    count = -(-length // grain)
    versions = (file.content, file.synced, b"")
    pieces = [
        versions[pick % 3][at * grain : (at + 1) * grain].ljust(grain, b"\0")
        for at, pick in enumerate(entropy.draw(count))
    ]
    return b"".join(pieces)[:length]


def failing_sync(_operation: str, path: str) -> None:
    """A `step` that fails every sync of contents."""
    if _operation == "sync":
        raise UnavailableError(f"{path}: Input/output error")
