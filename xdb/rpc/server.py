"""A gRPC server: TLS with its own certificate, limits, health and reflection."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message

from xdb.errors import ConfigError
from xdb.peer.certificates import Certificate
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.rpc.authorization import Doorkeeper
from xdb.rpc.edge import Edge, Method
from xdb.rpc.health import METHODS, Health
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.status import Failures

GRACE = 5.0
"""Seconds that calls under way get when the server stops."""

_IDENTITY = 1  # bit of the only encoding taken: none


@dataclass(frozen=True, slots=True)
class Service:
    """A service: `add` puts its servicer into a server, `methods` names all its methods."""

    name: str
    add: Callable[[grpc.aio.Server], None]
    methods: Mapping[str, Method]


def service_of(
    name: str,
    handlers: dict[str, Any],
    methods: Mapping[str, Method],
) -> Service:
    """A service made of handlers; a method not named in `methods` is signed, control plane."""

    def add(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))

    return Service(name, add, {key: methods.get(key, Method()) for key in handlers})


def unary(serve: Any, request: type[Message]) -> Any:  # noqa: ANN401  # as grpc types them
    """The handler of a method with one request of that type and one response."""
    return grpc.unary_unary_rpc_method_handler(
        serve,
        request_deserializer=request.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a server listens, as whom, within which limits."""

    listen: str
    certificate: Certificate
    clock: Clock
    entropy: Entropy
    limits: Limits = field(default_factory=Limits)
    doorkeeper: Doorkeeper | None = None  # none: every method is open


@asynccontextmanager
async def serve(
    settings: ServerSettings, services: Sequence[Service], planes: Planes
) -> AsyncIterator[int]:
    """Serves until the end of the block; gives the port.

    ConfigError when the address cannot be had.
    """
    edge = edge_of(settings, services, planes)
    server = grpc.aio.server(
        interceptors=[edge],
        options=options(settings.limits),
        maximum_concurrent_rpcs=settings.limits.calls,
    )
    for service in services:
        service.add(server)
    health = Health()
    names = [service.name for service in services]
    health.add(server, names)
    port = _listen(server, settings)
    await server.start()
    await health.serving(names)
    try:
        yield port
    finally:
        await health.stopping()
        edge.subscriptions.end()
        await server.stop(GRACE)


def edge_of(settings: ServerSettings, services: Sequence[Service], planes: Planes) -> Edge:
    """What stands before the services."""
    return Edge(
        _methods(services),
        settings.limits,
        planes,
        Failures(settings.clock, settings.entropy),
        settings.doorkeeper,
    )


def options(limits: Limits) -> list[tuple[str, int]]:
    """What grpc itself enforces."""
    return [
        ("grpc.so_reuseport", 0),  # a second process on the port must fail, not share
        ("grpc.max_receive_message_length", limits.message),
        ("grpc.max_send_message_length", limits.message),
        ("grpc.max_metadata_size", limits.metadata),
        ("grpc.absolute_max_metadata_size", limits.metadata),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.server_handshake_timeout_ms", int(limits.handshake * 1000)),
        ("grpc.http2.settings_timeout", int(limits.handshake * 1000)),
        ("grpc.max_connection_idle_ms", int(limits.idle * 1000)),
        ("grpc.max_connection_age_ms", int(limits.age * 1000)),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),  # ours ping every 30 s
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY),
    ]


def _methods(services: Sequence[Service]) -> dict[str, Method]:
    methods = dict(METHODS)
    for service in services:
        for name, method in service.methods.items():
            methods[f"/{service.name}/{name}"] = method
    return methods


def _listen(server: grpc.aio.Server, settings: ServerSettings) -> int:
    _probe(settings.listen)
    certificate = settings.certificate
    credentials = grpc.ssl_server_credentials([(certificate.private_key, certificate.certificate)])
    try:
        return server.add_secure_port(settings.listen, credentials)
    except RuntimeError as error:
        raise _taken(settings.listen, error) from error


def _probe(listen: str) -> None:
    # grpc says only that it failed; the operating system says why.
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise ConfigError(f"{listen!r} is no address to listen on: write host:port")
    name = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(name, int(port), type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise _taken(listen, error) from error


def _taken(listen: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"cannot listen on {listen} ({error}): stop the program that does, or set another "
        "server.listen"
    )
