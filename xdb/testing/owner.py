"""An owner's services over a network in one process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from xdb.index.views import FileView
from xdb.model.ids import Nonce
from xdb.ports.peer import StoragePeers
from xdb.services.candidates import NodeSurvey
from xdb.services.catalog import Catalog
from xdb.services.download import Download, Downloader
from xdb.services.health.look import Viewpoint
from xdb.services.namespaces import Namespaces
from xdb.services.observations import Observations
from xdb.services.opening import Opener
from xdb.services.publisher import BatchPublisher
from xdb.services.repair.job import RepairConfig
from xdb.services.repair.repairer import Repairer
from xdb.services.upload.calls import NodeCalls
from xdb.services.upload.holders import Holders
from xdb.services.upload.journal import Journal
from xdb.services.upload.preparation import Preparation
from xdb.services.upload.recording import Recording
from xdb.services.upload.request import Progress, UploadRequest
from xdb.services.upload.sending import Sending, UploadConfig
from xdb.services.upload.uploader import Uploader
from xdb.services.verification import Verification
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.compute import InlineCompute
from xdb.testing.network import START, Network, until_done

SLICE = 64 << 10
YEAR = 365 * 86400


async def chunks(data: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    """A stream of `data`."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


@dataclass
class OwnerBench:
    """Services of the network's owner, and what they reported. The journal survives it.

    `peers` are the members as it reaches them, by default without a network between.
    """

    network: Network
    journal_kv: MemoryKeyValue = field(default_factory=MemoryKeyValue)
    reports: list[Progress] = field(default_factory=list)
    peers: StoragePeers | None = None
    last_download: Download = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Wires the services."""
        network, compute = self.network, InlineCompute()
        peers, owner = self.peers or network.peers(), network.owner
        self.peers = peers
        self.journal = Journal(self.journal_kv)
        self.observations = Observations(self.journal_kv)
        self.survey = NodeSurvey(network.index, peers, network.clock, network.spawn)
        registry = network.chain.registry(owner, network.entropy)
        self.opener = Opener(network.index, peers, owner, compute, network.clock, network.spawn)
        self.downloader = Downloader(
            network.index, self.opener, compute, network.clock, network.spawn
        )
        self.catalog = Catalog(
            owner.address, network.index, owner, registry, self.opener, network.entropy
        )
        self.namespaces = Namespaces(
            owner.address,
            network.index,
            owner,
            registry,
            self.survey,
            self.catalog,
            network.entropy,
            Viewpoint(network.index, self.observations),
        )
        self.verification = Verification(self.opener, compute)
        self.uploader = self._uploader(UploadConfig())
        self.repairer = self.make_repairer()

    def make_repairer(self, config: RepairConfig | None = None) -> Repairer:
        """One more repairer, with bounds of its own."""
        network = self.network
        return Repairer(
            network.index,
            self.opener.manifests,
            NodeCalls(network.index, self.peers or network.peers(), network.clock),
            network.owner,
            network.chain.registry(network.owner, network.entropy),
            InlineCompute(),
            config or RepairConfig(),
        )

    def limit_uploads(self, config: UploadConfig) -> None:
        """Other bounds for the uploads to come."""
        self.uploader = self._uploader(config)

    def _uploader(self, config: UploadConfig) -> Uploader:
        network, compute, owner = self.network, InlineCompute(), self.network.owner
        index, deployment = network.index, network.chain.deployment
        publisher = BatchPublisher(network.chain.registry(owner, network.entropy), network.spawn)
        calls = NodeCalls(index, self.peers or network.peers(), network.clock)
        holders = Holders(calls, self.survey, compute)
        return Uploader(
            index=index,
            journal=self.journal,
            preparation=Preparation(
                owner.address, deployment, index, owner, self.journal, self.survey, network.entropy
            ),
            sending=Sending(config, compute),
            recording=Recording(
                owner.address, deployment, index, owner, holders, publisher, compute, self.opener
            ),
        )

    def request(self, name: str = "file", **values: Any) -> UploadRequest:  # noqa: ANN401  # fields
        """A request that is in order, with other values where given."""
        upload = Nonce(self.network.entropy.draw(16))
        defaults: dict[str, Any] = {
            "namespace": "ns",
            "name": name,
            "expiry": START + YEAR,
            "upload": upload,
            "slice_size": SLICE,
        }
        return UploadRequest(**(defaults | values))

    async def upload(self, data: bytes, request: UploadRequest | None = None) -> FileView:
        """Uploads `data`, moving the clock on when the upload waits."""
        uploading = self.uploader.upload(
            request or self.request(), chunks(data), self.reports.append
        )
        view: FileView = await self.run(uploading)
        return view

    async def download(self, view: FileView, offset: int = 0, length: int | None = None) -> bytes:
        """Reads a file, moving the clock on when the download waits."""

        async def read() -> bytes:
            self.last_download = await self.downloader.open(view, offset, length)
            return b"".join(
                [bytes(part) async for part in self.downloader.read(self.last_download)]
            )

        data: bytes = await self.run(read())
        return data

    async def run(self, work: Any) -> Any:  # noqa: ANN401  # a coroutine and its result
        """Awaits `work`, moving the clock on while it waits."""
        task = asyncio.ensure_future(work)
        try:
            await until_done(self.network.clock, task)
        finally:
            task.cancel()
        return await task

    def notes(self) -> Sequence[str]:
        """What the uploads noted."""
        return [report.note for report in self.reports if report.note]
