"""Who calls: signed requests, each good for one call."""

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256

from xdb.core.authorization import CLOCK_MARGIN, Authorization, caller_of
from xdb.core.wire import parse, to_record
from xdb.errors import AuthError, OverloadedError
from xdb.model.ids import Address, Deployment, Nonce
from xdb.pb import auth_pb2
from xdb.peer.requests import METADATA
from xdb.ports.clock import Clock

_CALLER: ContextVar[Address] = ContextVar("caller")
_BUCKET = 10  # seconds of expiry that are forgotten together
_MARK = 16  # bytes remembered of a request


def caller() -> Address:
    """Who signed the request being served; LookupError outside of a signed one."""
    return _CALLER.get()


def set_caller(address: Address) -> None:
    """Says who signed, for the rest of the call."""
    _CALLER.set(address)


class Replays:
    """Requests seen, each remembered for as long as it would be taken again."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._count = 0
        self._seen: dict[int, set[bytes]] = {}

    def remember(self, who: Address, nonce: Nonce, expires: int, now: int) -> None:
        """AuthError for a request seen before, OverloadedError when too many are remembered."""
        self._forget(now)
        # Its expiry is signed, so a request sent again falls into the same bucket.
        bucket = self._seen.setdefault(expires // _BUCKET, set())
        mark = sha256(who + nonce).digest()[:_MARK]
        if mark in bucket:
            raise AuthError("the request was seen before: sign each one anew")
        if self._count >= self._capacity:
            raise OverloadedError(
                f"{self._count} requests of the last minutes are remembered, which is the most: "
                "try again later"
            )
        bucket.add(mark)
        self._count += 1

    def _forget(self, now: int) -> None:
        past = [key for key in self._seen if (key + 1) * _BUCKET + CLOCK_MARGIN < now]
        for key in past:
            self._count -= len(self._seen.pop(key))


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Knows callers by their signatures, for one party asked in one deployment."""

    audience: Address
    deployment: Deployment
    clock: Clock
    replays: Replays

    def admit(
        self, method: str, metadata: Iterable[tuple[str, str | bytes]]
    ) -> tuple[Address, Authorization]:
        """Who signed, before the first message is here.

        The message must still be compared with the authorization. AuthError otherwise.
        """
        authorization = _read(metadata)
        now = self.clock.wall()
        who = caller_of(authorization, method, self.audience, self.deployment, now)
        self.replays.remember(who, authorization.nonce, authorization.expires, int(now))
        return who, authorization


def _read(metadata: Iterable[tuple[str, str | bytes]]) -> Authorization:
    found = [value for key, value in metadata if key == METADATA]
    if len(found) != 1 or not isinstance(found[0], bytes):
        raise AuthError(
            f"the request carries no signature in {METADATA}: use xdb-cli, or sign it as "
            "docs/network.md describes"
        )
    try:
        return to_record(parse(found[0], auth_pb2.Authorization), Authorization)
    except ValueError as error:
        raise AuthError(f"the request's signature is malformed ({error}): sign it again") from error
