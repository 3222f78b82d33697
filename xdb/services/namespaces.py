"""An owner's namespaces."""

from collections import Counter
from dataclasses import dataclass

from xdb.core import keyring
from xdb.core.names import check_namespace_name
from xdb.errors import ConflictError, InvalidRequestError, PlacementError, RefusedCallError
from xdb.index.index import Index
from xdb.index.views import NamespaceView
from xdb.model.calls import CreateNamespace, UpdateNamespace
from xdb.model.ids import Address
from xdb.model.manifest import Label
from xdb.model.refusal import Refusal
from xdb.model.registry import ProofScheme, Redundancy
from xdb.ports.blockchain import Registry
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Secrets
from xdb.services.candidates import NodeSurvey
from xdb.services.catalog import Catalog
from xdb.services.health.look import Viewpoint

COUNTED = 10_000
"""Files of a namespace whose health one question looks at."""
_TURN = 200  # files between which others get their turn


@dataclass(frozen=True, slots=True)
class NamespaceDetails:
    """A namespace in the owner's words."""

    view: NamespaceView
    label: Label


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Namespaces of one owner."""

    owner: Address
    index: Index
    secrets: Secrets
    registry: Registry
    survey: NodeSurvey
    catalog: Catalog
    entropy: Entropy
    viewpoint: Viewpoint

    async def create(self, name: str, description: str, redundancy: Redundancy) -> NamespaceDetails:
        """A new namespace. PlacementError when fewer nodes are usable than it needs."""
        checked = check_namespace_name(name)
        tag = keyring.namespace_tag(self.secrets, checked)
        await self._check_policy(redundancy)
        label = self._label(tag, checked, description)
        try:
            inclusion = await self.registry.submit(
                CreateNamespace(tag, label, redundancy, ProofScheme.MERKLE)
            )
        except RefusedCallError as error:
            if error.refusal == Refusal.NAMESPACE_EXISTS:
                raise ConflictError(
                    f"namespace {checked} exists: choose another name, or change it with "
                    f"`xdb-cli ns update {checked}`"
                ) from error
            raise
        await self.index.reached(inclusion.height)
        return self.details(self.catalog.namespace(checked))

    async def update(
        self, name: str, description: str | None, redundancy: Redundancy | None
    ) -> NamespaceDetails:
        """Changes what is given; files that are there keep their redundancy."""
        found = self.catalog.namespace(name)
        if description is None and redundancy is None:
            raise InvalidRequestError(f"nothing to change in namespace {name}: say what")
        if redundancy is not None:
            await self._check_policy(redundancy)
        tag = found.record.namespace
        label = None if description is None else self._label(tag, name, description)
        inclusion = await self.registry.submit(UpdateNamespace(tag, label, redundancy))
        await self.index.reached(inclusion.height)
        return self.details(self.catalog.namespace(name))

    def details(self, view: NamespaceView) -> NamespaceDetails:
        """A namespace with its label read."""
        tag = view.record.namespace
        name = self.catalog.namespace_name(tag)
        return NamespaceDetails(view, self.catalog.label(tag, view.label) or Label(name, ""))

    async def colours(self, view: NamespaceView) -> dict[str, int]:
        """Live files by health, of the newest `COUNTED`."""
        counts: Counter[str] = Counter()
        look, after = self.viewpoint.look(), b""
        while counts.total() < COUNTED:
            page = self.index.files(self.owner, view.record.namespace, after=after, limit=_TURN)
            counts.update(look.colour(file).name.lower() for file in page.items)
            if not page.next:
                break
            after = page.next
            await self.survey.clock.sleep(0)  # others get their turn
        return dict(counts)

    async def _check_policy(self, redundancy: Redundancy) -> None:
        found = await self.survey.candidates()
        if len(found.nodes) < redundancy.total:
            found = await self.survey.reconsidered()
        if len(found.nodes) < redundancy.total:
            why = found.why_not()
            raise PlacementError(
                f"a policy of {redundancy.total} slots needs as many nodes, "
                f"{len(found.nodes)} are usable{f' ({why})' if why else ''}: "
                "choose fewer, or add nodes"
            )

    def _label(self, tag: bytes, name: str, description: str) -> bytes:
        nonce = self.entropy.draw(keyring.NONCE)
        return keyring.encrypt_label(self.secrets, tag, nonce, name, description)
