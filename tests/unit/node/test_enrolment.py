import dataclasses

import pytest

from xdb.errors import ConfigError, RefusedCallError, UnavailableError
from xdb.index.views import NodeView
from xdb.model.calls import RegisterNode, SetNodeState, UpdateNode
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint, NodeRecord, NodeState
from xdb.node.enrolment import Enrolment, Profile, needed_calls
from xdb.ports.blockchain import Head, Inclusion

NODE, SIGNER = b"n" * 20, b"s" * 20
ENDPOINT = Endpoint("127.0.0.1:7400", b"c" * 32)
PROFILE = Profile(SIGNER, ENDPOINT, "operator", "zone", 1000)
RECORD = NodeRecord(
    node=NODE,
    signer=SIGNER,
    former_signer=SIGNER,
    signer_epoch=0,
    endpoint=ENDPOINT,
    operator="operator",
    zone="zone",
    capacity=1000,
    state=NodeState.ONLINE,
    registered=1,
    resigned=0,
)


class Registry:
    def __init__(self):
        self.calls = []

    async def submit(self, call):
        self.calls.append(call)
        return Inclusion(len(self.calls), 0, bytes(32))


@dataclasses.dataclass
class Records:
    found: NodeRecord | None

    awaited: list[int] = dataclasses.field(default_factory=list)
    later: NodeRecord | None = None  # what block 3 brings
    height: int = 0

    @property
    def head(self):
        return Head(self.height, 0, self.height)

    def node(self, node):
        assert node == NODE
        return None if self.found is None else NodeView(self.found, 0, 0, 0)

    async def reached(self, height):
        self.awaited.append(height)
        self.height = height
        if height >= 3 and self.later is not None:
            self.found = self.later


class Refusing(Registry):
    """Refuses the first calls."""

    def __init__(self, *refusals):
        super().__init__()
        self.refusals = list(refusals)

    async def submit(self, call):
        included = await super().submit(call)
        if self.refusals:
            raise RefusedCallError(self.refusals.pop(0), "refused")
        return included


def enrolment(record, identity):
    return Enrolment(NODE, PROFILE, Records(record), identity)


def test_unknown_node_registers():
    assert needed_calls(None, PROFILE) == (
        RegisterNode(SIGNER, ENDPOINT, "operator", "zone", 1000),
    )


def test_true_record_needs_nothing():
    assert needed_calls(RECORD, PROFILE) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("signer", b"t" * 20),
        ("endpoint", Endpoint("10.0.0.1:7400", b"c" * 32)),
        ("endpoint", Endpoint("127.0.0.1:7400", b"d" * 32)),
        ("endpoint", Endpoint("127.0.0.1:7400", b"c" * 32, b"d" * 32)),
        ("operator", "another"),
        ("zone", "another"),
        ("capacity", 2000),
    ],
)
def test_only_what_changed_is_updated(field, value):
    profile = dataclasses.replace(PROFILE, **{field: value})
    assert needed_calls(RECORD, profile) == (UpdateNode(**{field: value}),)


def test_text_taken_away_is_updated():
    profile = dataclasses.replace(PROFILE, zone="")
    assert needed_calls(RECORD, profile) == (UpdateNode(zone=""),)


def test_after_a_switch_the_next_certificate_is_the_present_one():
    announced = Endpoint("127.0.0.1:7400", b"b" * 32, b"c" * 32)
    record = dataclasses.replace(RECORD, endpoint=announced)
    assert needed_calls(record, PROFILE) == (UpdateNode(endpoint=ENDPOINT),)


def test_offline_node_comes_back():
    record = dataclasses.replace(RECORD, state=NodeState.OFFLINE)
    assert needed_calls(record, PROFILE) == (SetNodeState(NodeState.ONLINE),)


def test_draining_node_keeps_draining():
    assert needed_calls(dataclasses.replace(RECORD, state=NodeState.DRAINING), PROFILE) == ()


async def test_calls_are_sent_as_the_id():
    registry = Registry()
    made = enrolment(None, registry)
    sent = await made.run_once()
    assert tuple(registry.calls) == sent == needed_calls(None, PROFILE)
    assert made.records.awaited == [1]


async def test_a_registration_that_got_through_unknown_is_waited_for_and_built_on():
    registry = Refusing(Refusal.NODE_EXISTS)
    made = enrolment(None, registry)
    made.records.later = dataclasses.replace(RECORD, zone="another")
    assert await made.run_once() == (UpdateNode(zone="zone"),)
    assert made.records.awaited == [1, 2, 3, 2]


async def test_a_registration_that_never_shows_is_tried_again_later():
    made = enrolment(None, Refusing(Refusal.NODE_EXISTS))
    with pytest.raises(UnavailableError, match="20 blocks later"):
        await made.run_once()


async def test_who_is_online_by_an_earlier_call_is_content():
    record = dataclasses.replace(RECORD, state=NodeState.OFFLINE)
    made = enrolment(record, Refusing(Refusal.NODE_STATE))
    made.records.later = RECORD
    assert await made.run_once() == ()


@pytest.mark.parametrize(
    ("record", "refusal"),
    [
        (None, Refusal.INVALID),
        (dataclasses.replace(RECORD, state=NodeState.OFFLINE, resigned=5), Refusal.NODE_STATE),
        (dataclasses.replace(RECORD, capacity=5), Refusal.NODE_STATE),
    ],
)
async def test_other_refusals_are_told(record, refusal):
    with pytest.raises(RefusedCallError):
        await enrolment(record, Refusing(refusal)).run_once()


async def test_node_that_left_is_told():
    record = dataclasses.replace(RECORD, state=NodeState.LEFT)
    with pytest.raises(ConfigError, match="has left this network for good"):
        await enrolment(record, Registry()).run_once()


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, "is not registered"),
        (dataclasses.replace(RECORD, signer=b"t" * 20), "is registered with signer 7474"),
        (
            dataclasses.replace(RECORD, endpoint=Endpoint("10.0.0.1:1", b"c" * 32)),
            "is registered at 10.0.0.1:1",
        ),
        (
            dataclasses.replace(RECORD, endpoint=Endpoint(ENDPOINT.address, b"b" * 32)),
            "with certificate 6262",
        ),
    ],
)
async def test_without_identity_a_false_record_is_an_error(record, expected):
    with pytest.raises(ConfigError, match=expected):
        await enrolment(record, None).run_once()


async def test_without_identity_lesser_differences_are_borne():
    record = dataclasses.replace(RECORD, capacity=5, zone="other")
    assert await enrolment(record, None).run_once() == ()


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint(ENDPOINT.address, b"c" * 32, b"d" * 32),
        Endpoint(ENDPOINT.address, b"b" * 32, b"c" * 32),
    ],
)
async def test_without_identity_either_recorded_certificate_will_do(endpoint):
    record = dataclasses.replace(RECORD, endpoint=endpoint)
    assert await enrolment(record, None).run_once() == ()
