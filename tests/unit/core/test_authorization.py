from dataclasses import replace

import pytest

from xdb.core.authorization import authorization_digest, authorize, verify
from xdb.errors import AuthError
from xdb.model.ids import Address, ChainId, Deployment, Nonce
from xdb.testing.keys import NamedKey

CALLER = NamedKey("caller")
NODE = NamedKey("node").address
HERE = Deployment(ChainId(b"\1" * 32), Address(b"\2" * 20))
METHOD = "/xdb.v1.ReplicaService/Push"
NOW = 1_800_000_000


def made(now=NOW, **changes):
    values = {
        "signer": CALLER,
        "method": METHOD,
        "audience": NODE,
        "deployment": HERE,
        "request": b"request",
        "nonce": Nonce(b"\3" * 16),
        "now": now,
    } | changes
    return authorize(**values)


def check(authorization, now=NOW):
    return verify(authorization, METHOD, NODE, HERE, b"request", now)


def resigned(authorization, **changes):
    changed = replace(authorization, **changes)
    return replace(changed, signature=CALLER.sign(authorization_digest(changed)))


def test_a_request_names_its_sender():
    assert check(made()) == CALLER.address
    assert check(made(NOW + 0.9), NOW + 0.1) == CALLER.address


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "/xdb.v1.ReplicaService/Pull"}, "sign each call"),
        ({"audience": CALLER.address}, "who serves at this address"),
        ({"deployment": Deployment(ChainId(bytes(32)), HERE.contract)}, "one genesis"),
        ({"deployment": Deployment(HERE.chain, Address(bytes(20)))}, "one genesis"),
        ({"request": b"other"}, "other bytes"),
    ],
)
def test_what_was_signed_for_something_else_is_refused(changes, words):
    with pytest.raises(AuthError, match=words):
        check(made(**changes))


@pytest.mark.parametrize("behind", [-30, 0, 300])
def test_clocks_may_differ_a_little(behind):
    assert check(made(NOW - behind)) == CALLER.address


@pytest.mark.parametrize(
    ("behind", "words"),
    [(-31, "31 s ahead"), (-600, "600 s ahead"), (301, "expired 1 s ago"), (600, "issued 600 s")],
)
def test_clocks_that_differ_by_more_are_told_by_how_much(behind, words):
    with pytest.raises(AuthError, match=words) as caught:
        check(made(NOW - behind))
    assert "NTP" in str(caught.value)
    assert str(NOW) in str(caught.value)


@pytest.mark.parametrize("life", [0, -1, 301, 2**40])
def test_a_request_lives_minutes(life):
    authorization = made()
    with pytest.raises(AuthError, match="shorter life"):
        check(resigned(authorization, expires=max(0, authorization.issued + life)))


def test_every_field_is_covered():
    good = made()
    for change in (
        {"nonce": Nonce(bytes(16))},
        {"issued": NOW + 1},
        {"expires": NOW + 299},
    ):
        assert check(replace(good, **change)) != CALLER.address
    digests = {
        authorization_digest(replace(good, **change))
        for change in (
            {},
            {"method": "x"},
            {"audience": CALLER.address},
            {"chain": bytes(32)},
            {"contract": bytes(20)},
            {"digest": bytes(32)},
            {"nonce": bytes(16)},
            {"issued": 1},
            {"expires": 1},
        )
    }
    assert len(digests) == 9


@pytest.mark.parametrize(
    "change", [{"signature": b""}, {"signature": bytes(65)}, {"nonce": b"short"}]
)
def test_malformed_ones_are_refused(change):
    with pytest.raises(AuthError, match="sign it again"):
        check(replace(made(), **change))


def test_its_digest_is_this_one_for_ever():
    digest = authorization_digest(made()).hex()
    assert digest == "db7832dd92064fb7c8bdca48e894868fd887b083b05363d370564112fb2ba8a5"
