"""Networks of real processes. Each is torn down, whatever a test does."""

import pytest

from xdb.testnet import network
from xdb.testnet.create import Options, create
from xdb.testnet.layout import Layout, read_plan, read_process


def pytest_collection_modifyitems(items):
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


class Net:
    """A testnet, and what tests want to know of it."""

    def __init__(self, directory):
        self.directory = directory
        self.layout = Layout(directory)

    def start(self):
        return {process.name: process for process in network.start(self.directory)}

    def status(self):
        return {process.name: process for process in network.status(self.directory)}

    def kill(self, name):
        network.kill(self.directory, name)

    def restart(self, name):
        network.restart(self.directory, name)

    def stop(self):
        network.stop(self.directory)

    def log(self, name):
        return self.layout.log(name).read_text()

    def left(self):
        """Processes that still run, workers included."""
        found = []
        for member in read_plan(self.layout):
            started = read_process(self.layout, member.name)
            if started is not None:
                found += started.members()
        return found


def made(directory, **options):
    create(directory, Options(slice_size="64 KiB", capacity="1 GiB", **options))
    return Net(directory)


@pytest.fixture
def net(tmp_path):
    """A small network of its own for one test, not started."""
    net = made(tmp_path / "net", nodes=2)
    yield net
    network.destroy(net.directory)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A running network that the tests of a module share and leave whole."""
    net = made(tmp_path_factory.mktemp("e2e") / "net", nodes=4)
    try:
        net.start()
        yield net
    finally:
        network.destroy(net.directory)


@pytest.fixture
def make_net(tmp_path):
    """Makes a network of its own for one test, not started, with options of the test's choice."""
    nets = []

    def make(**options):
        nets.append(made(tmp_path / f"net-{len(nets)}", **options))
        return nets[-1]

    yield make
    for net in nets:
        network.destroy(net.directory)
