"""Receipts: a holder's signed word that it checked and keeps one slot of one file."""

from xdb.core.signing import digest_of, recover
from xdb.model.ids import Address, Digest, Signature
from xdb.model.registry import Receipt

DOMAIN = "xdb/v1/receipt"


def receipt_digest(receipt: Receipt) -> Digest:
    """What the holder's signer signs."""
    return digest_of(DOMAIN, receipt)


def receipt_signer(receipt: Receipt, signature: Signature) -> Address:
    """Who signed the receipt; IntegrityError when no key fits.

    A signature of another receipt recovers to some unrelated address: compare it
    with the holder's signer.
    """
    return recover(receipt_digest(receipt), signature)
