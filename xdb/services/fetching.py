"""Getting slices from whoever has them, right or not at all."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from xdb.core.encryption import decrypt_slice
from xdb.core.merkle import replica_root
from xdb.core.rebuild import restore_slice
from xdb.errors import IntegrityError, UnavailableError, XdbError
from xdb.model.storage import ReplicaKey
from xdb.ports.clock import Clock
from xdb.ports.compute import Buffer, Compute
from xdb.ports.spawn import Spawn
from xdb.services.manifests import HEDGE_AFTER
from xdb.services.opening import Opener, OpenFile
from xdb.services.standing import Holder

INLINE = 64 << 10


@dataclass(slots=True)
class Fetcher:
    """Slices of one open file. `problems` says what was wrong with which holder."""

    file: OpenFile
    opener: Opener
    compute: Compute
    clock: Clock
    spawn: Spawn
    problems: list[str] = field(default_factory=list)

    async def slice(self, index: int) -> bytes:
        """The plaintext of a slice, verified twice: digest of the ciphertext, then its tag.

        UnavailableError names what went wrong with each holder when too few have it.
        """
        found: dict[int, Buffer] = {}
        failures: list[str] = []
        holders = self.opener.holders(self.file.view)
        untried = self.opener.standing.order(holders, index)
        required = self.file.view.record.redundancy.required
        running: dict[asyncio.Task[bytes], int] = {}
        try:
            while True:
                while untried and len(running) + len(found) < required:
                    self._start(running, untried.pop(0), index)
                if not running:
                    raise self._lost(index, failures)
                hedge = self._hedge()
                await asyncio.wait([*running, hedge], return_when=asyncio.FIRST_COMPLETED)
                late = hedge.done()
                hedge.cancel()
                for task in [task for task in running if task.done()]:
                    slot = running.pop(task)
                    await self._collect(index, slot, task, found, failures)
                if late:
                    self._pass_over(running.values())
                    if untried:
                        self._start(running, untried.pop(0), index)
                if len(found) >= required:
                    plain = await self._open(index, found, failures)
                    if plain is not None:
                        return plain
        finally:
            for task in running:
                task.cancel()

    def _hedge(self) -> asyncio.Task[None]:
        return self.spawn.start(self.clock.sleep(HEDGE_AFTER), name="hedge")

    def _start(self, running: dict[asyncio.Task[bytes], int], holder: Holder, index: int) -> None:
        slot, node = holder
        key = ReplicaKey(self.file.view.record.file, slot, index)

        async def pull() -> bytes:
            with self.opener.standing.asking(node.node):
                return await self.opener.peer(node).pull(key)

        running[self.spawn.start(pull(), name=f"pull {slot}/{index}")] = slot

    async def _collect(
        self,
        index: int,
        slot: int,
        task: asyncio.Task[bytes],
        found: dict[int, Buffer],
        failures: list[str],
    ) -> None:
        try:
            found[slot] = await task
        except XdbError as error:
            self._note(slot, f"piece {index} of slot {slot}: {error}", failures)

    async def _open(
        self, index: int, found: dict[int, Buffer], failures: list[str]
    ) -> bytes | None:
        """The plaintext; None, with the guilty thrown out of `found`, when it is not right."""
        arguments = (self.file, index, dict(found))
        try:
            if sum(len(data) for data in found.values()) <= INLINE:
                return opened(*arguments)
            return await self.compute.in_thread(opened, *arguments)
        except IntegrityError as error:
            guilty = await self.compute.in_thread(wrong_slots, *arguments)
            unknown = [slot for slot in found if slot > len(self.file.manifest.slots)]
            for slot in guilty or unknown or list(found):
                del found[slot]
                self._note(slot, f"piece {index} of slot {slot}: wrong bytes ({error})", failures)
            return None

    def _note(self, slot: int, problem: str, failures: list[str]) -> None:
        self._pass_over([slot])
        failures.append(problem)
        self.problems.append(problem)

    def _pass_over(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self.opener.standing.note_failure(self.file.view.record.holders[slot - 1])

    def _lost(self, index: int, failures: list[str]) -> UnavailableError:
        record = self.file.view.record
        return UnavailableError(
            f"slice {index} of file {record.file.hex()} cannot be read now, "
            f"{record.redundancy.required} of {record.redundancy.total} holders are needed: "
            f"{'; '.join(failures) or 'no holder is left'}"
        )


def opened(file: OpenFile, index: int, sealed: Mapping[int, Buffer]) -> bytes:
    """Unseals, decodes, checks the digest, decrypts. IntegrityError when anything is wrong."""
    record, layout = file.view.record, file.layout
    ciphertext = restore_slice(
        record.redundancy, layout.cipher_length(index), sealed, file.sealing_key, index
    )
    if sha256(ciphertext).digest() != file.manifest.slice_digests[index]:
        raise IntegrityError("the slice's digest is another one")
    return decrypt_slice(
        file.content_key,
        file.private.nonce_prefix,
        record.file,
        index,
        layout.is_last(index),
        ciphertext,
    )


def wrong_slots(file: OpenFile, index: int, sealed: Mapping[int, Buffer]) -> list[int]:
    """Which of the replicas are not what the manifest describes."""
    return [
        slot
        for slot, data in sorted(sealed.items())
        if slot <= len(file.manifest.slots)
        and replica_root(data, file.manifest.leaf_size)
        != file.manifest.slots[slot - 1].replica_roots[index]
    ]
