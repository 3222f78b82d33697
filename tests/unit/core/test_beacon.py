from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdb.core.beacon import LENGTH, HashChain, beacon_chain
from xdb.errors import ConfigError
from xdb.testing.keys import NamedKey

SECRET = b"s" * 32
KEY = NamedKey("beacon")


def hashed(value, times):
    for _ in range(times):
        value = sha256(value).digest()
    return value


@given(length=st.integers(1, 300), data=st.data())
def test_every_preimage_leads_to_the_commitment(length, data):
    chain = HashChain(SECRET, length)
    epoch = data.draw(st.integers(0, length - 1))
    assert hashed(chain.preimage(epoch), epoch + 1) == chain.commitment


def test_the_chain_is_the_secret_hashed():
    chain = HashChain(SECRET, 10)
    assert chain.commitment == hashed(SECRET, 10)
    assert chain.preimage(9) == SECRET
    assert len({chain.preimage(epoch) for epoch in range(10)} | {chain.commitment}) == 11


def test_a_chain_ends():
    chain = HashChain(SECRET, 10)
    with pytest.raises(ConfigError, match=r"has 10 seeds and none for epoch 10: .* are over"):
        chain.preimage(10)
    with pytest.raises(ValueError, match="no epoch: -1"):
        chain.preimage(-1)
    with pytest.raises(ValueError, match="a chain of 0 epochs"):
        HashChain(SECRET, 0)


def test_a_full_chain():
    chain = HashChain(SECRET)
    assert chain.length == LENGTH == 1 << 20
    for epoch in (0, 1, 12_345):
        assert hashed(chain.preimage(epoch), epoch + 1) == chain.commitment
    assert chain.preimage(LENGTH - 1) == SECRET


def test_a_key_has_a_chain_for_every_deployment():
    one, other = beacon_chain(KEY, b"one", 10), beacon_chain(KEY, b"other", 10)
    assert beacon_chain(KEY, b"one", 10).commitment == one.commitment
    assert {one.preimage(epoch) for epoch in range(10)}.isdisjoint(
        {other.preimage(epoch) for epoch in range(10)}
    )
    assert beacon_chain(NamedKey("second"), b"one", 10).commitment != one.commitment


def test_nothing_shows_the_secret():
    chain = HashChain(SECRET, 4)
    assert repr(chain) == f"HashChain({chain.commitment.hex()})"
