"""The interface as it is written here is that of the compiled contract."""

import json
from pathlib import Path

import pytest

import xdb.blockchain.ethereum
from xdb.blockchain.ethereum import interface
from xdb.blockchain.ethereum.abi import PARAMETERS, read
from xdb.blockchain.ethereum.refusals import reason_of, refusal_of
from xdb.errors import IntegrityError
from xdb.model.refusal import Refusal

ARTIFACT = Path(xdb.blockchain.ethereum.__file__).parent / "artifacts" / "Registry.json"
ABI = json.loads(ARTIFACT.read_text())["abi"]


def type_of(item):
    if not item["type"].startswith("tuple"):
        return item["type"]
    return f"({','.join(map(type_of, item['components']))}){item['type'][5:]}"


def signatures(kind):
    return {
        f"{item['name']}({','.join(map(type_of, item['inputs']))})"
        for item in ABI
        if item["type"] == kind
    }


def test_functions():
    assert {method.signature for method in interface.METHODS} <= signatures("function")
    (parameters,) = (item for item in ABI if item.get("name") == "parameters")
    assert [type_of(item) for item in parameters["outputs"]] == [PARAMETERS]


def test_functions_that_change_anything_are_all_known():
    changing = {
        item["name"]
        for item in ABI
        if item["type"] == "function" and item["stateMutability"] == "nonpayable"
    }
    assert changing <= {method.name for method in interface.METHODS}


def test_events():
    assert {log.signature for log in interface.LOGS.values()} == signatures("event")
    for item in ABI:
        if item["type"] == "event":
            (log,) = (log for log in interface.LOGS.values() if log.name == item["name"])
            indexed = tuple(at for at, one in enumerate(item["inputs"]) if one["indexed"])
            assert log.indexed == indexed, log.name


def test_refusals():
    assert {error.signature for error, _ in interface.ERRORS.values()} == signatures("error")
    for error, refusal in interface.ERRORS.values():
        words = "".join(f"_{c}" if c.isupper() else c for c in error.name).lstrip("_").upper()
        assert refusal is Refusal[words]


@pytest.mark.parametrize("error", interface.ERRORS.values(), ids=lambda error: error[0].name)
def test_every_refusal_is_told_with_its_code(error):
    known, refusal = error
    told = refusal_of(known.selector + bytes(32 * len(known.types)))
    assert told.refusal == refusal
    assert told.reason.startswith(f"{known.name}(0")
    assert refusal_of(known.selector).refusal == refusal


def test_what_is_no_refusal():
    assert refusal_of(b"") is None
    text = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big")
    assert reason_of(text + b"no".ljust(32, b"\0")) == "no"
    assert reason_of(text[:10]) == f"0x{text[:10].hex()}"
    assert reason_of(b"") == "without a reason"


def test_nonsense_is_told():
    with pytest.raises(IntegrityError, match="is no uint64"):
        read(("uint64",), b"\xff")
    with pytest.raises(IntegrityError, match="with 0 topics"):
        interface.HEARTBEAT_SEEN.read((), b"")
