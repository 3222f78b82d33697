"""Logs of the registry contract as events of the model."""

from collections.abc import Mapping
from typing import Any

from xdb.model import calls, events
from xdb.model.ids import NodeId, Signature
from xdb.model.registry import Coding, Endpoint, Holder, NodeState, ProofScheme, Redundancy
from xdb.testing.evm import Log

_TOP = 1 << 255


def event_of(log: Log) -> events.Event:
    """A log of the contract as the model's event; what only this chain tells is left out."""
    values = dict(log.fields)
    kind = getattr(events, log.name)
    if log.name == "NamespaceUpdated" and not values["labelled"]:
        values["label"] = None
    for name in ("segment", "segments", "labelled", "time"):
        values.pop(name, None)
    return kind(**{_snake(name): _value(name, value) for name, value in values.items()})  # type: ignore[no-any-return]


def _value(name: str, value: Any) -> Any:  # noqa: ANN401, PLR0911  # a table of any values
    match name:
        case "redundancy":
            return redundancy_of(value)
        case "scheme":
            return ProofScheme(value)
        case "state":
            return NodeState(value)
        case "endpoint":
            following = value["nextCertificate"]
            return Endpoint(
                value["addr"], value["certificate"], following if any(following) else None
            )
        case "holder":
            return _holder(value)
        case "holders":
            return tuple(map(_holder, value))
        case "renewals":
            return tuple(calls.Renewal(one["slot"], _holder(one["holder"])) for one in value)
        case "lost":
            return tuple(events.HoldingRef(**one) for one in value)
        case "replaces":
            return value if any(value) else None
    return value


def redundancy_of(raw: Mapping[str, Any]) -> Redundancy:
    """A redundancy as the model has it."""
    return Redundancy(Coding(raw["coding"]), raw["required"], raw["total"])


def _holder(raw: Mapping[str, Any]) -> Holder:
    vs = int.from_bytes(raw["vs"], "big")
    signature = raw["r"] + (vs % _TOP).to_bytes(32, "big") + bytes([vs // _TOP])
    return Holder(
        *(NodeId(raw["node"]), raw["root"], raw["leaves"], raw["replicaLeaves"], raw["size"]),
        *(raw["latestExpiry"], raw["validUntil"], Signature(signature)),
    )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
