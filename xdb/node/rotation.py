"""A storage node's transport certificate, replaced without an outage.

First the next certificate is made and its hash announced in the node's record: from then on
callers accept both. Then, while the node is stopped, it takes the place of the present one,
and the next start records it as such.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from xdb.config.storage import StorageConfig
from xdb.errors import ConfigError
from xdb.model.calls import UpdateNode
from xdb.model.ids import Digest, NodeId
from xdb.model.registry import NodeRecord
from xdb.node.choice import deployment_of
from xdb.node.claim import claimed
from xdb.node.identity import identity_of
from xdb.node.machine import CERTIFICATE, NEXT_CERTIFICATE, owner_of
from xdb.node.operating import Desk, desk_of, recorded, roster_of
from xdb.peer.certificates import open_certificate, read_certificate, rename_certificate
from xdb.peer.pinning import accepts


@dataclass(frozen=True, slots=True)
class Preparation:
    """The certificate that waits for its turn."""

    path: Path
    certificate: Digest
    sent: bool  # False: the chain knew it already


async def prepare(config: StorageConfig) -> Preparation:
    """Makes the next certificate, once, and announces it. Safe to repeat.

    The data directory is not locked: the node may run.
    """
    async with desk_of(config) as (node, desk):
        return await announce(desk, node, config.data)


async def announce(desk: Desk, node: NodeId, data: Path) -> Preparation:
    """The same over a chain that is already reached.

    ConfigError when the node is not recorded with the certificate in `data`: then that is
    another node's directory, or this one has not started since it lost its own.
    """
    present = read_certificate(data / CERTIFICATE).fingerprint
    endpoint = (await recorded(desk, node)).endpoint
    if not accepts(endpoint, present):
        raise ConfigError(
            f"node {node.hex()} is recorded with certificate {endpoint.certificate.hex()}, "
            f"{data / CERTIFICATE} is {present.hex()}: name its own data directory, or start it "
            "once, which records the certificate that it has"
        )
    path = data / NEXT_CERTIFICATE
    following = open_certificate(path).fingerprint
    wanted = replace(endpoint, certificate=present, next_certificate=following)
    if wanted != endpoint:
        await desk.submit(UpdateNode(endpoint=wanted))
    return Preparation(path, following, sent=wanted != endpoint)


async def switch(config: StorageConfig) -> Digest:
    """Makes the announced certificate the present one, of a node that is stopped.

    ConfigError, and everything stays as it was, when the node runs, when no certificate is
    prepared, or when callers would not accept it. The key of the id is not needed.
    """
    node, _ = identity_of(config)
    _check_prepared(config.data)  # before a directory is made and marked by mistake
    owner = owner_of("storage", node, deployment_of(config.chain))
    with claimed(config.data, owner):
        _check_prepared(config.data)
        async with roster_of(config) as (_, roster):
            record = await recorded(roster, node)
        return put_in_place(record, config.data)


def put_in_place(record: NodeRecord, data: Path) -> Digest:
    """The same for a record that was looked up and a directory that is held."""
    path = data / NEXT_CERTIFICATE
    following = read_certificate(path).fingerprint
    if not accepts(record.endpoint, following):
        raise ConfigError(
            f"the chain does not show {following.hex()}, the certificate in {path}, as the next "
            "one, callers would refuse it: xdb-node certificate --prepare announces it"
        )
    rename_certificate(path, data / CERTIFICATE)
    return following


def _check_prepared(data: Path) -> None:
    if not (data / NEXT_CERTIFICATE).exists():
        raise ConfigError(
            f"{data / NEXT_CERTIFICATE}: no next certificate is prepared: make and announce one "
            "with xdb-node certificate --prepare; if you switched already, start the node"
        )
