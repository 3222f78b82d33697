"""`xdb-cli health` and `xdb-cli nodes health`."""

import os
import time

import pytest

from xdb.pb import owner_pb2
from xdb.testing.gateway_care import FINE

GREEN, YELLOW = owner_pb2.HEALTH_GREEN, owner_pb2.HEALTH_YELLOW
RED, LOST = owner_pb2.HEALTH_RED, owner_pb2.HEALTH_LOST
FILE = bytes(range(32))


@pytest.fixture
def care(owner):
    return owner.answers.care


def at(ago):
    return int(time.time()) - ago


def standing(colour, cause="slot 2: its node is gone", remedy="bring it back"):
    return owner_pb2.Standing(colour=colour, cause=cause, remedy=remedy)


def system(colour=RED, worst=2):
    ill = [
        owner_pb2.Ailing(
            kind=owner_pb2.HEALTH_KIND_FILE,
            id=FILE,
            name=f"ns/{number}",
            standing=standing(colour),
            since=at(7300),
        )
        for number in range(worst)
    ]
    return owner_pb2.SystemHealth(
        standing=standing(colour, "the counts", "look at the files"),
        as_of=at(30),
        files=owner_pb2.HealthCounts(green=5, red=3),
        nodes=owner_pb2.HealthCounts(green=4),
        worst_files=ill,
    )


def event(ago, name="ns/a", kind=owner_pb2.HEALTH_KIND_FILE, id_=FILE):
    return owner_pb2.HealthEvent(
        time=at(ago),
        kind=kind,
        id=id_,
        name=name,
        before=GREEN,
        after=YELLOW,
        cause="slot 1 is damaged",
        remedy="wait",
    )


def test_all_is_well(xdb):
    lines = xdb("health").out.splitlines()
    assert lines[0] == "all: green"
    assert [line.split() for line in lines[1:3]] == [["files", "none"], ["nodes", "4", "green"]]
    assert lines[3].split()[:2] == ["as", "of"]
    assert len(lines) == 4


def test_what_is_not_green_has_cause_and_remedy(xdb, care):
    care.replies["SystemHealth"] = system()
    out = xdb("health").out
    assert out.startswith("all: red\n")
    assert "files  5 green, 3 red" in out
    assert "  to do: look at the files\n" in out
    assert "files that are not green, 2 of 3\n" in out
    assert "  red  ns/0, for 2 h\n    slot 2: its node is gone\n    to do: bring it back\n" in out
    assert "nodes that are not green" not in out


def test_newest_changes_come_below(xdb, care):
    care.events = [event(10 * number, name=f"ns/{number}") for number in range(1, 8)]
    out = xdb("health").out
    assert out.count("->") == 5
    assert "    file ns/1: green -> yellow\n      slot 1 is damaged\n" in out
    assert xdb("health", "--limit", "2").out.count("->") == 2
    assert "newest changes" not in xdb("health", "--limit", "0").out


def test_events_alone(xdb, care):
    assert "no changes" in xdb("health", "--events").err
    system_event = event(50, kind=owner_pb2.HEALTH_KIND_SYSTEM, id_=b"", name="")
    care.events = [event(20), event(30, id_=bytes(32), name=""), system_event, event(90_000)]
    lines = xdb("health", "--events").out.splitlines()
    assert [line.strip() for line in lines[1::3]] == [
        "file ns/a: green -> yellow",
        "file 00000000: green -> yellow",
        "all: green -> yellow",
        "file ns/a: green -> yellow",
    ]
    assert xdb("health", "--events", "--since", "1h").out.count("->") == 3
    found = xdb("health", "--events", "--json", "--limit", "1").json["events"]
    assert [(each["kind"], each["after"]) for each in found] == [("file", "yellow")]


@pytest.mark.parametrize(("colour", "code"), [(GREEN, 0), (YELLOW, 0), (RED, 12), (LOST, 12)])
def test_only_check_makes_an_exit_code_of_a_colour(xdb, care, colour, code):
    care.replies["SystemHealth"] = system(colour)
    assert xdb.run("health").code == 0
    assert xdb.run("health", "--check").code == code
    assert xdb.run("health", "--check", "--json").json["standing"]["colour"]


def test_health_of_a_node(xdb, care):
    node = xdb("nodes", "list", "--json").json["nodes"][0]["node"]
    fine = xdb("nodes", "health", "127.0.0.1:7401").out
    assert fine == xdb("health", "--node", node[:8]).out
    assert fine.startswith(f"node {node}: green\n")
    assert "score       1.00" in fine
    assert "last probe  none yet" in fine
    care.replies["NodeHealth"] = owner_pb2.NodeHealth(
        node=bytes.fromhex(node),
        state=1,
        standing=standing(RED, remedy="look at its disk"),
        since=at(7300),
        as_of=at(0),
        score=599_999,
        probed=at(60),
        probe="nobody there",
        triggers=[owner_pb2.HealthTrigger(reason="silent", since=at(7300), sentence="it is quiet")],
    )
    out = xdb("nodes", "health", node[:8]).out
    assert "score       0.59" in out
    assert "last probe  no answer, 60 s ago" in out or "no answer, 61 s ago" in out
    assert "  probe: nobody there\n" in out
    assert "  silent, 2 h ago: it is quiet\n  to do: look at its disk\n" in out
    assert xdb.run("nodes", "health", node[:8], "--check").code == 12
    assert xdb.run("nodes", "health", "ffffffff").code == 3


def test_a_node_that_has_left_has_no_colour(xdb, care):
    node = xdb("nodes", "list", "--json").json["nodes"][0]["node"]
    care.replies["NodeHealth"] = owner_pb2.NodeHealth(node=bytes.fromhex(node), state=4)
    assert xdb("nodes", "health", node, "--check").out.startswith(f"node {node}: left\n")


def test_health_of_a_file(xdb, care, tmp_path):
    (tmp_path / "a").write_bytes(b"data")
    xdb("upload", tmp_path / "a", "ns/a")
    out = xdb("health", "--file", "ns/a").out
    assert out.startswith("ns/a: green\n")
    assert "good slots  3 of 3, 1 needed to read it" in out
    reply = care.answer("FileHealth", owner_pb2.FileRef(namespace="ns", name="a"))
    reply.standing.CopyFrom(standing(YELLOW))
    reply.slots[1].good = False
    reply.slots[1].triggers.add(reason="damaged", since=at(300), sentence="it is spoilt")
    care.replies["FileHealth"] = reply
    lines = xdb("health", "--file", "ns/a").out.splitlines()
    assert lines[0] == "ns/a: yellow"
    assert "  to do: bring it back" in lines
    assert lines[-4].split() == ["1", reply.slots[0].node.hex()[:8], "127.0.0.1:7401", "good"]
    assert lines[-3].endswith("damaged")
    assert lines[-2] == "      damaged, 5 min ago: it is spoilt"
    assert xdb.run("health", "--file", "ns/none").code == 3


def test_health_of_a_namespace(xdb, care):
    care.events = [event(5)]
    assert xdb("health", "--namespace", "ns").out.startswith("namespace ns: green\n")
    assert "->" not in xdb("health", "--namespace", "ns").out
    assert xdb.run("health", "--namespace", "none").code == 3


@pytest.mark.parametrize(
    "arguments", [["--node", "x", "--file", "y"], ["--events", "--check"], ["--since", "7"]]
)
def test_what_makes_no_sense(xdb, arguments):
    assert xdb.run("health", *arguments).code == 2


def test_what_others_say_does_not_drive_the_terminal(xdb, care):
    found = system()
    found.worst_files[0].name = found.worst_files[0].standing.cause = "\x1b[2J"
    care.replies["SystemHealth"] = found
    care.events = [event(5, name="\x1b[2J")]
    assert "\x1b" not in xdb("health").out


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_fit_the_terminal(served, care, at_terminal, monkeypatch, columns):
    found = system()
    long = "slot 2: node " + "ab" * 20 + " was not heard of for 3600 s and answered no probe; " * 3
    found.worst_files[0].standing.cause = long.strip()
    care.replies["SystemHealth"] = found
    monkeypatch.setenv("XDB_CONTEXT", str(served[1]))
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = at_terminal("health")
    assert terminal.end() == 0
    assert "\x1b[31mred\x1b[0m" in terminal.screen
    plain = terminal.screen.replace("\x1b[31m", "").replace("\x1b[0m", "").replace("\x1b[1m", "")
    lines = plain.replace("\x1b[2m", "").split(os.linesep)
    assert max(len(line.rstrip("\r")) for line in lines) <= columns
    assert FINE.cause not in plain
