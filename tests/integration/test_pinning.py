import asyncio
import ssl
from dataclasses import replace

import grpc
import pytest

from xdb.errors import AuthError, UnavailableError
from xdb.model.ids import Digest
from xdb.model.registry import Endpoint
from xdb.peer.certificates import make_certificate
from xdb.peer.config import PeerConfig
from xdb.testing.clock import FakeClock
from xdb.testing.custody import memory_custody
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, World
from xdb.testing.serving import calling, served

ALICE = NamedKey("alice")
OTHER = Digest(b"other certificate".ljust(32))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def custody(world):
    return memory_custody(world.chain, world.nodes[0], FakeClock(START))


@pytest.fixture
async def alice(world):
    async with calling(ALICE, world.chain.deployment, FakeClock(START)) as peers:
        yield peers


def at(node, certificate, next_certificate=None):
    return replace(node, endpoint=Endpoint(node.endpoint.address, certificate, next_certificate))


async def test_another_certificate_than_on_chain(custody, alice):
    async with served(custody) as node:
        with pytest.raises(AuthError) as caught:
            await alice.peer(at(node, OTHER)).status()
    text = str(caught.value)
    assert node.node.hex() in text
    assert node.endpoint.address in text
    assert OTHER.hex() in text
    assert node.endpoint.certificate.hex() in text
    assert "do not use it" in text


async def test_the_next_certificate_is_as_good(custody, alice):
    async with served(custody) as node:
        assert await alice.peer(at(node, OTHER, node.endpoint.certificate)).status()


async def test_a_certificate_no_longer_recorded_is_not_trusted_any_more(custody, alice):
    async with served(custody) as node:
        assert await alice.peer(node).status()
        with pytest.raises(AuthError):
            await alice.peer(at(node, OTHER)).status()


async def test_a_node_that_changes_its_certificate_is_found_by_the_next_call(custody, alice):
    first, second = make_certificate(), make_certificate()
    async with served(custody, certificate=first) as node:
        assert await alice.peer(node).status()
        kept = the_channel(alice)
        announced = at(node, first.fingerprint, second.fingerprint)
        assert await alice.peer(announced).status()
        assert the_channel(alice) is kept
    await lost(kept)
    async with served(custody, certificate=second, listen=node.endpoint.address):
        assert await alice.peer(announced).status()
        kept = the_channel(alice)
        assert await alice.peer(at(node, second.fingerprint)).status()
        assert the_channel(alice) is kept
        with pytest.raises(AuthError):
            await alice.peer(node).status()


def the_channel(peers):
    (connection,) = peers.connections._open.values()
    return connection.channel


async def lost(channel):
    """Returns when the caller's side knows that the server is gone."""
    async with asyncio.timeout(10):
        while (state := channel.get_state()) is grpc.ChannelConnectivity.READY:
            await channel.wait_for_state_change(state)


async def test_a_node_that_starts_again_is_found_again(custody, alice):
    certificate = make_certificate()
    async with served(custody, certificate=certificate) as node:
        assert await alice.peer(node).status()
    with pytest.raises(UnavailableError):
        await alice.peer(node).status()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await alice.peer(node).status()
    async with served(custody, certificate=certificate, listen=node.endpoint.address):
        assert await alice.peer(node).status()


async def test_a_server_with_anothers_certificate_but_not_its_key(custody, alice):
    """Whoever lets the certificate through and takes the next connection gains nothing."""
    async with served(custody) as node, served(custody) as impostor:
        ways = [node.endpoint.address, impostor.endpoint.address]

        async def forward(reader, writer):
            host, port = ways.pop(0).split(":")
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

        server = await asyncio.start_server(forward, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(f"127.0.0.1:{port}", node.endpoint.certificate)
        async with server:
            with pytest.raises(UnavailableError):
                await alice.peer(replace(node, endpoint=endpoint)).status()
        assert not ways


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


@pytest.mark.parametrize("address", ["", "nowhere", "host:", ":80", "host:http", "[::1]"])
async def test_an_address_that_is_none(custody, alice, address):
    async with served(custody) as node:
        wrong = replace(node, endpoint=Endpoint(address, OTHER))
        with pytest.raises(UnavailableError, match="not host:port"):
            await alice.peer(wrong).status()


async def test_a_port_that_speaks_something_else(alice, custody):
    async def greet(_, writer):
        writer.write(b"220 mail ready\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, served(custody) as node:
        wrong = replace(node, endpoint=Endpoint(f"127.0.0.1:{port}", OTHER))
        with pytest.raises(UnavailableError, match="cannot be reached"):
            await alice.peer(wrong).status()


async def test_a_port_that_says_nothing(world, custody):
    """One slow node costs its callers one wait, not one after another."""
    silent = asyncio.Event()

    async def wait(_, writer):
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = PeerConfig(connect=0.3)
    clock = FakeClock(START)
    async with (
        server,
        served(custody) as node,
        calling(ALICE, world.chain.deployment, clock, config) as peers,
    ):
        peer = peers.peer(replace(node, endpoint=Endpoint(f"127.0.0.1:{port}", OTHER)))
        async with asyncio.timeout(5):  # 100 waits would take 30 s
            outcomes = await asyncio.gather(
                *(peer.status() for _ in range(100)), return_exceptions=True
            )
        silent.set()
    assert all(isinstance(outcome, UnavailableError) for outcome in outcomes)
    assert "does not answer within 0.3 s" in str(outcomes[0])


async def test_connections_are_shared_and_end_with_their_owner(custody, alice):
    async with served(custody) as node:
        peer = alice.peer(node)
        await asyncio.gather(*(peer.status() for _ in range(20)))
        assert len(alice.connections._open) == 1
        await alice.connections.close()
        with pytest.raises(UnavailableError, match="stopping"):
            await peer.status()


async def test_old_tls_is_refused(custody):
    async with served(custody) as node:
        host, port = node.endpoint.address.split(":")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.deprecated_call():
            context.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.deprecated_call():
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(host, int(port), ssl=context)
