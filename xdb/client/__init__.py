"""The client library: an owner node's files from Python. docs/library.md shows its use."""

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
    NamespaceInfo,
    NamespaceUsage,
    NodeInfo,
    OwnerStatus,
    ReplicaCheck,
    SlotInfo,
    Stage,
    UploadProgress,
)

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
    "NamespaceInfo",
    "NamespaceUsage",
    "NodeInfo",
    "Outcome",
    "OwnerStatus",
    "ReplicaCheck",
    "SlotInfo",
    "Stage",
    "UploadOptions",
    "UploadProgress",
    "copies",
    "find_context",
    "read_context",
    "write_context",
]
