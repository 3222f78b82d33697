"""An owner's files: found by name or id, listed, described, and changed."""

from dataclasses import dataclass, field

from xdb.core import keyring
from xdb.core.names import check_name, check_namespace_name
from xdb.errors import (
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    RefusedCallError,
    UnavailableError,
    XdbError,
)
from xdb.index.index import Index
from xdb.index.views import FileStatus, FileView, NamespaceView
from xdb.model.calls import Delete, Rename, Renew, Renewal
from xdb.model.ids import Address, FileId, Tag
from xdb.model.manifest import Label
from xdb.model.refusal import Refusal
from xdb.model.storage import RECORDED, SlotRef
from xdb.ports.blockchain import Registry
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Secrets
from xdb.services.opening import Opener

UNREADABLE = Label("", "")
"""In place of a label that this owner's key does not open."""
SEARCHED = 20
"""Pages of files that are searched for a name that no live file has; older ones go by id."""


@dataclass(frozen=True, slots=True)
class FileRefById:
    """A file by its id."""

    file: FileId


@dataclass(frozen=True, slots=True)
class FileRefByName:
    """The live file of that name, or the last one in retention."""

    namespace: str
    name: str


FileRef = FileRefById | FileRefByName


@dataclass(frozen=True, slots=True)
class FileDetails:
    """A file in the owner's words."""

    view: FileView
    namespace: str
    label: Label
    status: FileStatus


@dataclass(slots=True)
class Catalog:
    """Files of one owner."""

    owner: Address
    index: Index
    secrets: Secrets
    registry: Registry
    opener: Opener
    entropy: Entropy
    _names: dict[Tag, str] = field(default_factory=dict)

    def find(self, ref: FileRef) -> FileView:
        """A file that is not gone; NotFoundError says what to look for."""
        if isinstance(ref, FileRefById):
            view = self.index.file(ref.file)
            if view is None or view.record.owner != self.owner:
                raise NotFoundError(f"there is no file {ref.file.hex()}: `xdb-cli ls` shows all")
            return view
        namespace = self.namespace_tag(ref.namespace)
        tag = keyring.name_tag(self.secrets, namespace, check_name(ref.name))
        view = self.index.live_file(self.owner, namespace, tag) or self._ended(namespace, tag)
        if view is None:
            raise NotFoundError(
                f"there is no file {ref.namespace}/{ref.name}: "
                f"`xdb-cli ls {ref.namespace}` shows what is there"
            )
        return view

    def namespace(self, name: str) -> NamespaceView:
        """A namespace by name, and what is in it."""
        found = self.index.namespace(self.owner, self.namespace_tag(name))
        if found is None:
            raise _no_namespace(name)
        return found

    def namespace_tag(self, name: str) -> Tag:
        """The tag of a namespace that is there."""
        tag = keyring.namespace_tag(self.secrets, check_namespace_name(name))
        if self.index.namespace_record(self.owner, tag) is None:
            raise _no_namespace(name)
        return tag

    def details(self, view: FileView) -> FileDetails:
        """A file with its label read."""
        return FileDetails(
            view,
            self.namespace_name(view.record.namespace),
            self._label(view.record.file, view.label),
            self.index.status(view),
        )

    def title(self, file: FileId) -> str:
        """`namespace/name` of a file of this owner whose label it can read, else nothing."""
        view = self.index.file(file)
        if view is None or view.record.owner != self.owner:
            return ""
        details = self.details(view)
        return f"{details.namespace}/{details.label.name}" if details.label.name else ""

    def namespace_name(self, namespace: Tag) -> str:
        """A namespace's name; its tag in hexadecimal when the label does not open."""
        if namespace not in self._names:
            found = self.index.namespace_label(self.owner, namespace)
            label = UNREADABLE if found is None else self._label(namespace, found)
            if not label.name:
                return namespace.hex()
            self._names[namespace] = label.name
        return self._names[namespace]

    async def delete(self, ref: FileRef) -> FileView:
        """Starts retention."""
        view = self.find(ref)
        await self._submit(Delete(view.record.file))
        return self._again(view)

    async def rename(self, ref: FileRef, name: str, description: str | None) -> FileView:
        """Another name within the namespace; a description of None stays."""
        view = self.find(ref)
        checked = check_name(name)
        if description is None:
            description = self._label(view.record.file, view.label).description
        tag = keyring.name_tag(self.secrets, view.record.namespace, checked)
        nonce = self.entropy.draw(keyring.NONCE)
        label = keyring.encrypt_label(self.secrets, view.record.file, nonce, checked, description)
        await self._submit(Rename(view.record.file, tag, label))
        return self._again(view)

    async def renew(self, ref: FileRef, expiry: int) -> FileView:
        """A later expiry; brings an expired or deleted file back.

        Holders that have not accepted that expiry are asked for new receipts.
        UnavailableError names those that do not give one.
        """
        view = self.find(ref)
        renewals = await self._renewals(view, expiry)
        await self._submit(Renew(view.record.file, expiry, renewals))
        return self._again(view)

    async def undelete(self, ref: FileRef, expiry: int) -> FileView:
        """Brings a file back; its expiry stays when `expiry` is 0 and that is not past."""
        view = self.find(ref)
        if self.index.status(view) is FileStatus.LIVE:
            raise ConflictError(
                f"file {view.record.file.hex()} is live: there is nothing to bring back"
            )
        wanted = expiry or view.record.expiry
        if wanted <= self.index.head.time:
            raise InvalidRequestError(
                f"file {view.record.file.hex()} has expired, too: say until when it shall live"
            )
        return await self.renew(ref, wanted)

    async def _renewals(self, view: FileView, expiry: int) -> tuple[Renewal, ...]:
        record = view.record
        short = [
            (slot, record.holders[slot - 1])
            for slot, holding in enumerate(view.holdings, start=1)
            if holding.latest_expiry < expiry
        ]
        if not short:
            return ()
        manifest = (await self.opener.open(view)).data
        renewals, refusals = [], []
        for slot, node in short:
            ref = SlotRef(record.file, slot, record.owner, RECORDED)
            known = self.opener.record(node)
            try:
                if known is None:
                    raise NotFoundError("its node is not registered any more")
                holder = await self.opener.peer(known).accept(ref, manifest, expiry, record.version)
            except XdbError as error:
                refusals.append(f"slot {slot} (node {node.hex()}): {error}")
            else:
                renewals.append(Renewal(slot, holder))
        if refusals:
            raise UnavailableError(
                f"file {record.file.hex()} was not renewed, holders did not accept "
                f"{expiry}: {'; '.join(refusals)}: try again, or choose an earlier expiry"
            )
        return tuple(renewals)

    def _ended(self, namespace: Tag, tag: Tag) -> FileView | None:
        """The file of that name that is in retention, the newest if there are several."""
        found = [
            view
            for status in (FileStatus.DELETED, FileStatus.EXPIRED)
            if (view := self._newest(namespace, tag, status)) is not None
        ]
        return max(found, key=lambda view: view.record.published, default=None)

    def _newest(self, namespace: Tag, tag: Tag, status: FileStatus) -> FileView | None:
        after = b""
        for _ in range(SEARCHED):
            page = self.index.files(self.owner, namespace, status=status, after=after, limit=1000)
            for view in page.items:
                if view.record.name == tag:
                    return view
            if not page.next:
                return None
            after = page.next
        return None

    def label(self, context: bytes, label: bytes) -> Label | None:
        """A label of this owner; None when its key does not open it."""
        try:
            return keyring.decrypt_label(self.secrets, context, label)
        except IntegrityError:
            return None

    def _label(self, context: bytes, label: bytes) -> Label:
        return self.label(context, label) or UNREADABLE

    async def _submit(self, call: Delete | Rename | Renew) -> None:
        try:
            inclusion = await self.registry.submit(call)
        except RefusedCallError as error:
            if error.refusal == Refusal.NAME_TAKEN:
                raise ConflictError(f"{error}: choose another name, or rename that file") from error
            raise
        await self.index.reached(inclusion.height)

    def _again(self, view: FileView) -> FileView:
        return self.index.file(view.record.file) or view


def _no_namespace(name: str) -> NotFoundError:
    return NotFoundError(f"there is no namespace {name}: create it with `xdb-cli ns create {name}`")
