"""The world of one owner node."""

from dataclasses import dataclass
from typing import Protocol

from xdb.node.backend import Backend
from xdb.ports.clock import Clock
from xdb.ports.compute import Compute
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Secrets, Signer
from xdb.ports.kv import KeyValue
from xdb.ports.peer import StoragePeers
from xdb.ports.spawn import Spawn
from xdb.runtime.logging import Log


class Key(Signer, Secrets, Protocol):
    """The owner's key: it signs, and every secret follows from it."""


@dataclass(frozen=True, slots=True)
class OwnerPorts:
    """The world of one owner node."""

    clock: Clock
    entropy: Entropy
    spawn: Spawn
    compute: Compute
    journal: KeyValue
    views: KeyValue  # the index of the chain
    backend: Backend
    peers: StoragePeers
    key: Key
    log: Log
