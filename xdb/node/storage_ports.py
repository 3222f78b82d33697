"""The world of one storage node, and what its operator decides."""

from dataclasses import dataclass

from xdb.model.ids import NodeId
from xdb.node.backend import Backend
from xdb.node.enrolment import Profile
from xdb.ports.clock import Clock
from xdb.ports.compute import Compute
from xdb.ports.disk import Disk
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.ports.kv import KeyValue
from xdb.ports.spawn import Spawn
from xdb.runtime.logging import Log
from xdb.services.admission import Admission
from xdb.store.room import RoomConfig
from xdb.tasks.scrubber import ScrubConfig


@dataclass(frozen=True, slots=True)
class StoragePorts:
    """The world of one storage node."""

    clock: Clock
    entropy: Entropy
    spawn: Spawn
    compute: Compute
    disk: Disk  # replicas and manifests
    catalog: KeyValue  # what is on the disk
    views: KeyValue  # the index of the chain
    backend: Backend
    signer: Signer
    identity: Signer | None  # the key of the node's id, when it is here
    log: Log


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """What an operator decides."""

    node: NodeId
    profile: Profile
    room: RoomConfig
    admission: Admission
    collector: float  # seconds between cycles
    scrub: ScrubConfig
    version: str
    off: frozenset[str] = frozenset()  # tasks that are not started
    seeds: bool = False  # whether nodes reveal them on this chain
