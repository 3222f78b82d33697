"""Who a storage node is: its id, and the key of it when that is here."""

from xdb.config.storage import StorageConfig
from xdb.errors import ConfigError
from xdb.model.ids import NodeId
from xdb.node.machine import open_key
from xdb.store.keystore import LocalKey


def identity_of(config: StorageConfig) -> tuple[NodeId, LocalKey | None]:
    """The id, and its key when the configuration names a keystore with it."""
    identity = None if config.identity is None else open_key(config.identity)
    named = config.node.address
    if identity is not None and named is not None and identity.address != named:
        raise ConfigError(
            f"node.id is {named.hex()}, the identity's keystore holds {identity.address.hex()}: "
            "correct one of them"
        )
    address = named if identity is None else identity.address
    if address is None:
        raise ConfigError("who is this node? add [identity] with its keystore, or node.id")
    return NodeId(address), identity
