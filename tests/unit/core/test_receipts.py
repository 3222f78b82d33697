from dataclasses import fields, replace

from xdb.core.receipts import receipt_digest, receipt_signer
from xdb.model.ids import ChainId, Deployment, Digest, FileId
from xdb.model.registry import Receipt
from xdb.testing.keys import NamedKey

RECEIPT = Receipt(
    deployment=Deployment(ChainId(b"\1" * 32), NamedKey("contract").address),
    file=FileId(b"\2" * 32),
    slot=1,
    file_root=Digest(b"\3" * 32),
    holding_root=Digest(b"\4" * 32),
    leaves=7,
    replica_leaves=4,
    size=7000,
    latest_expiry=2000,
    version=1,
    valid_until=1000,
)


def test_a_receipt_names_its_signer():
    key = NamedKey("node")
    assert receipt_signer(RECEIPT, key.sign(receipt_digest(RECEIPT))) == key.address


def test_every_field_is_covered():
    others = [
        replace(RECEIPT, deployment=Deployment(ChainId(bytes(32)), RECEIPT.deployment.contract)),
        replace(RECEIPT, file=FileId(bytes(32))),
        replace(RECEIPT, file_root=Digest(bytes(32))),
        replace(RECEIPT, holding_root=Digest(bytes(32))),
        *(
            replace(RECEIPT, **{name: 99})
            for name in (
                "slot",
                "leaves",
                "replica_leaves",
                "size",
                "latest_expiry",
                "version",
                "valid_until",
            )
        ),
    ]
    assert len(others) == len(fields(Receipt))
    assert len({receipt_digest(receipt) for receipt in [RECEIPT, *others]}) == len(others) + 1


def test_its_digest_is_this_one_for_ever():
    digest = receipt_digest(RECEIPT).hex()
    assert digest == "20d1ced8630fe988372e8eebc9473be6b40aca417f580294924de4536617a086"
