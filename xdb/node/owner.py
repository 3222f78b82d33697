"""An owner node: everything it is, wired over ports. Nothing here touches the machine."""

from dataclasses import dataclass, field
from typing import Any

from xdb.model.ids import Address
from xdb.node.following import Following, follow
from xdb.node.owner_care import Care, CarePaces, CareSettings, take_care
from xdb.node.owner_ports import OwnerPorts
from xdb.runtime.periodic import Periodic
from xdb.services.candidates import NodeSurvey, TrustConfig
from xdb.services.catalog import Catalog
from xdb.services.download import DownloadConfig, Downloader
from xdb.services.namespaces import Namespaces
from xdb.services.observations import Observations
from xdb.services.opening import Opener
from xdb.services.publisher import BatchPublisher
from xdb.services.upload.calls import NodeCalls
from xdb.services.upload.holders import Holders
from xdb.services.upload.journal import Journal
from xdb.services.upload.preparation import Preparation
from xdb.services.upload.recording import Recording
from xdb.services.upload.sending import Sending, UploadConfig
from xdb.services.upload.uploader import Uploader
from xdb.services.verification import Verification
from xdb.tasks.journal import JournalTask
from xdb.tasks.renewer import RenewConfig, RenewerTask


@dataclass(frozen=True, slots=True)
class OwnerSettings:
    """What the owner decides."""

    trust: TrustConfig
    upload: UploadConfig
    download: DownloadConfig
    care: CareSettings
    paces: CarePaces
    journal: float  # seconds between cycles
    off: frozenset[str] = frozenset()  # tasks that do not run
    renew: RenewConfig = field(default_factory=RenewConfig)
    renewer: float = 3600.0  # seconds between cycles


@dataclass(frozen=True, slots=True)
class OwnerNode:
    """The owner's services, following the chain."""

    ports: OwnerPorts
    following: Following
    survey: NodeSurvey
    uploader: Uploader
    downloader: Downloader
    verification: Verification
    catalog: Catalog
    namespaces: Namespaces
    care: Care
    tasks: tuple[Periodic[Any], ...]

    @property
    def owner(self) -> Address:
        """Whose node it is."""
        return self.ports.key.address

    def start_tasks(self) -> None:
        """Periodic work from now on."""
        for task in self.tasks:
            self.ports.spawn.start(task.run(), name=task.name)


async def open_owner(ports: OwnerPorts, settings: OwnerSettings) -> OwnerNode:
    """The node; it has caught up with the chain, unless that cannot be asked."""
    following = follow(ports.backend, ports.views, ports.clock, ports.log)
    following.start(ports.spawn)
    await following.caught_up()
    index, key = following.index, ports.key
    registry = ports.backend.registry(key, ports.entropy.stream("registry"))
    observations = Observations(ports.journal)
    survey = NodeSurvey(
        index, ports.peers, ports.clock, ports.spawn, settings.trust, probed=observations
    )
    opener = Opener(index, ports.peers, key, ports.compute, ports.clock, ports.spawn)
    catalog = Catalog(key.address, index, key, registry, opener, ports.entropy.stream("catalog"))
    journal = Journal(ports.journal)
    entropy = ports.entropy.stream("namespaces")
    care = take_care(ports, opener, survey, observations, settings.care)
    return OwnerNode(
        ports=ports,
        following=following,
        survey=survey,
        uploader=_uploader(ports, settings, opener, survey, journal),
        downloader=Downloader(
            index, opener, ports.compute, ports.clock, ports.spawn, settings.download
        ),
        verification=Verification(opener, ports.compute),
        catalog=catalog,
        namespaces=Namespaces(
            key.address, index, key, registry, survey, catalog, entropy, care.viewpoint
        ),
        care=care,
        tasks=_tasks(ports, settings, care, catalog, JournalTask(index, journal)),
    )


def _uploader(
    ports: OwnerPorts,
    settings: OwnerSettings,
    opener: Opener,
    survey: NodeSurvey,
    journal: Journal,
) -> Uploader:
    index, key, deployment = opener.index, ports.key, ports.backend.deployment
    entropy = ports.entropy.stream("uploads")
    registry = ports.backend.registry(key, ports.entropy.stream("publisher"))
    publisher = BatchPublisher(registry, ports.spawn)
    calls = NodeCalls(index, ports.peers, ports.clock)
    holders = Holders(calls, survey, ports.compute)
    return Uploader(
        index=index,
        journal=journal,
        preparation=Preparation(key.address, deployment, index, key, journal, survey, entropy),
        sending=Sending(settings.upload, ports.compute),
        recording=Recording(
            key.address, deployment, index, key, holders, publisher, ports.compute, opener
        ),
    )


def _tasks(
    ports: OwnerPorts, settings: OwnerSettings, care: Care, catalog: Catalog, journal: JournalTask
) -> tuple[Periodic[Any], ...]:
    clock, entropy, log = ports.clock, ports.entropy.stream("tasks"), ports.log
    registry = ports.backend.registry(ports.key, ports.entropy.stream("releases"))
    renewer = RenewerTask(catalog, registry, settings.renew, clock)
    tasks = (
        *care.periodic(ports, settings.paces),
        Periodic("renewer", renewer.run_once, settings.renewer, clock, entropy, log),
        Periodic("journal", journal.run_once, settings.journal, clock, entropy, log),
    )
    return tuple(task for task in tasks if task.name not in settings.off)
