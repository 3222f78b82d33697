"""What can be said about an upload."""

import mimetypes
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypedDict

from xdb.client.messages import seconds
from xdb.client.records import Stage
from xdb.core.names import check_name, check_namespace_name
from xdb.errors import InvalidRequestError
from xdb.pb import owner_pb2
from xdb.ports.clock import Clock

LIFETIME = timedelta(days=365)
"""How long a file lives unless said otherwise."""

Expiry = datetime | timedelta


class UploadOptions(TypedDict, total=False):
    """Keyword arguments of `upload` and `upload_directory`; all may be left out."""

    expires: Expiry  # an aware time, or how long from now; a year
    description: str
    media_type: str  # guessed from the name
    extra: Mapping[str, str]  # kept with the file, encrypted
    replace: bool  # whether a live file of this name is replaced; no
    wait: Stage  # PUBLISHED or FINAL; PUBLISHED
    slice_size: int  # a power of two; the owner node's
    upload_id: bytes  # 16 bytes; that of an interrupted upload goes on with it


def header(
    namespace: str, name: str, options: UploadOptions, clock: Clock
) -> owner_pb2.UploadHeader:
    """The first message of an upload, but for what follows from its source."""
    wait = options.get("wait", Stage.PUBLISHED)
    made = owner_pb2.UploadHeader(
        namespace=check_namespace_name(namespace),
        name=check_name(name),
        description=options.get("description", ""),
        media_type=options.get("media_type", mimetypes.guess_type(name)[0] or ""),
        extra=options.get("extra", {}),
        expiry=expiry(options.get("expires", LIFETIME), clock),
        replace=options.get("replace", False),
        wait=owner_pb2.Stage.ValueType(wait),
        upload=options.get("upload_id", b""),
    )
    if "slice_size" in options:
        made.slice_size = options["slice_size"]
    return made


def expiry(expires: Expiry, clock: Clock) -> int:
    """Unix seconds of an expiry; InvalidRequestError when it is not ahead."""
    now = clock.wall()
    if isinstance(expires, timedelta):
        at = int(now + expires.total_seconds())
    elif expires.tzinfo is None:
        raise InvalidRequestError(f"the expiry {expires} names no time zone: use an aware datetime")
    else:
        at = seconds(expires)
    if at <= now:
        raise InvalidRequestError(f"the expiry {expires} is not in the future: choose a later one")
    return at
