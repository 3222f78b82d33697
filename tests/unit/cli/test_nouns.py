"""Namespaces, nodes, the chain."""

import pytest


def test_ns_create(xdb):
    done = xdb("ns", "create", "docs", "--copies", "2", "--description", "words")
    assert done.out == "namespace docs made: 2 copies, any 1 of 2 nodes restores a file\n"
    done = xdb("ns", "create", "big", "--erasure", "2+1", "--json")
    assert done.json["redundancy"] == {"coding": "erasure", "required": 2, "total": 3}
    assert list(done.json) == [
        "namespace", "name", "description", "redundancy", "created", "files", "expired", "size",
        "colours",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ns"], 4, "exists"),
        (["a/b"], 2, "must not contain '/'"),
        ([".."], 2, "must not"),
        (["x", "--copies", "9"], 8, "9 nodes are needed, 4 are usable"),
        (["x", "--copies", "0"], 2, "is not in the range"),
        (["x", "--erasure", "4"], 2, "write K+M"),
        (["x", "--erasure", "2+1", "--copies", "2"], 2, "two policies"),
    ],
)
def test_namespaces_that_are_not_made(xdb, arguments, code, message):
    done = xdb.run("ns", "create", *arguments)
    assert done.code == code
    assert message in done.err


def test_ns_update_info_list(xdb):
    xdb("ns", "update", "ns", "--copies", "4", "--description", "new words")
    out = xdb("ns", "info", "ns").out
    assert "4 copies, any 1 of 4 nodes restores a file" in out
    assert "new words" in out
    assert xdb.run("ns", "update", "ns").code == 2
    assert xdb.run("ns", "info", "other").code == 3
    lines = xdb("ns", "list").out.splitlines()
    assert lines[0].split() == ["NAME", "POLICY", "FILES", "SIZE", "EXPIRED", "MADE"]
    assert lines[1].split() == ["ns", "4", "copies", "0", "0", "B", "0", "now"]
    assert [each["name"] for each in xdb("ns", "list", "--json").json["namespaces"]] == ["ns"]


def test_nodes_list(xdb):
    lines = xdb("nodes", "list").out.splitlines()
    assert lines[0].split() == [
        "NODE", "ADDRESS", "OPERATOR", "STATE", "HEALTH", "STORED", "CAPACITY", "SILENT",
    ]  # fmt: skip
    assert len(lines) == 5
    found = xdb("nodes", "list", "--json").json["nodes"]
    assert lines[1].startswith(f"{found[0]['node'][:8]}  127.0.0.1:7401  operator 1  online")
    assert list(found[0]) == [
        "node", "signer", "address", "operator", "zone", "state", "capacity", "registered",
        "last_heartbeat", "holdings", "stored", "health", "reachable", "problem", "free",
    ]  # fmt: skip
    assert found[0]["reachable"] is None


def test_nodes_info(xdb):
    node = xdb("nodes", "list", "--json").json["nodes"][0]["node"]
    for name in (node, node[:8], node.upper(), "127.0.0.1:7401"):
        assert node in xdb("nodes", "info", name).out
    assert xdb("nodes", "info", node, "--json").json["free"] == 8 << 30
    for name in ("ffffffff", "x", node[:2]):
        assert xdb.run("nodes", "info", name).code == 3


def test_what_others_wrote_does_not_drive_the_terminal(xdb, owner):
    node = owner.answers._node

    def evil(key):
        info = node(key)
        info.operator = "\x1b[2J\x1b]0;evil\x07\u202eabc"
        return info

    owner.answers._node = evil
    for arguments in (["list"], ["info", "127.0.0.1:7401"]):
        out = xdb("nodes", *arguments).out
        assert not any(character in out for character in "\x1b\x07\u202e")
        assert "abc" in out


def test_chain_status(xdb):
    found = xdb("chain", "status", "--json").json
    assert list(found) == [
        "owner", "deployment", "height", "chain_time", "version", "retention", "slice_size",
        "open_uploads",
    ]  # fmt: skip
    assert list(found["deployment"]) == ["chain", "contract"]
    out = xdb("chain", "status").out
    assert found["deployment"]["chain"] in out
    assert "1,234" in out


def test_version(shell):
    assert shell("version").out.startswith("xdb-cli 0.")
    assert list(shell("version", "--json").json) == ["xdb", "python"]
    assert shell("--version").out.startswith("xdb-cli 0.")
