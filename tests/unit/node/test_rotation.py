import re
import stat

import pytest

from xdb.errors import ConfigError, CorruptFileError, NotFoundError
from xdb.model.calls import UpdateNode
from xdb.model.registry import Endpoint
from xdb.node.machine import CERTIFICATE, NEXT_CERTIFICATE
from xdb.node.main import FAILED, MISCONFIGURED, main
from xdb.node.rotation import Preparation, announce, put_in_place
from xdb.peer.certificates import make_certificate, read_certificate, write_certificate
from xdb.store.lock import DirectoryLock
from xdb.testing.desk import WorldDesk
from xdb.testing.keys import NamedKey
from xdb.testing.registry import World
from xdb.testnet.create import Options, create
from xdb.testnet.layout import Layout


@pytest.fixture
def desk():
    world = World(nodes=1)
    return WorldDesk(world, world.nodes[0])


@pytest.fixture
def present(desk, tmp_path):
    """The certificate in the data directory, as recorded."""
    made = make_certificate()
    write_certificate(tmp_path / CERTIFICATE, made)
    record(desk, made)
    return made


def record(desk, certificate, following=None):
    address = desk.record.endpoint.address
    after = None if following is None else following.fingerprint
    endpoint = Endpoint(address, certificate.fingerprint, after)
    desk.world.call(desk.key, UpdateNode(endpoint=endpoint))
    return endpoint


async def announced(desk, data):
    return await announce(desk, desk.key.node, data)


async def test_the_next_certificate_is_made_and_announced(desk, present, tmp_path):
    address = desk.record.endpoint.address
    done = await announced(desk, tmp_path)
    path = tmp_path / NEXT_CERTIFICATE
    made = read_certificate(path)
    assert done == Preparation(path, made.fingerprint, sent=True)
    assert desk.record.endpoint == Endpoint(address, present.fingerprint, made.fingerprint)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_certificate(tmp_path / CERTIFICATE) == present


async def test_announcing_again_changes_nothing(desk, present, tmp_path):
    done = await announced(desk, tmp_path)
    height = desk.world.chain.head.height
    assert await announced(desk, tmp_path) == Preparation(done.path, done.certificate, sent=False)
    assert desk.world.chain.head.height == height
    assert desk.record.endpoint.certificate == present.fingerprint


async def test_one_made_but_not_announced_is_announced(desk, present, tmp_path):
    made = make_certificate()
    write_certificate(tmp_path / NEXT_CERTIFICATE, made)
    done = await announced(desk, tmp_path)
    assert (done.certificate, done.sent) == (made.fingerprint, True)
    assert desk.record.endpoint.next_certificate == made.fingerprint
    assert desk.record.endpoint.certificate == present.fingerprint


async def test_another_after_a_switch_that_no_start_recorded(desk, present, tmp_path):
    record(desk, make_certificate(), present)
    done = await announced(desk, tmp_path)
    assert desk.record.endpoint.certificate == present.fingerprint
    assert desk.record.endpoint.next_certificate == done.certificate


async def test_a_directory_that_is_not_the_nodes(desk, tmp_path):
    write_certificate(tmp_path / CERTIFICATE, make_certificate())
    before = desk.record
    with pytest.raises(ConfigError, match="name its own data directory"):
        await announced(desk, tmp_path)
    assert not (tmp_path / NEXT_CERTIFICATE).exists()
    assert desk.record == before


async def test_a_node_that_never_started(desk, tmp_path):
    with pytest.raises(ConfigError, match="start the node once"):
        await announced(desk, tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_node_that_never_registered(desk, present, tmp_path):
    with pytest.raises(NotFoundError, match="start it once"):
        await announce(desk, NamedKey("nobody").node, tmp_path)
    assert read_certificate(tmp_path / CERTIFICATE) == present
    assert not (tmp_path / NEXT_CERTIFICATE).exists()


async def test_what_is_announced_takes_its_place(desk, present, tmp_path):
    done = await announced(desk, tmp_path)
    made = read_certificate(done.path)
    assert made != present
    assert put_in_place(desk.record, tmp_path) == made.fingerprint
    assert read_certificate(tmp_path / CERTIFICATE) == made
    assert not done.path.exists()


async def test_what_is_not_announced_does_not(desk, present, tmp_path):
    path = tmp_path / NEXT_CERTIFICATE
    write_certificate(path, make_certificate())
    with pytest.raises(ConfigError, match="callers would refuse it: xdb-node certificate"):
        put_in_place(desk.record, tmp_path)
    assert read_certificate(tmp_path / CERTIFICATE) == present
    assert path.exists()


async def test_a_damaged_one_does_not(desk, present, tmp_path):
    path = (await announced(desk, tmp_path)).path
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CorruptFileError, match=re.escape(str(path))):
        put_in_place(desk.record, tmp_path)
    assert read_certificate(tmp_path / CERTIFICATE) == present


@pytest.fixture
def home(tmp_path):
    """A node that no chain server answers."""
    create(tmp_path / "net", Options(nodes=1, kv="sqlite"))
    return Layout(tmp_path / "net").directory / "node-1"


@pytest.fixture
def certificate(home, capsys):
    """Runs xdb-node certificate; gives its exit code and what it said."""

    def run(*steps):
        with pytest.raises(SystemExit) as caught:
            main(["certificate", *steps, "--config", str(home / "storage.toml")])
        said = capsys.readouterr()
        return caught.value.code, said.out + said.err

    return run


def test_one_step_at_a_time(certificate):
    assert certificate()[0] == MISCONFIGURED
    assert certificate("--prepare", "--switch")[0] == MISCONFIGURED


def test_preparing_without_a_chain_makes_nothing(certificate, home):
    write_certificate(home / "data" / CERTIFICATE, make_certificate())
    code, said = certificate("--prepare")
    assert (code, "no chain server answers" in said) == (FAILED, True)
    assert not (home / "data" / NEXT_CERTIFICATE).exists()


def test_switching_unprepared_touches_nothing(certificate, home):
    before = sorted((home / "data").iterdir())
    code, said = certificate("--switch")
    assert code == MISCONFIGURED
    assert "no next certificate is prepared: make and announce one" in said
    assert sorted((home / "data").iterdir()) == before


def test_switching_a_node_that_runs(certificate, home):
    write_certificate(home / "data" / NEXT_CERTIFICATE, make_certificate())
    lock = DirectoryLock(home / "data")
    code, said = certificate("--switch")
    lock.release()
    assert code == MISCONFIGURED
    assert "in use by another process" in said
    assert (home / "data" / NEXT_CERTIFICATE).exists()


def test_switching_without_a_chain_changes_nothing(certificate, home):
    path = home / "data" / NEXT_CERTIFICATE
    write_certificate(path, make_certificate())
    code, said = certificate("--switch")
    assert (code, "no chain server answers" in said) == (FAILED, True)
    assert path.exists()
