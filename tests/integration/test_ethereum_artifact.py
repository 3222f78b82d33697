"""The committed artifact is what the sources give, and may be deployed."""

import shutil
import subprocess

import pytest

from xdb.testing import evm

CODE, INITCODE = 24_576, 49_152  # EIP-170, EIP-3860


def test_creation_code_fits():
    assert len(evm.artifact()["bytecode"]) // 2 - 1 <= INITCODE - 32 * 17


@pytest.mark.skipif(
    shutil.which("node") is None or not (evm.CONTRACTS / "node_modules" / "solc").is_dir(),
    reason="node or solc is missing: npm ci in xdb/blockchain/ethereum/contracts",
)
def test_artifact_is_what_the_sources_give():
    command = ("node", "build.mjs", "--check")
    subprocess.run(command, cwd=evm.CONTRACTS, check=True, timeout=200)


@pytest.mark.skipif(evm.anvil() is None, reason="anvil is missing: see tests/tools.py")
def test_both_halves_fit():
    with evm.running() as machine:
        registry = evm.deploy(machine, {**PARAMETERS})
        code = machine.rpc("eth_getCode", "0x" + registry.address.hex(), "latest")
    assert 0 < len(code) // 2 - 1 <= CODE


PARAMETERS = {
    "epoch": 7200,
    "freeze": 64,
    "leavesPerEpoch": 5,
    "leafSize": 256,
    "healthWindow": 7,
    "retention": 7 * 86400,
    "receiptValidity": 6 * 3600,
    "strayGrace": 48 * 3600,
    "unreachable": 6 * 3600,
    "notice": 30 * 86400,
    "maxSlots": 32,
    "maxFilesPerCall": 64,
    "maxLabel": 4096,
    "maxText": 256,
    "maxLifetime": 10 * 366 * 86400,
}
"""The defaults on Ethereum."""
