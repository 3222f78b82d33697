from xdb.core.authorization import Authorization, verify
from xdb.core.wire import parse, to_record
from xdb.model.ids import Address, ChainId, Deployment
from xdb.pb import auth_pb2
from xdb.peer.requests import METADATA, RequestSigner
from xdb.testing.clock import FakeClock
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey

DEPLOYMENT = Deployment(ChainId(bytes(32)), Address(bytes(20)))
ALICE, NODE = NamedKey("alice"), NamedKey("node")


def test_metadata_is_what_the_core_verifies():
    clock = FakeClock()
    signer = RequestSigner(ALICE, DEPLOYMENT, clock, SeededEntropy())
    ((key, value),) = signer.metadata("/s/M", NODE.address, b"request")
    assert key == METADATA
    found = to_record(parse(value, auth_pb2.Authorization), Authorization)
    assert verify(found, "/s/M", NODE.address, DEPLOYMENT, b"request", clock.wall()) == (
        ALICE.address
    )


def test_no_two_requests_are_alike():
    signer = RequestSigner(ALICE, DEPLOYMENT, FakeClock(), SeededEntropy())
    assert signer.metadata("/s/M", NODE.address, b"") != signer.metadata("/s/M", NODE.address, b"")
