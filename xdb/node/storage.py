"""A storage node: everything it is, wired over ports. Nothing here touches the machine."""

from dataclasses import asdict, dataclass
from typing import Any

from xdb.blockchain.waiting import within
from xdb.errors import UnavailableError, XdbError
from xdb.node.enrolment import Enrolment
from xdb.node.following import Following, follow
from xdb.node.storage_ports import StoragePorts, StorageSettings
from xdb.node.storage_tasks import storage_tasks
from xdb.runtime.periodic import Periodic
from xdb.services.custody import Custody
from xdb.services.facts import Facts
from xdb.services.probing import Probing
from xdb.services.receipts import ReceiptMaker
from xdb.store.recovery import open_store
from xdb.store.replicas import ReplicaStore

ENROL_AGAIN = 5.0
"""Seconds between attempts to see to the record when the chain could not be asked."""
SIGN_OFF = 3.0
"""Seconds by which telling the chain may delay a stop."""
WATCH = 1.0
"""Seconds between looks at whether the store has failed."""


@dataclass(frozen=True, slots=True)
class StorageNode:
    """A node that has caught up with the chain and stands in it as it should."""

    ports: StoragePorts
    following: Following
    store: ReplicaStore
    custody: Custody
    probing: Probing
    enrolment: Enrolment
    tasks: tuple[Periodic[Any], ...]
    off: frozenset[str] = frozenset()

    def start_tasks(self) -> None:
        """Periodic work from now on, but for what is switched off."""
        for task in self.tasks:
            if task.name not in self.off:
                self.ports.spawn.start(task.run(), name=task.name)

    async def sign_off(self) -> None:
        """Says on the chain that the node is offline. Whatever comes of it, it takes seconds."""
        try:
            told = await within(self.ports.clock, SIGN_OFF, self.enrolment.sign_off())
        except XdbError as error:
            self.ports.log.warning("node.left_online", reason=str(error))
        else:
            self.ports.log.info("node.stopping", offline=told)

    async def ended(self) -> None:
        """Raises UnavailableError when the store has failed: the node has to start again."""
        files = self.store.files
        while not files.failed:
            await self.ports.clock.sleep(WATCH)
        raise UnavailableError(
            f"the store has failed ({files.failed}): look after the disk and start the node "
            "again; it then checks every replica"
        )


async def open_storage(ports: StoragePorts, settings: StorageSettings) -> StorageNode:
    """The node, following the chain, with its store in order and its record true.

    When the chain cannot be asked, a node that knew it before opens with what it knows,
    and sees to its record later.
    """
    following = follow(ports.backend, ports.views, ports.clock, ports.log)
    following.start(ports.spawn)
    reached = await following.caught_up()
    index, parameters = following.index, ports.backend.parameters
    store, recovery = await open_store(
        ports.disk,
        ports.catalog,
        ports.compute,
        settings.room,
        parameters.leaf_size,
        lambda: index.head.time,
    )
    ports.log.info("store.opened", used=store.room.used, **asdict(recovery))
    facts = Facts(settings.node, ports.backend.deployment, parameters, index)
    custody = Custody(
        facts=facts,
        store=store,
        admission=settings.admission,
        receipts=ReceiptMaker(
            settings.node, ports.backend.deployment, ports.signer, parameters.leaf_size
        ),
        compute=ports.compute,
        clock=ports.clock,
        version=settings.version,
        longest=parameters.max_lifetime,
    )
    node = StorageNode(
        ports=ports,
        following=following,
        store=store,
        custody=custody,
        probing=Probing(custody, ports.compute),
        enrolment=_enrolment(ports, settings, following),
        tasks=storage_tasks(ports, settings, index, facts, store),
        off=settings.off,
    )
    await _enrol(node, reached=reached)
    return node


async def _enrol(node: StorageNode, *, reached: bool) -> None:
    if reached:
        calls = await node.enrolment.run_once()
        node.ports.log.info("node.enrolled", sent=[type(call).__name__ for call in calls])
        return
    if node.following.index.node(node.enrolment.node) is None:
        raise UnavailableError(
            "no chain server answers, and this node never saw the chain: start or correct the "
            "servers in chain.servers, then start the node again"
        )
    node.ports.log.warning("node.unenrolled", reason="the chain cannot be asked yet")
    node.ports.spawn.start(_enrol_later(node), name="enrolment")


async def _enrol_later(node: StorageNode) -> None:
    """An attempt every few seconds, until the chain can be asked."""
    while True:
        await node.ports.clock.sleep(ENROL_AGAIN)
        if not await node.following.caught_up():
            continue
        try:
            await node.enrolment.run_once()
        except UnavailableError:
            continue
        except XdbError as error:
            node.ports.log.error("node.unenrolled", reason=str(error))  # noqa: TRY400
        return


def _enrolment(ports: StoragePorts, settings: StorageSettings, following: Following) -> Enrolment:
    identity = None
    if ports.identity is not None:
        identity = ports.backend.registry(ports.identity, ports.entropy.stream("identity"))
    return Enrolment(settings.node, settings.profile, following.index, identity)
