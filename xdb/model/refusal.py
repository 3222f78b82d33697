"""Why the registry refuses a call; the numbers of proto/xdb/v1/registry.proto."""

from enum import IntEnum


class Refusal(IntEnum):
    """Reason codes; the sentence beside a code names the object concerned."""

    NONE = 0
    MALFORMED = 1
    WRONG_DEPLOYMENT = 2
    BAD_SIGNATURE = 3
    EXPIRED = 4
    REPLAYED = 5
    UNSUPPORTED = 6
    NOT_ALLOWED = 10
    TOO_LARGE = 11
    INVALID = 12
    NODE_UNKNOWN = 20
    NODE_EXISTS = 21
    NODE_STATE = 22
    NODE_BUSY = 23
    NAMESPACE_UNKNOWN = 30
    NAMESPACE_EXISTS = 31
    POLICY = 32
    FILE_UNKNOWN = 40
    FILE_EXISTS = 41
    NAME_TAKEN = 42
    EXPIRY = 43
    VERSION = 44
    SLOT = 45
    HOLDERS = 46
    RECEIPT = 47
    ROOT = 48
    GONE = 49
    NOT_GONE = 50
    EPOCH = 60
    SEED = 61
    PROOF = 62
    PROVED = 63
    UNSEALED = 64
    CHALLENGE_UNKNOWN = 65
    NOT_APPLIED = 70
    NOT_GRANTED = 71
    NOT_APPOINTED = 72
