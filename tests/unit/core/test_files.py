"""File ids."""

import json
from pathlib import Path

from xdb.core.files import file_id
from xdb.model.ids import Deployment

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/keyring.json").read_text())
CHAIN, CONTRACT, OWNER, NONCE = (
    bytes.fromhex(VECTORS[f"id_{part}"]) for part in ("chain", "contract", "owner", "nonce")
)


def test_known_id():
    assert file_id(Deployment(CHAIN, CONTRACT), OWNER, NONCE).hex() == VECTORS["id"]


def test_every_part_counts():
    made = {
        file_id(Deployment(chain, contract), owner, nonce)
        for chain, contract, owner, nonce in [
            (CHAIN, CONTRACT, OWNER, NONCE),
            (b"c" * 32, CONTRACT, OWNER, NONCE),
            (CHAIN, b"c" * 20, OWNER, NONCE),
            (CHAIN, CONTRACT, b"o" * 20, NONCE),
            (CHAIN, CONTRACT, OWNER, b"n" * 16),
        ]
    }
    assert len(made) == 5
