"""The upload journal: what makes an upload safe to repeat.

======================  ===========  ===============================================
key                     value        written
======================  ===========  ===============================================
``u/`` upload id        Entry        at the start, at a change of holder, at the end
``c/`` upload id piece  SliceEntry   synced before the slice is encrypted (its digest);
                                     again when its replicas are durable
======================  ===========  ===============================================

The piece is 8 bytes. Because a slice's digest is durable before its first encryption, no
key and nonce ever meet two contents: when the source turns out to have changed, the whole
upload is abandoned and a new one takes a new key. The content key is here only in wrapped
form.
"""

from dataclasses import dataclass, replace

from xdb.core.encoding import decode, encode
from xdb.model.ids import Digest, NodeId, Nonce, Tag
from xdb.model.registry import Redundancy
from xdb.ports.kv import KeyValue

_ENTRIES, _SLICES = b"u/", b"c/"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One upload. `holders[i]` has slot i + 1; `started` is chain time."""

    version: int
    nonce: Nonce
    wrapped_key: bytes
    prefix: bytes
    namespace: Tag
    name: Tag
    redundancy: Redundancy
    slice_size: int
    expiry: int
    started: int
    holders: tuple[NodeId, ...]
    done: bool = False


@dataclass(frozen=True, slots=True)
class SliceEntry:
    """One slice; `stored[i]` is the node that had slot i + 1 durable, as long as it is known."""

    plaintext: Digest
    last: bool
    ciphertext: Digest | None = None
    roots: tuple[Digest, ...] = ()
    stored: tuple[NodeId, ...] = ()


class Journal:
    """Uploads of one owner node, over a key-value store."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    def entry(self, upload: Nonce) -> Entry | None:
        """An upload that was begun."""
        value = self._kv.get(_ENTRIES + upload)
        return None if value is None else decode(Entry, value)

    def slices(self, upload: Nonce) -> dict[int, SliceEntry]:
        """Its slices by number."""
        prefix = _SLICES + upload
        return {
            int.from_bytes(key[len(prefix) :], "big"): decode(SliceEntry, value)
            for key, value in self._kv.scan(prefix)
        }

    async def put(self, upload: Nonce, entry: Entry) -> None:
        """Keeps an upload; durable with the next slice's digest at the latest."""
        await self._kv.write({_ENTRIES + upload: encode(entry)}, sync=False)

    async def begin_slice(self, upload: Nonce, piece: int, entry: SliceEntry) -> None:
        """Keeps a slice's digest, and everything before it, durably."""
        await self._kv.write({_slice_key(upload, piece): encode(entry)}, sync=True)

    async def end_slice(self, upload: Nonce, piece: int, entry: SliceEntry) -> None:
        """Keeps what became of a slice; when it is lost the slice is only sent again."""
        await self._kv.write({_slice_key(upload, piece): encode(entry)}, sync=False)

    async def finish(self, upload: Nonce, entry: Entry) -> None:
        """The file is published: only the entry stays, so that a repetition finds it."""
        batch: dict[bytes, bytes | None] = dict.fromkeys(self._slice_keys(upload))
        batch[_ENTRIES + upload] = encode(replace(entry, done=True))
        await self._kv.write(batch, sync=False)

    async def abandon(self, upload: Nonce) -> None:
        """Forgets an upload; what it stored becomes strays that their nodes collect."""
        batch: dict[bytes, bytes | None] = dict.fromkeys(self._slice_keys(upload))
        batch[_ENTRIES + upload] = None
        await self._kv.write(batch, sync=True)

    async def forget_before(self, time: int) -> int:
        """Forgets uploads that began before a chain time; gives how many."""
        old = [
            Nonce(key[len(_ENTRIES) :])
            for key, value in self._kv.scan(_ENTRIES)
            if decode(Entry, value).started < time
        ]
        for upload in old:
            await self.abandon(upload)
        return len(old)

    def _slice_keys(self, upload: Nonce) -> list[bytes]:
        return [key for key, _ in self._kv.scan(_SLICES + upload)]


def _slice_key(upload: Nonce, piece: int) -> bytes:
    return _SLICES + upload + piece.to_bytes(8, "big")
