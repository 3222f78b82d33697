"""The upload as a whole.

Every step may be repeated, and what a crash leaves are strays that nodes collect: only
the last step, publishing, makes a file.
"""

import asyncio
from collections.abc import AsyncIterable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from hashlib import sha256

from xdb.core import keyring
from xdb.core.manifest import encrypt_private, manifest_digest, wrap_key, write_manifest
from xdb.core.merkle import holding_root
from xdb.errors import ConflictError, OverloadedError, RefusedCallError, XdbError
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.buffer import Buffer
from xdb.model.calls import NewFile
from xdb.model.ids import Digest
from xdb.model.manifest import Manifest, PrivatePart, SlotCommitment
from xdb.model.refusal import Refusal
from xdb.model.registry import Holder
from xdb.model.units import Size
from xdb.ports.compute import Compute
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Secrets
from xdb.ports.spawn import Spawn
from xdb.services.publisher import BatchPublisher
from xdb.services.upload.budget import Budget
from xdb.services.upload.holders import Holders
from xdb.services.upload.journal import Journal
from xdb.services.upload.pipeline import INLINE, Pipeline
from xdb.services.upload.preparation import Preparation
from xdb.services.upload.request import Progress, Stage, UploadRequest
from xdb.services.upload.session import Session
from xdb.services.upload.source import PlainSlice, cut_stream

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class UploadConfig:
    """Bounds: bytes in flight over all uploads, uploads at once, and large ones of them."""

    window: Size = 64 << 20
    uploads: int = 256
    large: int = 8


@dataclass(slots=True)
class Uploader:
    """Uploads of one data owner."""

    preparation: Preparation
    index: Index
    secrets: Secrets
    journal: Journal
    holders: Holders
    publisher: BatchPublisher
    compute: Compute
    spawn: Spawn
    entropy: Entropy
    config: UploadConfig = UploadConfig()
    open_uploads: int = 0
    _budget: Budget = field(init=False)
    _large: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """Sets the bounds."""
        self._budget = Budget(self.config.window)
        self._large = asyncio.Semaphore(self.config.large)

    async def upload(
        self, request: UploadRequest, data: AsyncIterable[Buffer], report: Report
    ) -> FileView:
        """Stores and publishes a file; returns at `request.wait`.

        Raises PlacementError, ConflictError (name taken, or the source changed since an
        earlier attempt), InvalidRequestError, UnavailableError and what nodes and chain say.
        """
        if self.open_uploads >= self.config.uploads:
            raise OverloadedError(
                f"{self.open_uploads} uploads are under way already: try again in a while"
            )
        self.open_uploads += 1
        # Each reads ahead by a slice or two, so only some may have large ones.
        is_small = request.size is not None and request.size <= INLINE
        try:
            async with nullcontext() if is_small else self._large:
                return await self._upload(request, data, report)
        finally:
            self.open_uploads -= 1

    async def _upload(
        self, request: UploadRequest, data: AsyncIterable[Buffer], report: Report
    ) -> FileView:
        prepared = await self.preparation.prepare(request)
        if isinstance(prepared, FileView):
            report(Progress(Stage.PUBLISHED, prepared.record.size))
            return prepared
        report(Progress(Stage.READY))
        try:
            digest = await self._send(prepared, data, report)
        except ConflictError:
            await self.journal.abandon(request.upload)
            raise
        except XdbError:
            await self.journal.put(request.upload, prepared.placed())
            raise
        manifest = await self.compute.in_thread(write_manifest, self._manifest(prepared, digest))
        holders = await self._accept(prepared, manifest, report)
        report(Progress(Stage.STORED, prepared.received, prepared.progress()))
        return await self._publish(prepared, manifest, holders, report)

    # ------------------------------------------------------------ data

    async def _send(self, session: Session, data: AsyncIterable[Buffer], report: Report) -> Digest:
        pipeline = Pipeline(
            session,
            self.journal,
            self.holders,
            self.compute,
            self.index.parameters.leaf_size,
            report,
        )
        whole, copies = sha256(), 2 + session.redundancy.total
        tasks: set[asyncio.Task[None]] = set()

        def absorb(slice_data: bytes) -> Digest:
            whole.update(slice_data)
            return Digest(sha256(slice_data).digest())

        async def take(plain: PlainSlice, digest: Digest) -> None:
            try:
                await pipeline.take(plain, digest)
            finally:
                await self._budget.give(copies * len(plain.data))

        try:
            async for plain in cut_stream(data, session.body):
                _raise_first(tasks)
                await self._budget.take(copies * len(plain.data))
                session.received += len(plain.data)
                digest = (
                    absorb(plain.data)
                    if len(plain.data) <= INLINE
                    else await self.compute.in_thread(absorb, plain.data)
                )
                name = f"slice {plain.index}"
                tasks.add(self.spawn.start(take(plain, digest), name=name))
                tasks -= {task for task in tasks if task.done() and not task.exception()}
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return Digest(whole.digest())

    def _manifest(self, session: Session, digest: Digest) -> Manifest:
        count = len(session.sealed)
        sealed = [session.sealed[piece] for piece in range(count)]
        private = PrivatePart(
            plaintext_digest=digest,
            plaintext_size=session.received,
            media_type=session.request.media_type,
            extra=session.request.extra,
            nonce_prefix=session.entry.prefix,
        )
        return Manifest(
            file=session.file,
            redundancy=session.redundancy,
            slice_size=session.entry.slice_size,
            last_slice_size=sealed[-1].length,
            leaf_size=self.index.parameters.leaf_size,
            slice_digests=tuple(each.ciphertext for each in sealed),
            slots=tuple(
                SlotCommitment(
                    holding_root([each.commitments[at] for each in sealed]),
                    tuple(each.commitments[at].root for each in sealed),
                )
                for at in range(session.redundancy.total)
            ),
            private=encrypt_private(session.content_key, session.file, private),
            wrapped_key=wrap_key(keyring.file_kek(self.secrets, session.file), session.content_key),
        )

    # ------------------------------------------------------------ record

    async def _accept(
        self, session: Session, manifest: bytes, report: Report
    ) -> tuple[Holder, ...]:
        accepted = await asyncio.gather(
            *(self.holders.accept(session, slot, manifest) for slot in session.slots)
        )
        for _, note in accepted:
            if note:
                report(Progress(Stage.SENDING, session.received, session.progress(), note))
        return tuple(holder for holder, _ in accepted)

    async def _publish(
        self, session: Session, manifest: bytes, holders: tuple[Holder, ...], report: Report
    ) -> FileView:
        request, entry = session.request, session.entry
        new = NewFile(
            nonce=entry.nonce,
            namespace=entry.namespace,
            name=entry.name,
            manifest=manifest_digest(manifest),
            redundancy=entry.redundancy,
            size=session.received,
            expiry=entry.expiry,
            holders=holders,
            replaces=self.preparation.replaced(request, entry),
            label=keyring.encrypt_label(
                self.secrets,
                session.file,
                self.entropy.draw(keyring.NONCE),
                request.name,
                request.description,
            ),
        )
        try:
            inclusion = await self.publisher.publish(new)
            await self.index.reached(inclusion.height)
        except RefusedCallError as error:
            if error.refusal == Refusal.FILE_EXISTS:  # by an earlier attempt that got through
                return await self._finish(session, report)
            raise
        return await self._finish(session, report)

    async def _finish(self, session: Session, report: Report) -> FileView:
        view = self.index.file(session.file)
        if view is None:
            raise ConflictError(
                f"file {session.file.hex()} was published and is gone already: upload it again"
            )
        await self.journal.finish(session.request.upload, session.entry)
        report(Progress(Stage.PUBLISHED, session.received, session.progress()))
        if session.request.wait is Stage.FINAL:
            await self.index.settled(self.index.head.height)
            report(Progress(Stage.FINAL, session.received, session.progress()))
        return view


def _raise_first(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and (error := task.exception()) is not None:
            raise error
