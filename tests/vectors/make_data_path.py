"""The data path written a second time, straight from docs/formats.md, without xdb.

Prints known answers for it as JSON, one object by file name, or writes them beside itself
with --write. They fix the formats: a change here means a new version of a format.
"""

import hmac
import json
import struct
import sys
from collections.abc import Sequence
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

Vectors = dict[str, Any]


def sample(name: str, length: int) -> bytes:
    """Bytes that look random and are the same everywhere."""
    return shake_256(name.encode()).digest(length)


FILE = sample("file", 32)
OWNER_SECRET = sample("identity", 32)
CONTENT_KEY = sample("content key", 32)
PREFIX = sample("prefix", 7)
NAMESPACE = sample("namespace", 32)


# ---------------------------------------------------------------- canonical encoding


def text(value: str) -> bytes:
    return blob(value.encode())


def blob(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def number(value: int) -> bytes:
    return struct.pack(">Q", value)


# ---------------------------------------------------------------- keys


def hkdf(secret: bytes, label: str, context: bytes = b"") -> bytes:
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, text(label) + blob(context) + b"\1", "sha256")


def ecb(key: bytes, block: bytes) -> bytes:
    return Cipher(AES256(key), ECB()).encryptor().update(block)


def wrap(kek: bytes, key: bytes) -> bytes:
    """RFC 3394, section 2.2.1."""
    check, parts = b"\xa6" * 8, [key[at : at + 8] for at in range(0, len(key), 8)]
    for turn in range(6):
        for at in range(len(parts)):
            block = ecb(kek, check + parts[at])
            step = len(parts) * turn + at + 1
            check = (int.from_bytes(block[:8], "big") ^ step).to_bytes(8, "big")
            parts[at] = block[8:]
    return check + b"".join(parts)


def keyring() -> Vectors:
    nonce, name, description = sample("nonce", 12), "reports/März.pdf", "the monthly ones"
    plain = field(1, name.encode()) + field(2, description.encode())
    label = AESGCM(hkdf(OWNER_SECRET, "xdb/v1/label")).encrypt(
        nonce, plain, text("xdb/v1/label") + blob(FILE)
    )
    kek = hkdf(OWNER_SECRET, "xdb/v1/key-encryption", FILE)
    chain, contract, owner = sample("chain", 32), sample("contract", 20), sample("owner", 20)
    origin = text("xdb/v1/file") + chain + contract + owner + sample("id nonce", 16)
    return {
        "identity": OWNER_SECRET,
        "file": FILE,
        "namespace": NAMESPACE,
        "derived": hkdf(OWNER_SECRET, "some label", b"some context"),
        "file_kek": kek,
        "content_key": CONTENT_KEY,
        "wrapped_key": wrap(kek, CONTENT_KEY),
        "namespace_name": "reports",
        "namespace_tag": hmac.digest(
            hkdf(OWNER_SECRET, "xdb/v1/namespace-tag"), b"reports", "sha256"
        ),
        "name": name,
        "name_tag": hmac.digest(
            hkdf(OWNER_SECRET, "xdb/v1/name-tag"), NAMESPACE + text(name), "sha256"
        ),
        "description": description,
        "label_nonce": nonce,
        "label": nonce + label,
        "id_chain": chain,
        "id_contract": contract,
        "id_owner": owner,
        "id_nonce": sample("id nonce", 16),
        "id": sha256(origin).digest(),
    }


# ---------------------------------------------------------------- slices


def encrypt(index: int, last: bool, plain: bytes) -> bytes:
    nonce = PREFIX + struct.pack(">I", index) + bytes((last,))
    place = text("xdb/v1/slice") + FILE + number(index) + bytes((last,))
    return AESGCM(CONTENT_KEY).encrypt(nonce, plain, place)


def sealing_key() -> bytes:
    namespace_secret = hkdf(OWNER_SECRET, "xdb/v1/namespace-sealing", NAMESPACE)
    return hkdf(namespace_secret, "xdb/v1/file-sealing", FILE)


def seal(slot: int, piece: int, data: bytes) -> bytes:
    key = hkdf(sealing_key(), "xdb/v1/slot-sealing", number(slot))
    blocks = range(-(-len(data) // 16))
    stream = b"".join(ecb(key, number(piece) + number(block)) for block in blocks)
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def slices() -> Vectors:
    cases = [(0, True, b""), (0, False, sample("plain", 100)), (7, True, bytes(33))]
    return {
        "identity": OWNER_SECRET,
        "namespace": NAMESPACE,
        "file": FILE,
        "content_key": CONTENT_KEY,
        "prefix": PREFIX,
        "file_sealing_key": sealing_key(),
        "cases": [
            {
                "index": index,
                "last": last,
                "plain": plain,
                "cipher": encrypt(index, last, plain),
                "sealed": {slot: seal(slot, index, encrypt(index, last, plain)) for slot in (1, 2)},
            }
            for index, last, plain in cases
        ],
    }


# ---------------------------------------------------------------- coding


def times(a: int, b: int) -> int:
    """In GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    while b:
        product ^= a * (b & 1)
        a <<= 1
        a ^= 0x11D * (a >> 8)
        b >>= 1
    return product


def inverse(a: int) -> int:
    return next(b for b in range(1, 256) if times(a, b) == 1)


def code(required: int, total: int, data: bytes) -> list[bytes]:
    length = -(-len(data) // required)
    padded = data + bytes(required * length - len(data))
    found = [padded[at : at + length] for at in range(0, len(padded), length)]
    for row in range(required, total):
        piece = 0
        for column in range(required):
            factor = inverse(row ^ column)
            table = bytes(times(factor, byte) for byte in range(256))
            piece ^= int.from_bytes(found[column].translate(table), "big")
        found.append(piece.to_bytes(length, "big"))
    return found


def coding() -> Vectors:
    shapes, lengths = ((2, 3), (4, 6), (10, 14)), (16, 17, 39, 100)
    small = [
        {"required": k, "total": n, "data": data, "pieces": code(k, n, data)}
        for k, n in shapes
        for data in (sample("data", size) for size in lengths)
    ]
    large = [
        {
            "required": k,
            "total": n,
            "length": size,
            "digests": [sha256(piece).digest() for piece in code(k, n, sample("data", size))],
        }
        for k, n in shapes
        for size in (65535, 65536)
    ]
    return {"small": small, "large": large}


# ---------------------------------------------------------------- Merkle trees


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def tree(leaves: Sequence[bytes]) -> bytes:
    """Top down, over all leaves of a full tree: a missing leaf is zero."""
    size = 1
    while size < len(leaves):
        size *= 2
    full = [*leaves, *[bytes(32)] * (size - len(leaves))]

    def under(start: int, count: int) -> bytes:
        if count == 1:
            return full[start]
        half = count // 2
        return node(under(start, half), under(start + half, half))

    return under(0, size)


def replica(data: bytes, leaf_size: int) -> bytes:
    starts = range(0, max(len(data), 1), leaf_size)
    return tree([sha256(b"\0" + data[at : at + leaf_size]).digest() for at in starts])


def holding(replicas: Sequence[tuple[int, bytes]]) -> bytes:
    return tree([sha256(b"\2" + number(length) + root).digest() for length, root in replicas])


def merkle() -> Vectors:
    leaves = [sample(f"leaf {index}", 32) for index in range(70)]
    missing = [bytes(32)]
    for _ in range(8):
        missing.append(node(missing[-1], missing[-1]))
    lengths = (1, 63, 64, 65, 1000, 1024, 4096, 4097)
    replicas = [
        {
            "length": length,
            "leaf_size": leaf_size,
            "root": replica(sample("data", length), leaf_size),
        }
        for length in lengths
        for leaf_size in (64, 256, 1024)
    ]
    commitments = [(length, replica(sample("data", length), 64)) for length in lengths]
    return {
        "leaves": leaves,
        "missing": missing,
        "roots": [tree(leaves[:count]) for count in range(1, 71)],
        "replicas": replicas,
        "commitments": [{"length": length, "root": root} for length, root in commitments],
        "holding_root": holding(commitments),
    }


# ---------------------------------------------------------------- manifest


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return out + bytes((value,))


def field(tag: int, value: int | bytes) -> bytes:
    """A protobuf field; the default value is left out."""
    if isinstance(value, int):
        return varint(tag << 3) + varint(value) if value else b""
    return varint(tag << 3 | 2) + varint(len(value)) + value if value else b""


def private_part(plain: bytes) -> bytes:
    # a map entry always has both fields
    extra = b"".join(
        field(4, field(1, key) + (field(2, value) or b"\x12\0")) for key, value in EXTRA
    )
    message = (
        field(1, sha256(plain).digest())
        + field(2, len(plain))
        + field(3, b"text/plain")
        + extra
        + field(5, PREFIX)
    )
    nonce = hmac.digest(hkdf(CONTENT_KEY, "xdb/v1/manifest-nonce", FILE), message, "sha256")[:12]
    key = hkdf(CONTENT_KEY, "xdb/v1/manifest-private", FILE)
    return nonce + AESGCM(key).encrypt(nonce, message, FILE)


EXTRA = ((b"author", b"Ada"), (b"empty", b""), (b"year", b"1843"))


def whole_file(coding: int, required: int, total: int) -> Vectors:
    """A file of two slices, from plaintext to file root."""
    size, leaf_size = 65536, 1024
    plain = sample("plain", size - 16 + 1000)
    parts = [plain[: size - 16], plain[size - 16 :]]
    cut = [encrypt(index, index == 1, part) for index, part in enumerate(parts)]
    coded = [[data] * total if coding == 1 else code(required, total, data) for data in cut]
    slots = []
    for slot in range(1, total + 1):
        sealed = [seal(slot, index, pieces[slot - 1]) for index, pieces in enumerate(coded)]
        replicas = [(len(data), replica(data, leaf_size)) for data in sealed]
        slots.append((holding(replicas), b"".join(root for _, root in replicas)))
    kek = hkdf(OWNER_SECRET, "xdb/v1/key-encryption", FILE)
    data = (
        field(1, 1)
        + field(2, FILE)
        + field(3, field(1, coding) + field(2, required) + field(3, total))
        + field(4, size)
        + field(5, 1016)
        + field(6, leaf_size)
        + field(7, b"".join(sha256(part).digest() for part in cut))
        + b"".join(field(8, field(1, root) + field(2, roots)) for root, roots in slots)
        + field(9, private_part(plain))
        + field(10, wrap(kek, CONTENT_KEY))
    )
    digest = sha256(data).digest()
    root = tree([digest, *(root for root, _ in slots)])
    return {"required": required, "total": total, "manifest": data, "digest": digest, "root": root}


def manifest() -> Vectors:
    return {
        "identity": OWNER_SECRET,
        "namespace": NAMESPACE,
        "file": FILE,
        "content_key": CONTENT_KEY,
        "prefix": PREFIX,
        "copies": whole_file(1, 1, 3),
        "erasure": whole_file(2, 2, 3),
    }


# ---------------------------------------------------------------- output


def everything() -> dict[str, str]:
    """Contents by file name."""
    made = (keyring(), slices(), coding(), merkle(), manifest())
    names = ("keyring", "slices", "coding", "merkle", "manifest")
    return {
        f"{name}.json": json.dumps(vectors, default=bytes.hex, indent=1, ensure_ascii=False) + "\n"
        for name, vectors in zip(names, made, strict=True)
    }


if __name__ == "__main__":
    if "--write" in sys.argv:
        for name, content in everything().items():
            Path(__file__).with_name(name).write_text(content)
    else:
        json.dump(everything(), sys.stdout)
