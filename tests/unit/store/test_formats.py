"""The files as docs/storage.md has them."""

from hashlib import sha256

import pytest

from xdb.errors import CorruptFileError
from xdb.model.ids import Digest
from xdb.store.formats import (
    MANIFEST_BODY,
    REPLICA_BODY,
    ManifestHeader,
    ReplicaHeader,
    manifest_header,
    path_of,
    prologue,
    read_prologue,
    replica_header,
    staging_path,
)
from xdb.testing.box import ref

ROOT = Digest(bytes(range(32)))
REPLICA = replica_header(ref("file", 3), 258, 1000, ROOT, 1024)
MANIFEST = manifest_header(ref("file", 3), 1000, ROOT)


def eight(number):
    return number.to_bytes(8, "big")


def test_a_replica_file_byte_by_byte():
    fields = eight(1) + ref().file + eight(3) + b"a" * 20 + b"n" * 16
    fields += eight(258) + eight(1000) + ROOT + eight(1024)
    head = b"xdbrepl\n" + fields
    assert prologue(REPLICA) == head + sha256(head).digest()
    assert len(prologue(REPLICA)) == REPLICA_BODY == 180
    name = sha256(fields).hexdigest()
    assert path_of(REPLICA) == f"replicas/{name[:2]}/{name}"
    assert staging_path(REPLICA) == f"staging/{name}"
    assert name == "e911ceee50bfdd0e8550d27c5b5769fd68f4ceedd371534e4b9210c6e94f47fe"


def test_a_manifest_file_byte_by_byte():
    fields = eight(1) + ref().file + eight(3) + b"a" * 20 + b"n" * 16 + eight(1000) + ROOT
    head = b"xdbmani\n" + fields
    assert prologue(MANIFEST) == head + sha256(head).digest()
    assert len(prologue(MANIFEST)) == MANIFEST_BODY == 164
    name = sha256(fields).hexdigest()
    assert path_of(MANIFEST) == f"manifests/{name[:2]}/{name}"


@pytest.mark.parametrize(("kind", "header"), [(ReplicaHeader, REPLICA), (ManifestHeader, MANIFEST)])
def test_headers_are_read_back_and_any_flipped_bit_is_found(kind, header):
    data = prologue(header)
    assert read_prologue(kind, data, "f") == header
    for at in range(len(data)):
        bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(CorruptFileError, match="f: the header is damaged"):
            read_prologue(kind, bad, "f")
    for end in range(0, len(data), 7):
        with pytest.raises(CorruptFileError):
            read_prologue(kind, data[:end], "f")


def test_one_kind_is_not_taken_for_the_other():
    with pytest.raises(CorruptFileError):
        read_prologue(ManifestHeader, prologue(REPLICA), "f")
