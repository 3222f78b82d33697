from dataclasses import replace

import pytest

from xdb.core.envelope import envelope_digest, open_envelope, sign_envelope
from xdb.core.wire import write_call
from xdb.errors import RefusedCallError
from xdb.model.calls import Delete, Envelope, Release, Resign
from xdb.model.ids import Address, ChainId, Deployment, FileId, Nonce
from xdb.model.refusal import Refusal
from xdb.pb import registry_pb2
from xdb.testing.keys import NamedKey

ALICE, BOB = NamedKey("alice"), NamedKey("bob")
HERE = Deployment(ChainId(b"\1" * 32), Address(b"\2" * 20))
NONCE = Nonce(b"\3" * 16)
CALL = Delete(FileId(b"\4" * 32))


def signed(call: bytes, key: NamedKey = ALICE) -> Envelope:
    envelope = replace(sign_envelope(CALL, HERE, key, NONCE, 1000), call=call)
    return replace(envelope, signature=key.sign(envelope_digest(envelope)))


def refusal_of(envelope: Envelope) -> Refusal:
    with pytest.raises(RefusedCallError) as caught:
        open_envelope(envelope, HERE)
    return Refusal(caught.value.refusal)


def test_what_was_signed_comes_out():
    envelope = sign_envelope(CALL, HERE, ALICE, NONCE, 1000)
    assert envelope.sender == ALICE.address
    assert envelope.call == write_call(CALL)
    assert open_envelope(envelope, HERE) == CALL


def test_every_field_is_covered():
    envelope = sign_envelope(CALL, HERE, ALICE, NONCE, 1000)
    for other in (
        replace(envelope, sender=BOB.address),
        replace(envelope, nonce=Nonce(bytes(16))),
        replace(envelope, deadline=1001),
        replace(envelope, call=write_call(Release(CALL.file))),
        replace(envelope, signature=bytes(65)),
        replace(envelope, signature=b""),
        replace(envelope, signature=sign_envelope(CALL, HERE, BOB, NONCE, 1000).signature),
    ):
        assert refusal_of(other) is Refusal.BAD_SIGNATURE
    elsewhere = Deployment(ChainId(bytes(32)), HERE.contract)
    assert refusal_of(replace(envelope, chain=elsewhere.chain)) is Refusal.WRONG_DEPLOYMENT
    assert refusal_of(replace(envelope, contract=bytes(20))) is Refusal.WRONG_DEPLOYMENT
    assert refusal_of(replace(envelope, version=2)) is Refusal.MALFORMED


def test_a_chains_envelope_signed_for_it_fails_elsewhere():
    elsewhere = Deployment(ChainId(bytes(32)), HERE.contract)
    foreign = sign_envelope(CALL, elsewhere, ALICE, NONCE, 1000)
    assert refusal_of(foreign) is Refusal.WRONG_DEPLOYMENT
    relabelled = replace(foreign, chain=HERE.chain)
    assert refusal_of(relabelled) is Refusal.BAD_SIGNATURE


@pytest.mark.parametrize(
    "call",
    [
        b"",
        b"\xff",
        b"nonsense",
        registry_pb2.Call(delete=registry_pb2.Delete(file=b"short")).SerializeToString(),
        registry_pb2.Call(register_node=registry_pb2.RegisterNode()).SerializeToString(),
        registry_pb2.Call(set_node_state=registry_pb2.SetNodeState()).SerializeToString(),
        b"\xa2\x06\x02\x08\x01",  # a call of number 100
    ],
)
def test_what_is_no_call_is_malformed(call):
    assert refusal_of(signed(call)) is Refusal.MALFORMED


def test_a_call_of_the_protocol_that_is_not_offered_is_unsupported():
    call = registry_pb2.Call(dismiss=registry_pb2.Dismiss()).SerializeToString()
    assert refusal_of(signed(call)) is Refusal.UNSUPPORTED


@pytest.mark.parametrize(
    "change", [{"nonce": b""}, {"sender": b"\1" * 19}, {"deadline": 2**64}, {"deadline": -1}]
)
def test_wrong_widths_are_malformed(change):
    envelope = sign_envelope(CALL, HERE, ALICE, NONCE, 1000)
    assert refusal_of(replace(envelope, **change)) is Refusal.MALFORMED


def test_bytes_are_hashed_as_received():
    # an unknown field changes no meaning, but it was signed and must stay
    extra = write_call(Resign()) + b"\xa2\x06\x02\x08\x01"
    envelope = signed(extra)
    assert open_envelope(envelope, HERE) == Resign()
    assert refusal_of(replace(envelope, call=write_call(Resign()))) is Refusal.BAD_SIGNATURE


def test_its_digest_is_this_one_for_ever():
    envelope = sign_envelope(CALL, HERE, ALICE, NONCE, 1000)
    digest = envelope_digest(envelope).hex()
    assert digest == "43a99d336984d7fa8f2a4ddcf4efc9c73cdc04f7e9d4ccfc937cadd7ea8a3e6d"
