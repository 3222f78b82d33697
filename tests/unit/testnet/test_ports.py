import socket

import pytest

from xdb.errors import ConfigError
from xdb.testing.entropy import SeededEntropy
from xdb.testnet import ports
from xdb.testnet.ports import free_ports


def test_ports_differ_and_are_not_those_of_outgoing_connections():
    found = free_ports(20, SeededEntropy())
    first_ephemeral = int(ports.EPHEMERAL.read_text().split()[0])
    assert len(set(found)) == 20
    assert all(ports.LOWEST <= port < first_ephemeral for port in found)


def test_port_that_is_taken_is_passed_over():
    (port,) = free_ports(1, SeededEntropy())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        assert free_ports(1, SeededEntropy()) != [port]


def test_nothing_free(monkeypatch):
    monkeypatch.setattr(ports, "_is_free", lambda _: False)
    with pytest.raises(ConfigError, match="stop some servers"):
        free_ports(1, SeededEntropy())
