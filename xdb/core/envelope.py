"""Envelopes: signed calls of the registry on chains that have no transactions of their own."""

from dataclasses import dataclass
from typing import Protocol

from xdb.core.signing import digest_of, recover
from xdb.core.wire import NotOfferedError, read_call, write_call
from xdb.errors import IntegrityError, RefusedCallError
from xdb.model.calls import Call, Envelope
from xdb.model.ids import Address, ChainId, Deployment, Digest, Nonce, Signature
from xdb.model.refusal import Refusal

DOMAIN = "xdb/v1/envelope"
VERSION = 1


class Signer(Protocol):
    """Whoever signs: `ports.keys.Signer` is one."""

    @property
    def address(self) -> Address:
        """Whose signatures these are."""
        ...

    def sign(self, digest: Digest) -> Signature:
        """Recoverable, low s."""
        ...


@dataclass(frozen=True, slots=True)
class _Content:
    """An envelope without its signature."""

    version: int
    chain: ChainId
    contract: Address
    sender: Address
    nonce: Nonce
    deadline: int
    call: bytes


def envelope_digest(envelope: Envelope) -> Digest:
    """What the sender signs; ValueError when a field has a wrong width."""
    return digest_of(
        DOMAIN,
        _Content(
            version=envelope.version,
            chain=envelope.chain,
            contract=envelope.contract,
            sender=envelope.sender,
            nonce=envelope.nonce,
            deadline=envelope.deadline,
            call=envelope.call,
        ),
    )


def sign_envelope(
    call: Call, deployment: Deployment, signer: Signer, nonce: Nonce, deadline: int
) -> Envelope:
    """A call, ready to be sent. `deadline` is chain time, the last at which it may take effect."""
    content = _Content(
        version=VERSION,
        chain=deployment.chain,
        contract=deployment.contract,
        sender=signer.address,
        nonce=nonce,
        deadline=deadline,
        call=write_call(call),
    )
    return Envelope(
        version=content.version,
        chain=content.chain,
        contract=content.contract,
        sender=content.sender,
        nonce=content.nonce,
        deadline=content.deadline,
        call=content.call,
        signature=signer.sign(digest_of(DOMAIN, content)),
    )


def open_envelope(envelope: Envelope, deployment: Deployment) -> Call:
    """The call inside, once it is certain who sent it and that it is meant for `deployment`.

    RefusedCallError with MALFORMED, UNSUPPORTED, WRONG_DEPLOYMENT or BAD_SIGNATURE.
    """
    if envelope.version != VERSION:
        raise RefusedCallError(
            Refusal.MALFORMED,
            f"envelope of version {envelope.version}: only version {VERSION} is known here; "
            "update the program that sent or reads it",
        )
    if (envelope.chain, envelope.contract) != (deployment.chain, deployment.contract):
        raise RefusedCallError(
            Refusal.WRONG_DEPLOYMENT,
            f"signed for chain {envelope.chain.hex()}, contract {envelope.contract.hex()}, but "
            f"this is chain {deployment.chain.hex()}, contract {deployment.contract.hex()}: "
            "sign it for this deployment or send it to the other",
        )
    _check_sender(envelope)
    return _call_of(envelope)


def _check_sender(envelope: Envelope) -> None:
    try:
        signer = recover(envelope_digest(envelope), envelope.signature)
    except IntegrityError as error:
        raise RefusedCallError(Refusal.BAD_SIGNATURE, str(error)) from error
    except ValueError as error:
        raise RefusedCallError(
            Refusal.MALFORMED, f"malformed envelope ({error}): build it again"
        ) from error
    if signer != envelope.sender:
        raise RefusedCallError(
            Refusal.BAD_SIGNATURE,
            f"not signed by its sender {envelope.sender.hex()}, or changed afterwards: "
            "sign it again with the sender's key",
        )


def _call_of(envelope: Envelope) -> Call:
    try:
        return read_call(envelope.call)
    except NotOfferedError as error:
        raise RefusedCallError(Refusal.UNSUPPORTED, str(error)) from error
    except ValueError as error:
        raise RefusedCallError(
            Refusal.MALFORMED, f"malformed call ({error}): correct it and sign again"
        ) from error
