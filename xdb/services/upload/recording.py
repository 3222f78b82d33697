"""From stored slices to a record on the chain: manifest, receipts, publication."""

from dataclasses import dataclass

from xdb.core import keyring
from xdb.core.manifest import encrypt_private, manifest_digest, wrap_key, write_manifest
from xdb.core.merkle import holding_root
from xdb.errors import ConflictError, RefusedCallError, UnavailableError
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.calls import NewFile
from xdb.model.ids import Address, Deployment, Digest, FileId
from xdb.model.manifest import Manifest, PrivatePart, SlotCommitment
from xdb.model.refusal import Refusal
from xdb.model.registry import Holder, NodeState
from xdb.ports.compute import Compute
from xdb.ports.keys import Secrets
from xdb.services.opening import Opener
from xdb.services.publisher import BatchPublisher
from xdb.services.together import together
from xdb.services.upload.holders import Holders
from xdb.services.upload.receipts import terms_of
from xdb.services.upload.request import Progress, Report, Stage
from xdb.services.upload.session import Session

ATTEMPTS = 3
"""Times that a file is published, when others replace the same one or holders go away."""
BLOCKS = 20
"""Blocks within which a file that exists on the chain must show in the index."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Makes records for one owner."""

    owner: Address
    deployment: Deployment
    index: Index
    secrets: Secrets
    holders: Holders
    publisher: BatchPublisher
    compute: Compute
    opener: Opener  # is going to be asked for what was just made

    async def record(self, session: Session, plaintext: Digest, report: Report) -> FileView:
        """The file, once its record is included. `plaintext` is the digest of the whole."""
        manifest = self._manifest(session, plaintext)
        if len(session.sealed) > 1:
            data = await self.compute.in_thread(write_manifest, manifest)
        else:
            data = write_manifest(manifest)
        view = await self._published(session, manifest, data, report)
        self.opener.manifests.keep(manifest_digest(data), data, manifest)
        return view

    async def _published(
        self, session: Session, manifest: Manifest, data: bytes, report: Report
    ) -> FileView:
        """Accepted and published; again when a holder stopped or began to drain in between."""
        attempt = 1
        while True:
            accepted = await self._accepted(session, manifest, data, report)
            report(Progress(Stage.STORED, session.received, session.progress()))
            try:
                return await self._publish(session, manifest_digest(data), accepted)
            except RefusedCallError as error:
                if error.refusal != Refusal.NODE_STATE or attempt == ATTEMPTS:
                    raise
                await self._replace_absent(session, error)
            attempt += 1

    async def _replace_absent(self, session: Session, why: RefusedCallError) -> None:
        """Gives slots of nodes that take nothing new to others; the index may not know of all."""
        for slot in session.slots:
            record = self.index.node_record(slot.node)
            if record is None or record.state is not NodeState.ONLINE:
                await self.holders.replace(session, slot, slot.node, why)

    def _manifest(self, session: Session, plaintext: Digest) -> Manifest:
        sealed = [session.sealed[piece] for piece in range(len(session.sealed))]
        private = PrivatePart(
            plaintext_digest=plaintext,
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

    async def _accepted(
        self, session: Session, manifest: Manifest, data: bytes, report: Report
    ) -> tuple[Holder, ...]:
        terms = terms_of(self.index, self.deployment, manifest, data)
        found = await together(
            *(self.holders.accept(session, slot, data, terms) for slot in session.slots)
        )
        for _, note in found:
            if note:
                report(Progress(Stage.SENDING, session.received, session.progress(), note))
        return tuple(holder for holder, _ in found)

    async def _publish(
        self, session: Session, manifest: Digest, holders: tuple[Holder, ...]
    ) -> FileView:
        attempt = 1
        while True:
            replaces = self._replaced(session)
            new = self._new(session, manifest, holders, replaces)
            try:
                inclusion = await self.publisher.publish(new)
            except RefusedCallError as error:
                match error.refusal:
                    case Refusal.FILE_EXISTS:  # by an earlier attempt that got through
                        return await self._seen(session.file)
                    case Refusal.NAME_TAKEN | Refusal.GONE if session.request.replace:
                        if attempt == ATTEMPTS:
                            raise
                        if self._replaced(session) == replaces:
                            await self.index.reached(self.index.head.height + 1)
                    case Refusal.NAME_TAKEN:
                        raise _taken(session) from error
                    case _:
                        raise
                attempt += 1
            else:
                await self.index.reached(inclusion.height)
                return await self._seen(session.file)

    def _new(
        self,
        session: Session,
        manifest: Digest,
        holders: tuple[Holder, ...],
        replaces: FileId | None,
    ) -> NewFile:
        entry = session.entry
        return NewFile(
            nonce=entry.nonce,
            namespace=entry.namespace,
            name=entry.name,
            manifest=manifest,
            redundancy=entry.redundancy,
            size=session.received,
            expiry=session.request.expiry,
            holders=holders,
            replaces=replaces,
            label=session.label,
        )

    def _replaced(self, session: Session) -> FileId | None:
        """The live file whose place the new one takes."""
        entry = session.entry
        found = self.index.live_file(self.owner, entry.namespace, entry.name)
        return found.record.file if found is not None and session.request.replace else None

    async def _seen(self, file: FileId) -> FileView:
        last = self.index.head.height + BLOCKS
        while True:
            view = self.index.file(file)
            if view is not None:
                return view
            if self.index.head.height >= last:
                raise UnavailableError(
                    f"file {file.hex()} was published, and the chain took it back: send the same "
                    "upload again"
                )
            await self.index.reached(self.index.head.height + 1)


def _taken(session: Session) -> ConflictError:
    request = session.request
    return ConflictError(
        f"{request.namespace}/{request.name} was made by another upload meanwhile: choose another "
        "name, or replace it"
    )
