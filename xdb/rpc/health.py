"""What anybody may ask a server: whether it serves, and what it offers.

Health checking for orchestrators, reflection for people with grpcurl.
"""

from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from xdb.rpc.edge import Method

_HEALTH = "grpc.health.v1.Health"

METHODS = {
    f"/{_HEALTH}/Check": Method("open"),
    f"/{_HEALTH}/Watch": Method("open", endless=True),
    f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": Method("open", endless=True, silence=60.0),
}


class Health:
    """The standard health service of one server."""

    def __init__(self) -> None:
        self._servicer = health_aio.HealthServicer()

    def add(self, server: grpc.aio.Server, services: Sequence[str]) -> None:
        """Adds health and reflection for `services`."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        reflection.enable_server_reflection((*services, _HEALTH, reflection.SERVICE_NAME), server)

    async def serving(self, services: Sequence[str]) -> None:
        """From now on these serve."""
        for service in services:
            await self._servicer.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def stopping(self) -> None:
        """From now on nothing serves."""
        await self._servicer.enter_graceful_shutdown()
