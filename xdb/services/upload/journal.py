"""The upload journal: what makes an upload safe to repeat.

======================  ===========  ===============================================
key                     value        written
======================  ===========  ===============================================
``u/`` upload id        Entry        with the first slice's digest; at a change of holder
``c/`` upload id piece  SliceEntry   synced before the slice is encrypted (its digest);
                                     again when its replicas are durable
``d/`` upload id        Done         in place of both when the file is published
``t/`` due upload id    empty        with u/ and d/: when they are forgotten
======================  ===========  ===============================================

Piece and due (chain time) have 8 bytes. Because a slice's digest is durable before its
first encryption, no key and nonce ever meet two contents: when the source turns out to
have changed, the whole upload is abandoned and a new one takes a new key. The content key
is here only in wrapped form.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from xdb.core.encoding import decode, encode
from xdb.errors import CorruptFileError, UnavailableError
from xdb.model.ids import Digest, FileId, NodeId, Nonce, Tag
from xdb.model.registry import Redundancy
from xdb.ports.kv import KeyValue

VERSION = 1
DONE_KEPT = 86400
"""Seconds of chain time for which a finished upload gives its file again."""
OPEN_KEPT = 31 * 86400
"""Seconds of chain time after its begin for which an upload can be resumed."""

_ENTRIES, _SLICES, _DONE, _DUE = b"u/", b"c/", b"d/", b"t/"
_NUMBER, _NONCE = 8, 16

T = TypeVar("T")
Batch = dict[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One upload. `holders[i]` has slot i + 1; `due` is the chain time of its forgetting."""

    version: int
    nonce: Nonce
    wrapped_key: bytes
    prefix: bytes
    namespace: Tag
    name: Tag
    redundancy: Redundancy
    slice_size: int
    due: int
    holders: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class SliceEntry:
    """One slice; `stored[i]` is the node that has slot i + 1 durable, or zeros."""

    plaintext: Digest
    last: bool
    ciphertext: Digest | None = None
    roots: tuple[Digest, ...] = ()
    stored: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A published upload."""

    version: int
    file: FileId
    namespace: Tag
    name: Tag
    due: int


class Journal:
    """Uploads of one owner node, over a key-value store."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self._claimed: set[Nonce] = set()

    @contextmanager
    def claimed(self, upload: Nonce) -> Iterator[None]:
        """Keeps an upload to one caller: two at once could give one key two contents."""
        if upload in self._claimed:
            raise UnavailableError(
                f"upload {upload.hex()} is under way in another call: wait for that one to end"
            )
        self._claimed.add(upload)
        try:
            yield
        finally:
            self._claimed.discard(upload)

    def entry(self, upload: Nonce) -> Entry | None:
        """An upload that was begun and is not done."""
        return _read(Entry, self._kv.get(_ENTRIES + upload))

    def done(self, upload: Nonce) -> Done | None:
        """An upload that is done."""
        return _read(Done, self._kv.get(_DONE + upload))

    def slices(self, upload: Nonce) -> dict[int, SliceEntry]:
        """Its slices by number."""
        found = {}
        for key, value in self._kv.scan(_SLICES + upload):
            entry = _read(SliceEntry, value)
            if entry is not None:
                found[int.from_bytes(key[-_NUMBER:], "big")] = entry
        return found

    async def put(self, upload: Nonce, entry: Entry) -> None:
        """Keeps an upload; durable with the next slice's digest at the latest."""
        await self._kv.write(_entry_batch(upload, entry), sync=False)

    async def begin_slice(
        self, upload: Nonce, piece: int, entry: SliceEntry, first: Entry | None
    ) -> None:
        """Keeps a slice's digest durably; with the first one of an upload, the upload, too."""
        batch = {} if first is None else _entry_batch(upload, first)
        batch[_slice_key(upload, piece)] = encode(entry)
        await self._kv.write(batch, sync=True)

    async def end_slice(self, upload: Nonce, piece: int, entry: SliceEntry) -> None:
        """Keeps what became of a slice; when it is lost the slice is only sent again."""
        await self._kv.write({_slice_key(upload, piece): encode(entry)}, sync=False)

    async def doubt(self, upload: Nonce) -> None:
        """Forgets where slices are stored: holders turned out not to have them."""
        batch: Batch = {
            _slice_key(upload, piece): encode(SliceEntry(entry.plaintext, entry.last))
            for piece, entry in self.slices(upload).items()
        }
        await self._kv.write(batch, sync=False)

    async def finish(self, upload: Nonce, entry: Entry, file: FileId, now: int) -> None:
        """The file is published: from now on a repetition finds it."""
        batch = self._without(upload, entry.due)
        done = Done(VERSION, file, entry.namespace, entry.name, now + DONE_KEPT)
        batch[_DONE + upload] = encode(done)
        batch[_due_key(upload, done.due)] = b""
        await self._kv.write(batch, sync=False)

    async def abandon(self, upload: Nonce) -> None:
        """Forgets an upload; what it stored becomes strays that their nodes collect."""
        known = self.entry(upload) or self.done(upload)
        if known is not None:
            await self._kv.write(self._without(upload, known.due), sync=False)

    async def forget_due(self, now: int) -> int:
        """Forgets uploads whose time has come, but those under way; gives how many."""
        past = []
        for key, _ in self._kv.scan(_DUE):
            due, upload = int.from_bytes(key[len(_DUE) : -_NONCE], "big"), Nonce(key[-_NONCE:])
            if due > now:
                break
            if upload not in self._claimed:
                past.append((upload, due))
        for upload, due in past:
            await self._kv.write(self._without(upload, due), sync=False)
        return len(past)

    def _without(self, upload: Nonce, due: int) -> Batch:
        batch: Batch = dict.fromkeys(key for key, _ in self._kv.scan(_SLICES + upload))
        return batch | {_ENTRIES + upload: None, _DONE + upload: None, _due_key(upload, due): None}


def _entry_batch(upload: Nonce, entry: Entry) -> Batch:
    return {_ENTRIES + upload: encode(entry), _due_key(upload, entry.due): b""}


def _slice_key(upload: Nonce, piece: int) -> bytes:
    return _SLICES + upload + piece.to_bytes(_NUMBER, "big")


def _due_key(upload: Nonce, due: int) -> bytes:
    return _DUE + due.to_bytes(_NUMBER, "big") + upload


def _read(kind: type[T], value: bytes | None) -> T | None:
    if value is None:
        return None
    try:
        return decode(kind, value)
    except ValueError as error:
        raise CorruptFileError(
            f"the journal of uploads holds a damaged {kind.__name__} ({error}): stop the node and "
            "remove the journal's directory; uploads under way have to begin again"
        ) from error
