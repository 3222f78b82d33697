"""The certificate a server shows, compared with the hash its record names.

grpc has no hook for verification by hash. So the certificate is fetched first, without
any verification, compared, and then given to grpc as the only root: a server that
cannot prove to own its key fails the handshake of the connection that counts.
"""

import asyncio
import ssl
from hashlib import sha256

import grpc

from xdb.errors import AuthError, UnavailableError
from xdb.model.ids import Digest
from xdb.model.registry import Endpoint
from xdb.peer.certificates import NAME

MESSAGE = (4 << 20) + (64 << 10)
"""Bytes of a message in either direction: 4 MiB and what goes round it."""

_OPTIONS = (
    ("grpc.ssl_target_name_override", NAME),
    ("grpc.max_receive_message_length", MESSAGE),
    ("grpc.max_send_message_length", MESSAGE),
    ("grpc.keepalive_time_ms", 30_000),  # notices a vanished server in the middle of a call
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),  # a signed request is sent once
    ("grpc.enable_http_proxy", 0),  # the record says where to connect, the environment does not
    ("grpc.use_local_subchannel_pool", 1),  # a new channel starts without an old one's failures
)


async def fetch_certificate(whom: str, address: str, patience: float) -> bytes:
    """The DER certificate shown at `address`; UnavailableError when there is none."""
    host, port = _split(whom, address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience):
            transport, _ = await loop.create_connection(
                asyncio.Protocol, host, port, ssl=context, ssl_handshake_timeout=patience
            )
    except TimeoutError as error:
        raise UnavailableError(
            f"{whom} does not answer within {patience:g} s: it is down or cut off; try again"
        ) from error
    except (OSError, UnicodeError) as error:  # a host name can be malformed, too
        raise UnavailableError(
            f"{whom} cannot be reached ({error}): it is down, cut off, or not at this address"
        ) from error
    try:
        shown: bytes | None = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        transport.abort()
    if shown is None:
        raise UnavailableError(f"{whom} shows no certificate: something else listens there")
    return shown


def check_certificate(whom: str, endpoint: Endpoint, shown: bytes) -> Digest:
    """The hash of the certificate shown; AuthError unless the record names it."""
    found = Digest(sha256(shown).digest())
    if not accepts(endpoint, found):
        expected = endpoint.certificate.hex()
        if endpoint.next_certificate is not None:
            expected += f" or {endpoint.next_certificate.hex()}"
        raise AuthError(
            f"{whom} shows certificate {found.hex()}, expected is {expected}: the server changed "
            "its certificate without recording it, the address now belongs to another, or "
            "somebody stands in between; do not use it until its operator has explained"
        )
    return found


def accepts(endpoint: Endpoint, certificate: Digest) -> bool:
    """Whether the record names this certificate, as the present or the next one."""
    return certificate in {endpoint.certificate, endpoint.next_certificate}


def open_channel(address: str, certificate: bytes) -> grpc.aio.Channel:
    """A channel that trusts this DER certificate and no other. It connects when first used."""
    root = ssl.DER_cert_to_PEM_cert(certificate).encode()
    credentials = grpc.ssl_channel_credentials(root_certificates=root)
    return grpc.aio.secure_channel(address, credentials, options=_OPTIONS)


def _split(whom: str, address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise UnavailableError(
            f"{whom} is recorded at an address that is not host:port: its operator must correct it"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)
