"""Records and messages of one name say the same, field for field."""

from dataclasses import fields, is_dataclass
from types import ModuleType

import pytest

from xdb.core import wire
from xdb.model import calls, events, refusal, registry
from xdb.pb import registry_pb2


def records(*modules: ModuleType):
    return [
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "kind", [*records(calls, events), registry.Redundancy, registry.Endpoint, registry.Holder]
)
def test_fields_have_the_messages_names_and_order(kind):
    message = getattr(registry_pb2, kind.__name__).DESCRIPTOR
    assert [f.name for f in fields(kind)] == [f.name for f in message.fields]


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (refusal.Refusal, registry_pb2.Refusal, "REFUSAL_"),
        (registry.NodeState, registry_pb2.NodeState, "NODE_STATE_"),
        (registry.Coding, registry_pb2.Coding, "CODING_"),
        (registry.ProofScheme, registry_pb2.ProofScheme, "PROOF_SCHEME_"),
    ],
)
def test_enums_agree(ours, theirs, prefix):
    named = {n: v for n, v in theirs.items() if not n.endswith("_UNSPECIFIED")}
    assert {prefix + member.name: member.value for member in ours} == named


def test_a_call_survives_the_wire():
    call = calls.UpdateNode(
        endpoint=registry.Endpoint("h:1", b"c" * 32, None), operator="", capacity=0
    )
    assert wire.read_call(wire.write_call(call)) == call
    assert wire.read_call(wire.write_call(calls.Resign())) == calls.Resign()


@pytest.mark.parametrize("data", [b"", b"\xff", registry_pb2.Call(prove={}).SerializeToString()])
def test_what_is_no_call_we_know_is_refused(data):
    with pytest.raises(ValueError, match=r"."):
        wire.read_call(data)


def test_widths_are_checked_where_bytes_enter():
    message = registry_pb2.Call()
    message.delete.file = b"short"
    with pytest.raises(ValueError, match=r"Delete\.file: 5 bytes where 32 belong"):
        wire.read_call(message.SerializeToString())
