import hashlib
from dataclasses import replace

import grpc
import pytest

from xdb.core.authorization import authorize
from xdb.core.wire import to_message
from xdb.errors import AuthError, OverloadedError
from xdb.model.ids import Address, ChainId, Deployment
from xdb.pb import auth_pb2, replica_pb2
from xdb.peer.failures import restore
from xdb.peer.requests import METADATA
from xdb.peer.storage import PULL, STATUS
from xdb.rpc.limits import Limits
from xdb.testing.clock import FakeClock
from xdb.testing.custody import SealedFile, memory_custody
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, World, nonce
from xdb.testing.serving import calling, served

ALICE = NamedKey("alice")


@pytest.fixture
def world():
    return World()


@pytest.fixture
def clock():
    return FakeClock(START)


@pytest.fixture
def custody(world, clock):
    return memory_custody(world.chain, world.nodes[0], clock)


@pytest.fixture
async def node(custody):
    async with served(custody) as record:
        yield record


@pytest.fixture
async def alice(world, clock):
    async with calling(ALICE, world.chain.deployment, clock) as peers:
        yield peers


class Raw:
    """Sends what it is told to, signed however."""

    def __init__(self, peers, node):
        self.party = peers.peer(node).party
        self.node = node
        self.deployment = peers.signer.deployment
        self.detail = None

    def signed(self, method=STATUS, request=b"", *, now=START, signer=ALICE, title="n", **changes):
        made = authorize(
            signer,
            method,
            changes.pop("audience", self.node.node),
            changes.pop("deployment", self.deployment),
            request,
            nonce(title),
            now,
        )
        return to_message(replace(made, **changes), auth_pb2.Authorization).SerializeToString()

    async def send(self, authorization, method=STATUS, request=b""):
        metadata = () if authorization is None else ((METADATA, authorization),)
        async with self.party.connections.use("node", self.node.endpoint) as channel:
            try:
                return await channel.unary_unary(method)(request, metadata=metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                for key, value in error.trailing_metadata():
                    if key == "xdb-error-bin":
                        self.detail = auth_pb2.ErrorDetail.FromString(value)
                raise restore(error) from error


@pytest.fixture
def raw(alice, node):
    return Raw(alice, node)


async def test_a_signed_request(raw):
    assert await raw.send(raw.signed())


async def test_a_request_without_signature(raw):
    with pytest.raises(AuthError, match="carries no signature"):
        await raw.send(None)


@pytest.mark.parametrize("junk", [b"", b"\xff\xff", b"x" * 300])
async def test_a_signature_that_is_none(raw, junk):
    with pytest.raises(AuthError, match="malformed"):
        await raw.send(junk)


async def test_a_replayed_request(raw):
    authorization = raw.signed()
    await raw.send(authorization)
    with pytest.raises(AuthError, match="seen before"):
        await raw.send(authorization)


async def test_a_request_stays_replayed_until_it_has_expired(raw, clock):
    authorization = raw.signed()
    await raw.send(authorization)
    await clock.advance(300)
    with pytest.raises(AuthError, match="seen before"):
        await raw.send(authorization)
    await clock.advance(1)
    with pytest.raises(AuthError, match="expired"):
        await raw.send(authorization)


@pytest.mark.parametrize("seconds", [600, 31])
async def test_a_clock_that_is_ahead(raw, seconds):
    """Ten minutes, or just more than is taken; the refusal carries the server's clock."""
    with pytest.raises(AuthError, match=rf"{seconds} s ahead of this server's clock \({START}\)"):
        await raw.send(raw.signed(now=START + seconds))
    assert raw.detail.server_time == START


async def test_a_clock_that_is_behind(raw):
    with pytest.raises(AuthError, match="set the clocks"):
        await raw.send(raw.signed(now=START - 600))
    assert raw.detail.server_time == START


async def test_clocks_may_differ_a_little(raw):
    assert await raw.send(raw.signed(now=START + 30, title="ahead"))
    assert await raw.send(raw.signed(now=START - 290, title="behind"))


async def test_a_request_dated_into_the_future_is_never_good(raw, clock):
    """The predecessor took such tokens for ever."""
    authorization = raw.signed(now=START + 10 * 365 * 86400)
    with pytest.raises(AuthError):
        await raw.send(authorization)
    await clock.advance(86400)
    with pytest.raises(AuthError):
        await raw.send(authorization)


async def test_a_request_that_lives_too_long(raw):
    with pytest.raises(AuthError, match="shorter life"):
        await raw.send(raw.signed(expires=START + 301))


async def test_a_request_for_another_node(raw, world):
    with pytest.raises(AuthError, match="was signed for"):
        await raw.send(raw.signed(audience=world.nodes[1].node))


async def test_a_request_for_another_chain(raw):
    other = Deployment(ChainId(bytes(32)), Address(bytes(20)))
    with pytest.raises(AuthError, match="one genesis or deployment"):
        await raw.send(raw.signed(deployment=other))


async def test_a_request_for_another_method(raw):
    with pytest.raises(AuthError, match="sign each call"):
        await raw.send(raw.signed(method=PULL))


async def test_a_request_over_other_bytes(raw):
    with pytest.raises(AuthError, match="other bytes"):
        await raw.send(raw.signed(request=b"other"))


async def test_a_changed_signature_is_somebody_elses(raw, world):
    file = SealedFile(world.chain.deployment, ALICE, "report", b"data")
    request = replica_pb2.PullRequest(file=file.id, slot=1).SerializeToString()
    changed = raw.signed(PULL, request, digest=hashlib.sha256(b"").digest())
    with pytest.raises(AuthError):
        await raw.send(changed, PULL, request)


async def test_a_damaged_signature(raw):
    good = auth_pb2.Authorization.FromString(raw.signed())
    good.signature = bytes(65)
    with pytest.raises(AuthError, match="unusable"):
        await raw.send(good.SerializeToString())


async def test_two_signatures(raw):
    async with raw.party.connections.use("node", raw.node.endpoint) as channel:
        metadata = ((METADATA, raw.signed(title="a")), (METADATA, raw.signed(title="b")))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(STATUS)(b"", metadata=metadata, timeout=10)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_too_many_requests_to_remember(world, clock, alice):
    """Better refuse than forget, and take a replay."""
    custody = memory_custody(world.chain, world.nodes[1], clock)
    async with served(custody, limits=Limits(replays=2)) as node:
        raw = Raw(alice, node)
        for number in range(2):
            await raw.send(raw.signed(title=f"{number}"))
        with pytest.raises(OverloadedError, match="2 requests of the last minutes"):
            await raw.send(raw.signed(title="3"))
        await clock.advance(400)
        await raw.send(raw.signed(title="4", now=START + 400))
