import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from structlog.testing import capture_logs

from xdb.errors import (
    ConfigError,
    IntegrityError,
    NotFoundError,
    OverloadedError,
    RefusedCallError,
    TimeoutExpiredError,
    UnavailableError,
)
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint
from xdb.pb import chain_pb2
from xdb.peer.calls import Party
from xdb.peer.certificates import make_certificate
from xdb.peer.chain import GrpcChainPeers
from xdb.peer.connections import Connections
from xdb.rpc.edge import Edge, Method
from xdb.rpc.limits import Limits, PlaneLimits, Planes
from xdb.rpc.server import ServerSettings, serve, service_of
from xdb.rpc.status import Failures
from xdb.testing.clock import FakeClock
from xdb.testing.entropy import SeededEntropy

NAME = "test.Service"
OPEN = Method("open")


@pytest.fixture
async def connections():
    made = Connections()
    yield made
    await made.close()


def settings(limits=None, listen="127.0.0.1:0", certificate=None):
    return ServerSettings(
        listen, certificate or make_certificate(), FakeClock(), SeededEntropy(), limits or Limits()
    )


class Serving:
    """A server of one service without signatures, and a caller of it."""

    def __init__(self, connections, handlers, methods=None, limits=None):
        self.settings = settings(limits)
        methods = methods or dict.fromkeys(handlers, OPEN)
        service = service_of(NAME, handlers, methods)
        self._serving = serve(self.settings, [service], Planes(self.settings.limits))
        self._connections = connections

    async def __aenter__(self):
        port = await self._serving.__aenter__()
        self.endpoint = Endpoint(f"127.0.0.1:{port}", self.settings.certificate.fingerprint)
        return Party("the server", self.endpoint, self._connections)

    async def __aexit__(self, *reason):
        await self._serving.__aexit__(*reason)


def unary(serve_one):
    return {"M": grpc.unary_unary_rpc_method_handler(serve_one)}


def streaming(serve_many):
    return {"M": grpc.unary_stream_rpc_method_handler(serve_many)}


async def ask(party, request=b"", name="M", within=10.0):
    async with party.channel() as channel:
        return await channel.unary_unary(f"/{NAME}/{name}")(request, timeout=within)


# ------------------------------------------------------------------ failures


async def test_errors_arrive_as_what_they_are(connections):
    async def serve_one(_request, _context):
        raise RefusedCallError(Refusal.NAME_TAKEN, "the name is taken: choose another")

    async with Serving(connections, unary(serve_one)) as party:
        with pytest.raises(RefusedCallError, match="the server: the name is taken") as caught:
            await ask(party)
    assert caught.value.refusal == Refusal.NAME_TAKEN


async def test_mistakes_of_the_program_stay_inside(connections):
    async def serve_one(_request, _context):
        secret = "secret"
        raise KeyError(secret)

    with capture_logs() as logs:
        async with Serving(connections, unary(serve_one)) as party:
            with pytest.raises(UnavailableError, match="the server made a mistake") as caught:
                await ask(party)
    assert "secret" not in str(caught.value)
    (entry,) = [each for each in logs if each["event"] == "call.broken"]
    assert entry["reference"] in str(caught.value)
    assert entry["method"] == f"/{NAME}/M"
    assert isinstance(entry["exc_info"], KeyError)


async def test_an_error_in_the_middle_of_a_stream(connections):
    async def serve_many(_request, _context):
        yield b"one"
        raise NotFoundError("the rest is gone")

    async with Serving(connections, streaming(serve_many)) as party:
        messages = party.receive(f"/{NAME}/M", chain_pb2.GenesisRequest(), 10.0)
        assert await anext(messages) == b"one"
        with pytest.raises(NotFoundError, match="the rest is gone"):
            await anext(messages)


async def test_a_method_without_a_policy_is_not_served(connections):
    async def serve_one(_request, _context):
        return b""

    handlers = {"M": grpc.unary_unary_rpc_method_handler(serve_one)}
    made = Serving(connections, handlers)
    service = service_of(NAME, {**handlers, "Hidden": handlers["M"]}, {"M": OPEN, "Hidden": OPEN})
    visible = type(service)(service.name, service.add, {"M": OPEN})
    made._serving = serve(made.settings, [visible], Planes(made.settings.limits))
    async with made as party:
        assert await ask(party) == b""
        async with connections.use("it", party.endpoint) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(f"/{NAME}/Hidden")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_signed_methods_need_somebody_who_knows_the_signers():
    failures = Failures(FakeClock(), SeededEntropy())
    with pytest.raises(ValueError, match="knows the signers"):
        Edge({f"/{NAME}/M": Method()}, Limits(), Planes(Limits()), failures)


# ------------------------------------------------------------------ limits


async def test_a_call_without_deadline_ends_all_the_same(connections):
    async def serve_one(_request, _context):
        await asyncio.Event().wait()

    async with Serving(connections, unary(serve_one), limits=Limits(longest=0.2)) as party:
        with pytest.raises(TimeoutExpiredError, match=r"not done within 0\.2 s"):
            await ask(party, within=None)


async def test_an_endless_call_goes_on(connections):
    more = asyncio.Event()

    async def serve_many(_request, _context):
        yield b"one"
        await more.wait()
        yield b"two"

    async def hang(_request, _context):
        await asyncio.Event().wait()

    handlers = {**streaming(serve_many), "Hang": grpc.unary_unary_rpc_method_handler(hang)}
    methods = {"M": Method("open", endless=True), "Hang": OPEN}
    limits = Limits(longest=0.1, silence=0.1)
    async with Serving(connections, handlers, methods, limits) as party:
        messages = party.receive(f"/{NAME}/M", chain_pb2.GenesisRequest(), None)
        assert await anext(messages) == b"one"
        with pytest.raises(TimeoutExpiredError):  # by then more than 0.1 s have passed
            await ask(party, name="Hang")
        more.set()
        assert await anext(messages) == b"two"
        await messages.aclose()


async def test_a_server_that_stops_does_not_wait_for_subscribers(connections):
    async def serve_many(_request, _context):
        yield b"one"
        await asyncio.Event().wait()

    methods = {"M": Method("open", endless=True)}
    async with Serving(connections, streaming(serve_many), methods) as party:
        messages = party.receive(f"/{NAME}/M", chain_pb2.GenesisRequest(), None)
        assert await anext(messages) == b"one"
    with pytest.raises(UnavailableError, match="the server is stopping"):
        await anext(messages)


async def test_who_leaves_makes_room(connections):
    entered = asyncio.Event()

    async def serve_one(_request, _context):
        entered.set()
        await asyncio.Event().wait()

    limits = Limits(open=PlaneLimits(1, 1, 1, 1))
    async with Serving(connections, unary(serve_one), limits=limits) as party:
        async with party.channel() as channel:
            call = channel.unary_unary(f"/{NAME}/M")(b"")
            await entered.wait()
            with pytest.raises(OverloadedError):
                await ask(party)
            call.cancel()
        entered.clear()
        waiting = asyncio.ensure_future(until_taken(party))
        await entered.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def until_taken(party):
    while True:
        try:
            await ask(party)
        except OverloadedError:
            continue


async def test_a_client_that_gives_up_ends_its_call(connections):
    left = asyncio.Event()

    async def serve_one(_request, _context):
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async with Serving(connections, unary(serve_one)) as party:
        with pytest.raises(TimeoutExpiredError):
            await ask(party, within=0.1)
        await left.wait()


# ------------------------------------------------------------------ listening


async def test_a_port_in_use(connections):
    async def serve_one(_request, _context):
        return b""

    serving = Serving(connections, unary(serve_one))
    async with serving as party:
        again = settings(listen=party.endpoint.address)
        with pytest.raises(ConfigError, match=f"cannot listen on {party.endpoint.address}.*stop"):
            async with serve(again, [], Planes(again.limits)):
                pass


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1:x", "192.0.2.1:0", "no.such.host.:0"])
async def test_an_address_that_is_not_ours(listen):
    wrong = settings(listen=listen)
    with pytest.raises(ConfigError, match="listen"):
        async with serve(wrong, [], Planes(wrong.limits)):
            pass


# ------------------------------------------------------------------ what anybody may ask


async def test_health(connections):
    async def serve_one(_request, _context):
        return b""

    async with Serving(connections, unary(serve_one)) as party:
        for service in ("", NAME):
            reply = await party.ask(
                "/grpc.health.v1.Health/Check",
                health_pb2.HealthCheckRequest(service=service),
                health_pb2.HealthCheckResponse,
                10.0,
            )
            assert reply.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(NotFoundError):
            await party.ask(
                "/grpc.health.v1.Health/Check",
                health_pb2.HealthCheckRequest(service="other"),
                health_pb2.HealthCheckResponse,
                10.0,
            )
        async with party.channel() as channel:
            watching = channel.unary_stream("/grpc.health.v1.Health/Watch")(
                health_pb2.HealthCheckRequest(service=NAME).SerializeToString()
            )
            first = health_pb2.HealthCheckResponse.FromString(await watching.read())
            assert first.status == health_pb2.HealthCheckResponse.SERVING
            watching.cancel()


async def test_reflection(connections):
    async def serve_one(_request, _context):
        return b""

    async with Serving(connections, unary(serve_one)) as party, party.channel() as channel:
        call = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )()
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        await call.write(request.SerializeToString())
        reply = reflection_pb2.ServerReflectionResponse.FromString(await call.read())
        names = {service.name for service in reply.list_services_response.service}
        assert {NAME, "grpc.health.v1.Health"} <= names
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


# ------------------------------------------------------------------ chain peers


async def test_a_chain_server_that_answers_nonsense(connections):
    async def status(_request, _context):
        return chain_pb2.ChainStatus(block=b"short").SerializeToString()

    async def genesis(_request, _context):
        return b"\xff\xff"

    handlers = {
        "Status": grpc.unary_unary_rpc_method_handler(status),
        "Genesis": grpc.unary_unary_rpc_method_handler(genesis),
    }
    made = Serving(connections, handlers)
    service = service_of("xdb.v1.ChainService", handlers, dict.fromkeys(handlers, OPEN))
    made._serving = serve(made.settings, [service], Planes(made.settings.limits))
    async with made as party:
        peer = GrpcChainPeers(connections).peer(party.endpoint)
        assert peer.party.whom == f"chain server {party.endpoint.address}"
        with pytest.raises(IntegrityError, match="a digest of 5 bytes"):
            await peer.head()
        with pytest.raises(IntegrityError, match="other than GenesisReply"):
            await peer.genesis()
