"""Before data is taken: may this be uploaded, under which keys, and to whom?"""

from dataclasses import dataclass

from xdb.core import keyring
from xdb.core.coding import piece_length
from xdb.core.files import file_id
from xdb.core.manifest import check_size, unwrap_key, wrap_key
from xdb.core.names import check_name, check_namespace_name
from xdb.core.placement import place
from xdb.core.sealing import file_sealing_key, namespace_secret
from xdb.core.slicing import DEFAULT_SLICE, Layout, is_slice_size
from xdb.errors import ConflictError, InvalidRequestError, NotFoundError, PlacementError
from xdb.index.index import Index
from xdb.index.views import FileView, NamespaceView
from xdb.model.ids import Address, Deployment, FileId, NodeId, Nonce
from xdb.model.storage import SlotRef
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Secrets
from xdb.services.candidates import NodeSurvey
from xdb.services.upload.journal import VERSION, Entry, Journal
from xdb.services.upload.request import UploadRequest
from xdb.services.upload.session import Session, SlotState

_CONTENT_KEY = 32
_PREFIX = 7
_NONCE = 16


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
        self._check(request)
        entry = self.journal.entry(request.upload)
        if entry is None:
            entry = await self._begin(request)
        else:
            self._check_same(request, entry)
            found = self.index.file(self._file(entry.nonce))
            if found is not None:
                return found
        return self._session(request, entry)

    def replaced(self, request: UploadRequest, entry: Entry) -> FileId | None:
        """The live file whose place the new one takes."""
        found = self.index.live_file(self.owner, entry.namespace, entry.name)
        return found.record.file if found is not None and request.replace else None

    def _check(self, request: UploadRequest) -> None:
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

    def _check_same(self, request: UploadRequest, entry: Entry) -> None:
        namespace = self._namespace(request.namespace)
        name = keyring.name_tag(self.secrets, namespace.record.namespace, check_name(request.name))
        if (entry.namespace, entry.name) != (namespace.record.namespace, name):
            raise ConflictError(
                f"upload {request.upload.hex()} belongs to another file: use a new upload id"
            )

    async def _begin(self, request: UploadRequest) -> Entry:
        namespace = self._namespace(request.namespace).record
        name = keyring.name_tag(self.secrets, namespace.namespace, check_name(request.name))
        taken = self.index.live_file(self.owner, namespace.namespace, name)
        if taken is not None and not request.replace:
            raise ConflictError(
                f"{request.namespace}/{request.name} exists (file "
                f"{taken.record.file.hex()}): choose another name, or replace it"
            )
        if request.size is not None:
            check_size(Layout(request.size, request.slice_size), namespace.redundancy)
        nonce = Nonce(self.entropy.draw(_NONCE))
        file = self._file(nonce)
        size = _holding_size(request, piece_length(namespace.redundancy, request.slice_size))
        entry = Entry(
            version=VERSION,
            nonce=nonce,
            wrapped_key=wrap_key(
                keyring.file_kek(self.secrets, file), self.entropy.draw(_CONTENT_KEY)
            ),
            prefix=self.entropy.draw(_PREFIX),
            namespace=namespace.namespace,
            name=name,
            redundancy=namespace.redundancy,
            slice_size=request.slice_size,
            expiry=request.expiry,
            started=self.index.head.time,
            holders=await self._place(namespace.redundancy.total, size, file),
        )
        await self.journal.put(request.upload, entry)
        return entry

    async def _place(self, count: int, size: int, file: FileId) -> tuple[NodeId, ...]:
        found = await self.survey.candidates()
        try:
            return place(found.nodes, count, size, file)
        except PlacementError as error:
            why = found.why_not()
            raise PlacementError(f"{error}" + (f" ({why})" if why else "")) from error

    def _session(self, request: UploadRequest, entry: Entry) -> Session:
        file = self._file(entry.nonce)
        secret = namespace_secret(self.secrets.derive, entry.namespace)
        return Session(
            request=request,
            entry=entry,
            ref=SlotRef(file, 0, self.owner, entry.nonce),
            content_key=unwrap_key(keyring.file_kek(self.secrets, file), entry.wrapped_key),
            sealing_key=file_sealing_key(secret, file),
            earlier=self.journal.slices(request.upload),
            slots=[SlotState(number, node) for number, node in enumerate(entry.holders, 1)],
        )

    def _namespace(self, name: str) -> NamespaceView:
        checked = check_namespace_name(name)
        found = self.index.namespace(self.owner, keyring.namespace_tag(self.secrets, checked))
        if found is None:
            raise NotFoundError(
                f"there is no namespace {checked}: create it with `xdb-cli ns create {checked}`"
            )
        return found

    def _file(self, nonce: Nonce) -> FileId:
        return file_id(self.deployment, self.owner, nonce)


def _holding_size(request: UploadRequest, full_piece: int) -> int:
    if request.size is None:
        return full_piece
    slices = Layout(request.size, request.slice_size).count
    return min(full_piece, request.size + 16) if slices == 1 else slices * full_piece
