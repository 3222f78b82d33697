"""The client library: an owner node's files from Python. docs/library.md shows its use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xdb.client.client import Client
    from xdb.client.context import Context, find_context, read_context, write_context
    from xdb.client.directory import DirectoryProgress, DirectoryResult, Outcome
    from xdb.client.namespaces import copies
    from xdb.client.options import UploadOptions
    from xdb.client.records import (
        Downloaded,
        DownloadProgress,
        FileInfo,
        FilePage,
        FileStatus,
        Health,
        HolderProgress,
        NamespaceInfo,
        NamespaceUsage,
        NodeInfo,
        OwnerStatus,
        ReplicaCheck,
        SlotInfo,
        Stage,
        TaskInfo,
        TaskListing,
        UploadProgress,
    )

_WHERE = {
    "Client": "client",
    "Context": "context",
    "DirectoryProgress": "directory",
    "DirectoryResult": "directory",
    "Outcome": "directory",
    "UploadOptions": "options",
    "copies": "namespaces",
    "find_context": "context",
    "read_context": "context",
    "write_context": "context",
}
"""What is not in `records`."""

__all__ = [
    "Client",
    "Context",
    "DirectoryProgress",
    "DirectoryResult",
    "DownloadProgress",
    "Downloaded",
    "FileInfo",
    "FilePage",
    "FileStatus",
    "Health",
    "HolderProgress",
    "NamespaceInfo",
    "NamespaceUsage",
    "NodeInfo",
    "Outcome",
    "OwnerStatus",
    "ReplicaCheck",
    "SlotInfo",
    "Stage",
    "TaskInfo",
    "TaskListing",
    "UploadOptions",
    "UploadProgress",
    "copies",
    "find_context",
    "read_context",
    "write_context",
]


def __getattr__(name: str) -> object:
    # Imported when asked for: the command line needs the records before it needs a network.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"xdb.client.{_WHERE.get(name, 'records')}"), name)
