"""All functions, events and refusals of the registry contract that are used here."""

from xdb.blockchain.ethereum.abi import (
    CHANGES,
    ENDPOINT,
    HELD,
    HOLDER,
    HOLDING_REF,
    NEW_FILE,
    RECORD,
    REDUNDANCY,
    RENEWAL,
    Error,
    Log,
    Method,
)
from xdb.model.refusal import Refusal

_NODE = ("address", ENDPOINT, "string", "string", "uint64")

REGISTER_NODE = Method("registerNode", _NODE)
UPDATE_NODE = Method("updateNode", (CHANGES,))
SET_NODE_STATE = Method("setNodeState", ("uint8",))
HEARTBEAT = Method("heartbeat", ("address",))
RESIGN = Method("resign", ())
CREATE_NAMESPACE = Method("createNamespace", ("bytes32", "bytes", REDUNDANCY, "uint8"))
UPDATE_NAMESPACE = Method("updateNamespace", ("bytes32", "bool", "bytes", "bool", REDUNDANCY))
PUBLISH = Method("publish", (f"{NEW_FILE}[]",))
RENEW = Method("renew", ("bytes32", RECORD, "uint64", f"{RENEWAL}[]"))
RENAME = Method("rename", ("bytes32", RECORD, "bytes32", "bytes"))
DELETE_FILE = Method("deleteFile", ("bytes32",))
MOVE = Method("move", ("bytes32", RECORD, "uint64", HOLDER))
EXTEND = Method("extend", ("bytes32", RECORD, HOLDER, "bytes32[]"))
SHRINK = Method("shrink", ("bytes32", RECORD, "bytes32[]"))
RELEASE = Method("release", ("bytes32", RECORD))
REVEAL_SEED = Method("revealSeed", ("uint64", "bytes"))
PROVE = Method("prove", ("address", "uint64", "bytes"))
SURRENDER = Method("surrender", ("address", HELD))
PARAMETERS_VIEW = Method("parameters", ())

METHODS = (
    REGISTER_NODE,
    UPDATE_NODE,
    SET_NODE_STATE,
    HEARTBEAT,
    RESIGN,
    CREATE_NAMESPACE,
    UPDATE_NAMESPACE,
    PUBLISH,
    RENEW,
    RENAME,
    DELETE_FILE,
    MOVE,
    EXTEND,
    SHRINK,
    RELEASE,
    REVEAL_SEED,
    PROVE,
    SURRENDER,
    PARAMETERS_VIEW,
)

NODE_REGISTERED = Log("NodeRegistered", ("address", *_NODE), (0,))
NODE_UPDATED = Log("NodeUpdated", ("address", "address", "uint64", *_NODE[1:]), (0,))
NODE_STATE_SET = Log("NodeStateSet", ("address", "uint8"), (0,))
HEARTBEAT_SEEN = Log("HeartbeatSeen", ("address",), (0,))
NODE_RESIGNED = Log("NodeResigned", ("address", "uint64"), (0,))
NAMESPACE_CREATED = Log(
    "NamespaceCreated", ("address", "bytes32", "bytes", REDUNDANCY, "uint8"), (0, 1)
)
NAMESPACE_UPDATED = Log(
    "NamespaceUpdated", ("address", "bytes32", "bool", "bytes", REDUNDANCY), (0, 1)
)
FILE_PUBLISHED = Log(
    "FilePublished",
    (
        "bytes32",
        "address",
        *("bytes32",) * 4,
        REDUNDANCY,
        "uint64",
        "uint64",
        f"{HOLDER}[]",
        "uint256[]",
        "bytes32",
        "bytes",
    ),
    (0, 1),
)
FILE_RENEWED = Log("FileRenewed", ("bytes32", "uint64", f"{RENEWAL}[]"), (0,))
FILE_RENAMED = Log("FileRenamed", ("bytes32", "bytes32", "bytes"), (0,))
FILE_DELETED = Log("FileDeleted", ("bytes32",), (0,))
FILE_MOVED = Log("FileMoved", ("bytes32", "uint64", "address", HOLDER, "uint64", "uint256"), (0, 2))
FILE_EXTENDED = Log(
    "FileExtended", ("bytes32", "uint64", HOLDER, "bytes32", "uint64", "uint256"), (0,)
)
FILE_SHRUNK = Log("FileShrunk", ("bytes32", "uint64", "address", "bytes32", "uint64"), (0, 2))
FILE_RELEASED = Log("FileReleased", ("bytes32",), (0,))
SEED_REVEALED = Log("SeedRevealed", ("uint64", "bytes32", "uint64"), (0,))
PROOF_ACCEPTED = Log("ProofAccepted", ("address", "uint64", f"{HOLDING_REF}[]"), (0, 1))
HOLDING_SURRENDERED = Log("HoldingSurrendered", ("address", "bytes32", "uint64"), (0, 1))

LOGS = {
    log.topic: log
    for log in (
        NODE_REGISTERED,
        NODE_UPDATED,
        NODE_STATE_SET,
        HEARTBEAT_SEEN,
        NODE_RESIGNED,
        NAMESPACE_CREATED,
        NAMESPACE_UPDATED,
        FILE_PUBLISHED,
        FILE_RENEWED,
        FILE_RENAMED,
        FILE_DELETED,
        FILE_MOVED,
        FILE_EXTENDED,
        FILE_SHRUNK,
        FILE_RELEASED,
        SEED_REVEALED,
        PROOF_ACCEPTED,
        HOLDING_SURRENDERED,
    )
}

_FILE = ("bytes32",)
_NUMBER = ("uint256",)

ERRORS = {
    error.selector: (error, refusal)
    for error, refusal in (
        (Error("Unsupported", ("bytes32",)), Refusal.UNSUPPORTED),
        (Error("NotAllowed", ("address",)), Refusal.NOT_ALLOWED),
        (Error("TooLarge", _NUMBER * 2), Refusal.TOO_LARGE),
        (Error("Invalid", ("bytes32",)), Refusal.INVALID),
        (Error("NodeUnknown", ("address",)), Refusal.NODE_UNKNOWN),
        (Error("NodeExists", ("address",)), Refusal.NODE_EXISTS),
        (Error("NodeState", ("address", "uint8")), Refusal.NODE_STATE),
        (Error("NodeBusy", ("address", "uint256")), Refusal.NODE_BUSY),
        (Error("NamespaceUnknown", ("bytes32",)), Refusal.NAMESPACE_UNKNOWN),
        (Error("NamespaceExists", ("bytes32",)), Refusal.NAMESPACE_EXISTS),
        (Error("Policy", ("uint64", "uint64")), Refusal.POLICY),
        (Error("FileUnknown", _FILE), Refusal.FILE_UNKNOWN),
        (Error("FileExists", _FILE), Refusal.FILE_EXISTS),
        (Error("NameTaken", ("bytes32", "bytes32")), Refusal.NAME_TAKEN),
        (Error("Expiry", _FILE + _NUMBER * 2), Refusal.EXPIRY),
        (Error("Version", _FILE), Refusal.VERSION),
        (Error("Slot", _FILE + _NUMBER), Refusal.SLOT),
        (Error("Holders", _FILE + _NUMBER), Refusal.HOLDERS),
        (Error("Receipt", (*_FILE, *_NUMBER, "bytes32")), Refusal.RECEIPT),
        (Error("Root", _FILE + _NUMBER), Refusal.ROOT),
        (Error("Gone", _FILE + _NUMBER), Refusal.GONE),
        (Error("NotGone", _FILE + _NUMBER), Refusal.NOT_GONE),
        (Error("Epoch", _NUMBER * 2), Refusal.EPOCH),
        (Error("Seed", (*_NUMBER, "bytes32")), Refusal.SEED),
        (Error("Proof", (*_NUMBER, "bytes32")), Refusal.PROOF),
        (Error("Proved", ("address", "uint256")), Refusal.PROVED),
    )
}
"""By the first four bytes of what a call reverted with."""
