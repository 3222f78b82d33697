"""What a call reverted with, as a refusal of the registry."""

from xdb.blockchain.ethereum.abi import read
from xdb.blockchain.ethereum.interface import ERRORS
from xdb.errors import IntegrityError, RefusedCallError

_TEXT = bytes.fromhex("08c379a0")  # Error(string), of Solidity's require
_ADVICE = {
    "Version": "another change came first; look at the file again",
    "Receipt": "get a new receipt from the holder",
    "NameTaken": "choose another name",
    "Expiry": "choose another expiry, or get receipts that reach further",
    "Epoch": "look which epoch it is",
}


def refusal_of(reverted: bytes) -> RefusedCallError | None:
    """The refusal; None when it is none of the registry's."""
    known = ERRORS.get(reverted[:4])
    if known is None:
        return None
    error, refusal = known
    try:
        values = [_shown(value) for value in read(error.types, reverted[4:])]
    except IntegrityError:
        values = ["?"]
    sentence = f"{error.name}({', '.join(values)}): the registry refuses the call"
    advice = _ADVICE.get(error.name)
    return RefusedCallError(refusal, f"{sentence}; {advice}" if advice else sentence)


def reason_of(reverted: bytes) -> str:
    """What is known of a revert that is no refusal."""
    if reverted[:4] == _TEXT:
        try:
            return str(read(("string",), reverted[4:])[0])
        except IntegrityError:
            pass
    return f"0x{reverted.hex()}" if reverted else "without a reason"


def _shown(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    text = value.rstrip(b"\0")
    if text and all(0x20 <= octet < 0x7F for octet in text):  # noqa: PLR2004  # printable ASCII
        return text.decode()
    return value.hex()
