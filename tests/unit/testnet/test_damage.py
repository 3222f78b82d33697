"""Damage: exactly what was asked for, and nothing beside it."""

import pytest

from xdb.core.merkle import replica_root
from xdb.errors import ConfigError, NotFoundError
from xdb.store.formats import (
    REPLICA_BODY,
    ReplicaHeader,
    path_of,
    prologue,
    read_prologue,
    replica_header,
)
from xdb.store.lock import DirectoryLock
from xdb.testing.box import LEAF, key, ref, sealed
from xdb.testing.entropy import SeededEntropy
from xdb.testnet import damage

SLOTS = [(ref(name), piece) for name in ("one", "two") for piece in range(3)]


def keep(data, slot, piece, content):
    header = replica_header(slot, piece, len(content), replica_root(content, LEAF), LEAF)
    path = data / "store" / path_of(header)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(prologue(header) + content)
    return path


@pytest.fixture
def data(tmp_path):
    """A data directory with two files of three replicas each."""
    for slot, piece in SLOTS:
        keep(tmp_path / "data", slot, piece, sealed(f"{slot.file} {piece}"))
    return tmp_path / "data"


def contents(data):
    return {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}


def changes(before, data):
    """For every file that changed: its replica, where, and which bits."""
    found = {}
    for path, new in contents(data).items():
        old = before[path]
        assert len(new) == len(old)
        differ = [(at, old[at] ^ new[at]) for at in range(len(old)) if old[at] != new[at]]
        if differ:
            found[read_prologue(ReplicaHeader, old[:REPLICA_BODY], "it").key] = differ
    return found


@pytest.mark.parametrize("seed", range(8))
def test_one_bit_of_the_body_of_as_many_replicas_as_asked_for(data, seed):
    before = contents(data)
    hit = damage.corrupt(data, SeededEntropy(seed), count=4)
    found = changes(before, data)
    assert set(hit) == set(found)
    assert len(hit) == 4
    for ((at, mask),) in found.values():
        assert at >= REPLICA_BODY
        assert mask.bit_count() == 1


def test_the_draw_decides_which(data):
    assert len({damage.corrupt(data, SeededEntropy(seed))[0] for seed in range(40)}) > 3


def test_only_of_one_file(data):
    wanted = ref("two")
    hit = damage.corrupt(data, SeededEntropy(), wanted.file, 3)
    assert set(hit) == {key(wanted, piece) for piece in range(3)}


def test_the_header_when_asked_for(data):
    before = contents(data)
    damage.corrupt(data, SeededEntropy(), count=6, header=True)
    for ((at, mask),) in changes(before, data).values():
        assert at < REPLICA_BODY
        assert mask.bit_count() == 1
    with pytest.raises(NotFoundError, match="holds 0 replicas"):  # they are nobody's now
        damage.corrupt(data, SeededEntropy())


def test_fewer_than_asked_for_is_refused_before_anything_is_damaged(data):
    before = contents(data)
    with pytest.raises(NotFoundError, match="holds 6 replicas that can be damaged, not 7"):
        damage.corrupt(data, SeededEntropy(), count=7)
    other = ref("other").file
    with pytest.raises(NotFoundError, match=f"0 replicas of file {other.hex()}"):
        damage.corrupt(data, SeededEntropy(), other)
    assert contents(data) == before


def test_nothing_stored_yet(tmp_path):
    with pytest.raises(NotFoundError, match="holds 0 replicas"):
        damage.corrupt(tmp_path, SeededEntropy())


class Vanishing:
    """Draws, and removes a file before the first of them counts."""

    def __init__(self, path):
        self.path = path
        self.inner = SeededEntropy()

    def draw(self, count):
        self.path.unlink(missing_ok=True)
        return self.inner.draw(count)


def test_what_is_removed_meanwhile_is_passed_over(data):
    gone = keep(data, ref("three"), 0, sealed("three"))
    hit = damage.corrupt(data, Vanishing(gone), count=7)
    assert set(hit) == {key(slot, piece) for slot, piece in SLOTS}
    assert not gone.exists()


def test_a_replica_of_no_bytes_has_none_to_flip(tmp_path):
    keep(tmp_path, ref(), 0, b"")
    with pytest.raises(NotFoundError, match="holds 0 replicas"):
        damage.corrupt(tmp_path, SeededEntropy())


def test_wipe_keeps_the_certificate_only(data, tmp_path):
    (data / "certificate.pem").write_text("certificate")
    (data / "node.toml").write_text("format = 1\n")
    (data / "catalog").mkdir()
    (data / "catalog" / "000001.log").write_bytes(b"entries")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (data / "link").symlink_to(outside)
    damage.wipe(data)
    assert {path.name for path in data.iterdir()} == {"certificate.pem", "LOCK"}
    assert (data / "certificate.pem").read_text() == "certificate"
    assert (outside / "precious").exists()
    damage.wipe(data)


def test_wipe_of_what_is_in_use(data):
    before = contents(data / "store")
    lock = DirectoryLock(data)
    with pytest.raises(ConfigError, match="in use by another process"):
        damage.wipe(data)
    lock.release()
    assert contents(data / "store") == before
