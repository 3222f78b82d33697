import subprocess
import sys

import pytest

from xdb.core.signing import address_of, digest_of, recover, sign
from xdb.errors import IntegrityError
from xdb.model.ids import Deployment, Digest, Signature

KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DIGEST = Digest(bytes(range(32)))


def test_addresses_are_the_wallets():
    assert address_of(KEY).hex() == "2c7536e3605d9c16a7a3d7b1898e529396a65c23"
    assert address_of(bytes(31) + b"\1").hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"


def test_a_signature_recovers_to_its_signer():
    assert recover(DIGEST, sign(KEY, DIGEST)) == address_of(KEY)


def test_signing_is_deterministic_with_a_low_s():
    for number in range(20):
        digest = Digest(bytes([number]) * 32)
        signature = sign(KEY, digest)
        assert signature == sign(KEY, digest)
        assert len(signature) == 65
        assert signature[64] in (0, 1)
        assert int.from_bytes(signature[32:64], "big") <= ORDER // 2


def test_another_digest_recovers_to_somebody_else():
    assert recover(Digest(bytes(32)), sign(KEY, DIGEST)) != address_of(KEY)


def test_the_high_s_twin_is_refused():
    raw = sign(KEY, DIGEST)
    high = (ORDER - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    twin = Signature(raw[:32] + high + bytes([raw[64] ^ 1]))
    with pytest.raises(IntegrityError, match="high s"):
        recover(DIGEST, twin)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:64],
        lambda raw: raw + b"\0",
        lambda _: b"",
        lambda raw: raw[:64] + b"\x02",
        lambda raw: raw[:64] + b"\x1b",
        lambda raw: bytes(32) + raw[32:],
        lambda raw: raw[:32] + bytes(32) + raw[64:],
        lambda raw: b"\xff" * 32 + raw[32:],
        lambda raw: ORDER.to_bytes(32, "big") + raw[32:],
        lambda raw: raw[:32] + ORDER.to_bytes(32, "big") + raw[64:],
        lambda _: bytes(65),
    ],
)
def test_what_is_no_signature_is_an_integrity_error(spoil):
    with pytest.raises(IntegrityError):
        recover(DIGEST, Signature(spoil(sign(KEY, DIGEST))))


def test_a_digest_binds_its_domain_and_its_record():
    one = Deployment(bytes(32), bytes(20))  # type: ignore[arg-type]
    other = Deployment(bytes(32), b"\1" * 20)  # type: ignore[arg-type]
    digests = {digest_of(domain, record) for domain in ("a", "aa", "") for record in (one, other)}
    assert len(digests) == 6


def test_a_digest_is_this_one_for_ever():
    deployment = Deployment(b"\1" * 32, b"\2" * 20)  # type: ignore[arg-type]
    digest = digest_of("xdb/v1/test", deployment)
    assert digest.hex() == "6767e76ba43c90ff49c3013411fb178e622ad91d1aa5ad184203d2d9458a3a5a"


def test_the_key_library_is_loaded_only_when_needed():
    code = "import sys, xdb.core.rules; sys.exit('eth_keys' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
