import pytest

from xdb.errors import AuthError, OverloadedError
from xdb.model.ids import Nonce
from xdb.rpc.authorization import Replays, caller
from xdb.testing.keys import NamedKey

ALICE, BOB = NamedKey("alice").address, NamedKey("bob").address
NOW = 1_800_000_000


def number(value):
    return Nonce(value.to_bytes(16, "big"))


def test_a_request_is_taken_once():
    replays = Replays(10)
    replays.remember(ALICE, number(1), NOW + 300, NOW)
    with pytest.raises(AuthError, match="seen before"):
        replays.remember(ALICE, number(1), NOW + 300, NOW)
    replays.remember(ALICE, number(2), NOW + 300, NOW)


def test_callers_do_not_use_up_each_others_nonces():
    replays = Replays(10)
    replays.remember(ALICE, number(1), NOW + 300, NOW)
    replays.remember(BOB, number(1), NOW + 300, NOW)


def test_it_is_remembered_as_long_as_it_could_be_used():
    replays = Replays(10)
    replays.remember(ALICE, number(1), NOW + 300, NOW)
    for later in (1, 100, 300):
        with pytest.raises(AuthError):
            replays.remember(ALICE, number(1), NOW + 300, NOW + later)


def test_and_then_forgotten():
    replays = Replays(2)
    for value in range(2):
        replays.remember(ALICE, number(value), NOW + 300, NOW)
    with pytest.raises(OverloadedError, match="try again later"):
        replays.remember(ALICE, number(2), NOW + 300, NOW)
    replays.remember(ALICE, number(2), NOW + 700, NOW + 400)
    assert replays._count == 1


def test_outside_of_a_call_there_is_no_caller():
    with pytest.raises(LookupError):
        caller()
