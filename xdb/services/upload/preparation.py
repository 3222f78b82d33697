"""Before data is taken: may this be uploaded, under which keys, and to whom?"""

from contextlib import suppress
from dataclasses import dataclass, replace

from xdb.core import keyring
from xdb.core.coding import piece_length
from xdb.core.files import file_id
from xdb.core.manifest import check_size, encrypt_private, unwrap_key, wrap_key
from xdb.core.names import check_name, check_namespace_name
from xdb.core.placement import place
from xdb.core.sealing import file_sealing_key, namespace_secret, slot_key
from xdb.core.slicing import DEFAULT_SLICE, MAX_SLICES, TAG, Layout, is_slice_size
from xdb.errors import ConflictError, InvalidRequestError, NotFoundError, PlacementError
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.ids import Address, Deployment, Digest, FileId, NodeId, Nonce, Tag
from xdb.model.manifest import PrivatePart
from xdb.model.registry import NamespaceRecord
from xdb.model.storage import SlotRef
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Secrets
from xdb.services.candidates import NodeSurvey
from xdb.services.upload.journal import OPEN_KEPT, VERSION, Entry, Journal
from xdb.services.upload.request import UploadRequest
from xdb.services.upload.session import Session, SlotState

_CONTENT_KEY = 32
_PREFIX = 7
_NONCE = 16
_DIGEST = 32
_FEW = 1024  # characters that a manifest has room for in any case


@dataclass(frozen=True, slots=True)
class Preparation:
    """Checks requests of one owner, and begins or resumes their uploads."""

    owner: Address
    deployment: Deployment
    index: Index
    secrets: Secrets
    journal: Journal
    survey: NodeSurvey
    entropy: Entropy

    async def prepare(self, request: UploadRequest) -> Session | FileView:
        """A session to send data to, or the file when this upload was finished before.

        Raises InvalidRequestError, NotFoundError (no such namespace), ConflictError (name
        taken, upload id used for something else), PlacementError.
        """
        request = self._checked(request)
        namespace = self._namespace(request.namespace)
        name = keyring.name_tag(self.secrets, namespace.namespace, request.name)
        finished = await self._finished(request, namespace.namespace, name)
        if finished is not None:
            return finished
        entry = self.journal.entry(request.upload)
        if entry is not None:
            _check_same(request, (entry.namespace, entry.name), (namespace.namespace, name))
            found = self.index.file(self._file(entry.nonce))
            if found is not None:  # it was published, and the answer was lost
                return found
            if (entry.redundancy, entry.slice_size) == (namespace.redundancy, request.slice_size):
                return self._session(request, entry, journaled=True)
            await self.journal.abandon(request.upload)  # the policy is another one now
        self._check_free(request, namespace.namespace, name)
        entry = await self._begin(request, namespace, name)
        return self._session(request, entry, journaled=False)

    def _checked(self, request: UploadRequest) -> UploadRequest:
        """The request with its names as they are kept; nothing in it is refused later."""
        if not is_slice_size(request.slice_size):
            raise InvalidRequestError(
                f"slices of {request.slice_size} bytes: choose a power of two from 64 KiB to "
                f"64 MiB (usual: {DEFAULT_SLICE})"
            )
        now = self.index.head.time
        latest = now + self.index.parameters.max_lifetime
        if not now < request.expiry <= latest:
            raise InvalidRequestError(
                f"expiry {request.expiry} is not in the future of the chain, where it is {now}, "
                f"or later than {latest}: choose another"
            )
        most = MAX_SLICES * (request.slice_size - TAG)
        if request.size is not None and request.size > most:
            raise InvalidRequestError(
                f"a file of {request.size} bytes in slices of {request.slice_size}: {most} bytes "
                "are the most; take larger slices or store it in parts"
            )
        if (
            len(request.media_type) + sum(len(key) + len(value) for key, value in request.extra)
            > _FEW
        ):
            _check_private(request)
        return replace(
            request,
            namespace=check_namespace_name(request.namespace),
            name=check_name(request.name),
        )

    def _namespace(self, name: str) -> NamespaceRecord:
        tag = keyring.namespace_tag(self.secrets, name)
        found = self.index.namespace_record(self.owner, tag)
        if found is None:
            raise NotFoundError(
                f"there is no namespace {name}: create it with `xdb-cli ns create {name}`"
            )
        return found

    async def _finished(self, request: UploadRequest, namespace: Tag, name: Tag) -> FileView | None:
        done = self.journal.done(request.upload)
        if done is None:
            return None
        _check_same(request, (done.namespace, done.name), (namespace, name))
        found = self.index.file(done.file)
        if found is None:  # the chain took it back
            await self.journal.abandon(request.upload)
        return found

    def _check_free(self, request: UploadRequest, namespace: Tag, name: Tag) -> None:
        taken = self.index.live_file(self.owner, namespace, name)
        if taken is not None and not request.replace:
            raise ConflictError(
                f"{request.namespace}/{request.name} exists (file "
                f"{taken.record.file.hex()}): choose another name, or replace it"
            )

    async def _begin(self, request: UploadRequest, namespace: NamespaceRecord, name: Tag) -> Entry:
        redundancy = namespace.redundancy
        size = piece_length(redundancy, request.slice_size)
        if request.size is not None:
            layout = Layout(request.size, request.slice_size)
            check_size(layout, redundancy)
            size = (layout.count - 1) * size + piece_length(redundancy, layout.last_cipher_length)
        nonce = Nonce(self.entropy.draw(_NONCE))
        file = self._file(nonce)
        holders = await self._place(redundancy.total, size, file)
        kek, content_key = keyring.file_kek(self.secrets, file), self.entropy.draw(_CONTENT_KEY)
        return Entry(
            version=VERSION,
            nonce=nonce,
            wrapped_key=wrap_key(kek, content_key),
            prefix=self.entropy.draw(_PREFIX),
            namespace=namespace.namespace,
            name=name,
            redundancy=redundancy,
            slice_size=request.slice_size,
            due=self.index.head.time + OPEN_KEPT,
            holders=holders,
        )

    async def _place(self, count: int, size: int, file: FileId) -> tuple[NodeId, ...]:
        found = await self.survey.candidates()
        with suppress(PlacementError):
            return place(found.nodes, count, size, file)
        found = await self.survey.reconsidered()
        try:
            return place(found.nodes, count, size, file)
        except PlacementError as error:
            why = found.why_not()
            raise PlacementError(f"{error}" + (f" ({why})" if why else "")) from error

    def _session(self, request: UploadRequest, entry: Entry, *, journaled: bool) -> Session:
        file = self._file(entry.nonce)
        secret = namespace_secret(self.secrets.derive, entry.namespace)
        sealing_key = file_sealing_key(secret, file)
        return Session(
            request=request,
            entry=entry,
            ref=SlotRef(file, 0, self.owner, entry.nonce),
            label=self._label(request, file),
            content_key=unwrap_key(keyring.file_kek(self.secrets, file), entry.wrapped_key),
            sealing_key=sealing_key,
            slots=[
                SlotState(number, node, slot_key(sealing_key, number))
                for number, node in enumerate(entry.holders, start=1)
            ],
            earlier=self.journal.slices(request.upload) if journaled else {},
            journaled=journaled,
        )

    def _label(self, request: UploadRequest, file: FileId) -> bytes:
        nonce = self.entropy.draw(keyring.NONCE)
        label = keyring.encrypt_label(self.secrets, file, nonce, request.name, request.description)
        most = self.index.parameters.max_label
        if len(label) > most:
            raise InvalidRequestError(
                f"name and description make a label of {len(label)} bytes, {most} are the most: "
                "shorten the description"
            )
        return label

    def _file(self, nonce: Nonce) -> FileId:
        return file_id(self.deployment, self.owner, nonce)


def _check_private(request: UploadRequest) -> None:
    """Makes a private part as it will be, which refuses what is too long."""
    private = PrivatePart(
        Digest(bytes(_DIGEST)), 1 << 63, request.media_type, request.extra, bytes(_PREFIX)
    )
    encrypt_private(bytes(_CONTENT_KEY), FileId(bytes(_DIGEST)), private)


def _check_same(request: UploadRequest, known: tuple[Tag, Tag], asked: tuple[Tag, Tag]) -> None:
    if known != asked:
        raise ConflictError(
            f"upload {request.upload.hex()} belongs to another file: use a new upload id"
        )
