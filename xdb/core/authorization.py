"""Signed requests: who asks whom for what, beside the request itself.

An authorization binds one request (its bytes, its method) to one party asked and one
deployment, for minutes. That a nonce serves once is the receiver's to remember, for
as long as `LONGEST_LIFETIME` and `CLOCK_MARGIN` together.
"""

import hashlib
from dataclasses import dataclass

from xdb.core.envelope import Signer
from xdb.core.signing import digest_of, recover
from xdb.errors import AuthError, IntegrityError
from xdb.model.ids import Address, ChainId, Deployment, Digest, Nonce, Signature

DOMAIN = "xdb/v1/authorization"
LONGEST_LIFETIME = 300
"""Seconds from issue to expiry, at most."""
CLOCK_MARGIN = 30
"""Seconds that a sender's clock may be ahead."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """As in proto/xdb/v1/auth.proto. Times are Unix seconds of the sender's clock."""

    method: str
    audience: Address
    chain: ChainId
    contract: Address
    digest: Digest
    nonce: Nonce
    issued: int
    expires: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class _Content:
    """An authorization without its signature."""

    method: str
    audience: Address
    chain: ChainId
    contract: Address
    digest: Digest
    nonce: Nonce
    issued: int
    expires: int


def authorization_digest(authorization: Authorization) -> Digest:
    """What the caller signs; ValueError when a field has a wrong width."""
    a = authorization
    content = _Content(
        a.method, a.audience, a.chain, a.contract, a.digest, a.nonce, a.issued, a.expires
    )
    return digest_of(DOMAIN, content)


def authorize(  # noqa: PLR0913, PLR0917  # everything an authorization binds
    signer: Signer,
    method: str,
    audience: Address,
    deployment: Deployment,
    request: bytes,
    nonce: Nonce,
    now: float,
) -> Authorization:
    """Signs `request`, the bytes of the (first) message as sent, until `LONGEST_LIFETIME` on."""
    issued = int(now)
    expires = issued + LONGEST_LIFETIME
    digest = Digest(hashlib.sha256(request).digest())
    chain, contract = deployment.chain, deployment.contract
    content = _Content(method, audience, chain, contract, digest, nonce, issued, expires)
    signature = signer.sign(digest_of(DOMAIN, content))
    return Authorization(
        method, audience, chain, contract, digest, nonce, issued, expires, signature
    )


def verify(  # noqa: PLR0913, PLR0917  # everything an authorization binds
    authorization: Authorization,
    method: str,
    audience: Address,
    deployment: Deployment,
    request: bytes,
    now: float,
) -> Address:
    """Who signed this request for us; AuthError says what does not fit and what to do."""
    caller = caller_of(authorization, method, audience, deployment, now)
    check_request(authorization, request)
    return caller


def caller_of(
    authorization: Authorization,
    method: str,
    audience: Address,
    deployment: Deployment,
    now: float,
) -> Address:
    """Who signed, before the request itself is there. `check_request` must follow."""
    _check_purpose(authorization, method, audience, deployment)
    _check_times(authorization, int(now))
    try:
        return recover(authorization_digest(authorization), authorization.signature)
    except (IntegrityError, ValueError) as error:
        raise AuthError(f"the request's signature is unusable ({error}): sign it again") from error


def check_request(authorization: Authorization, request: bytes) -> None:
    """AuthError unless these bytes are what was signed."""
    if authorization.digest != hashlib.sha256(request).digest():
        raise AuthError("the request was signed over other bytes than were received: send it again")


def _check_purpose(
    authorization: Authorization, method: str, audience: Address, deployment: Deployment
) -> None:
    if authorization.method != method:
        raise AuthError(
            f"the request was signed for {authorization.method}, not for {method}: sign each call"
        )
    if authorization.audience != audience:
        raise AuthError(
            f"the request was signed for {authorization.audience.hex()}, this is {audience.hex()}: "
            "look up who serves at this address and sign for it"
        )
    if (authorization.chain, authorization.contract) != (deployment.chain, deployment.contract):
        raise AuthError(
            f"the request was signed for chain {authorization.chain.hex()}, this node serves "
            f"{deployment.chain.hex()}: use one genesis or deployment on both sides"
        )


def _check_times(authorization: Authorization, now: int) -> None:
    issued, expires = authorization.issued, authorization.expires
    if issued > now + CLOCK_MARGIN:
        raise AuthError(
            f"the request was issued {issued - now} s ahead of this server's clock ({now}), "
            f"{CLOCK_MARGIN} s are taken: set the clocks (NTP) and send it again"
        )
    if not 0 < expires - issued <= LONGEST_LIFETIME:
        raise AuthError(
            f"the request claims to live {expires - issued} s, up to {LONGEST_LIFETIME} s are "
            "taken: sign it again with a shorter life"
        )
    if expires < now:
        raise AuthError(
            f"the request expired {now - expires} s ago by this server's clock ({now}), it was "
            f"issued {now - issued} s ago: set the clocks (NTP) and send it again"
        )
