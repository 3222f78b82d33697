"""`xdb-cli audits list` and `show`, `nodes history`, `migrations list`."""

import time

import pytest

from xdb.pb import owner_pb2

FILE, SEED = bytes(range(32)), bytes(range(32, 64))
PROVED, FAILED = owner_pb2.VERDICT_PROVED, owner_pb2.VERDICT_FAILED
MISSED = owner_pb2.VERDICT_MISSED
DAY = 86400


@pytest.fixture
def history(owner):
    return owner.answers.history


@pytest.fixture
def nodes(owner):
    return [node.address for node in owner.world.nodes]


def audit(epoch, node, verdict=PROVED, **values):
    now = int(time.time())
    start = now - (100 - epoch) * 3600
    return owner_pb2.AuditInfo(
        id=f"{epoch}-{node.hex()}",
        epoch=epoch,
        starts=start,
        ends=start + 3600,
        node=node,
        address="127.0.0.1:7401",
        verdict=verdict,
        **{"time": start + 60, **values},
    )


def test_audits_are_a_table(xdb, history, nodes):
    lost = [owner_pb2.LostHolding(file=FILE, slot=2, name="ns/a")]
    history.audits = [
        audit(99, nodes[0], open=True),
        audit(98, nodes[1], FAILED, lost=lost),
        audit(97, nodes[1], MISSED),
    ]
    lines = [line.split() for line in xdb("audits", "list").out.splitlines()]
    assert lines[0] == ["EPOCH", "NODE", "ADDRESS", "VERDICT", "WHEN", "LOST"]
    first, second, third = lines[1:]
    assert first[:5] == ["99", nodes[0].hex()[:8], "127.0.0.1:7401", "proved,", "so"]
    assert second[3] == "failed"
    assert second[-1] == "1"
    assert third[3] == "missed"
    document = xdb("audits", "list", "--json").json
    assert [each["verdict"] for each in document["audits"]] == ["proved", "failed", "missed"]
    assert document["audits"][1]["lost"] == [{"file": FILE.hex(), "slot": 2, "name": "ns/a"}]
    assert document["next"] is None


def test_audits_by_node_verdict_and_time(xdb, history, nodes):
    history.audits = [audit(99, nodes[0]), audit(98, nodes[1], MISSED), audit(50, nodes[0])]

    def epochs(*options):
        found = xdb("audits", "list", *options, "--json").json["audits"]
        return [each["epoch"] for each in found]

    assert epochs() == [99, 98, 50]
    assert epochs("--node", nodes[0].hex()[:8]) == [99, 50]
    assert epochs("--verdict", "missed") == [98]
    assert epochs("--since", "1d") == [99, 98]
    assert epochs("--until", "1d") == [50]
    assert not history.asked[-1].all
    for option in ("--all", "--everybody"):
        epochs(option, "--file", "ns/a")
        assert history.asked[-1].all
        assert (history.asked[-1].file.namespace, history.asked[-1].file.name) == ("ns", "a")
    assert xdb.run("audits", "list", "--verdict", "good").code == 2
    assert xdb.run("audits", "list", "--file", "nonsense").code == 2
    assert xdb.run("audits", "list", "--node", "ffffffff").code == 3


def test_a_long_list_goes_on_where_it_ended(xdb, history, nodes):
    history.audits = [audit(99 - number, nodes[0]) for number in range(5)]
    history.scanned = 1
    done = xdb("audits", "list", "--limit", "3")
    assert len(done.out.splitlines()) == 4
    cursor = done.err.split("--after ")[1].split()[0]
    rest = xdb("audits", "list", "--after", cursor)
    assert [line.split()[0] for line in rest.out.splitlines()[1:]] == ["96", "95"]
    assert "there are more" not in rest.err
    assert xdb.run("audits", "list", "--after", "nonsense").code == 2
    assert xdb.run("audits", "list", "--limit", "1001").code == 2


def test_pages_without_anything_are_passed_over(xdb, history, nodes):
    history.audits = [*(audit(90, nodes[0]) for _ in range(7)), audit(12, nodes[1], MISSED)]
    history.scanned = 2
    (found,) = xdb("audits", "list", "--verdict", "missed", "--json").json["audits"]
    assert found["epoch"] == 12


def test_audits_are_counted_part_by_part(xdb, history, nodes):
    history.audits = [audit(9, nodes[0]), audit(8, nodes[0], MISSED), audit(7, nodes[0])]
    history.scanned = 2
    counts = xdb("audits", "list", "--count", "--json").json
    assert counts == {"proved": 2, "failed": 0, "missed": 1, "void": 0}
    lines = xdb("audits", "list", "--count").out.splitlines()
    assert [line.split() for line in lines] == [
        ["proved", "2"], ["failed", "0"], ["missed", "1"], ["void", "0"],
    ]  # fmt: skip


def test_no_audits(xdb, history):
    history.epoch_length = 7200
    done = xdb("audits", "list")
    assert done.out == ""
    assert "no audits yet" in done.err
    assert "epochs of this network take 2 h" in done.err
    assert xdb("audits", "list", "--verdict", "missed").err == "no such audits\n"


def test_one_audit(xdb, history, nodes):
    lost = [
        owner_pb2.LostHolding(file=FILE, slot=2, name="ns/a"),
        owner_pb2.LostHolding(file=SEED, slot=1),
    ]
    history.audits = [audit(98, nodes[0], FAILED, lost=lost)]
    out = xdb("audits", "show", f"98-{nodes[0].hex()}").out
    assert out.startswith(f"audit 98-{nodes[0].hex()}\n")
    assert f"slot 2 of ns/a, slot 1 of {SEED.hex()}" in out
    assert "seed" not in out
    assert "still asks" not in out
    assert xdb.run("audits", "show", "nonsense").code == 2
    assert xdb.run("audits", "show", f"97-{nodes[0].hex()}").code == 3


def test_an_audit_that_is_open(xdb, history, nodes):
    none = owner_pb2.VERDICT_UNSPECIFIED
    history.audits = [audit(99, nodes[0], none, open=True, seed=SEED, time=0)]
    out = xdb("audits", "show", history.audits[0].id).out
    fields = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert (fields["verdict"], fields["answered"]) == (["open"], ["no"])
    assert fields["seed"] == [SEED.hex()]
    document = xdb("audits", "show", history.audits[0].id, "--json").json
    assert (document["verdict"], document["open"], document["time"]) == (None, True, None)


def day(ago, heartbeats, expected=23, **verdicts):
    start = (int(time.time()) // DAY - ago) * DAY
    return owner_pb2.NodeDay(
        start=start, heartbeats=heartbeats, expected=expected, possible=expected + 1, **verdicts
    )


def test_days_of_a_node(xdb, history, nodes):
    history.days = [day(0, 5, 10, proved=3), day(1, 24, proved=20, missed=4), day(2, 0)]
    out = xdb("nodes", "history", "127.0.0.1:7401").out.splitlines()
    assert out[0].split() == [
        "DAY", "(UTC)", "HEARTBEATS", "EXPECTED", "SHARE", "PROVED", "FAILED", "MISSED", "VOID",
    ]  # fmt: skip
    assert out[1].split()[1:] == ["5", "10", "50%", "3", "0", "0", "0"]
    assert out[2].split()[1:] == ["24", "23", "100%", "20", "0", "4", "0"]
    assert out[3].split()[1:4] == ["0", "23", "0%"]
    assert out[4].split()[:3] == ["total", "29", "56"]
    assert "59 heartbeats" in out[5]
    assert len(xdb("nodes", "history", nodes[0].hex(), "--days", "1").out.splitlines()) == 3
    assert history.asked[-1].days == 1
    document = xdb("nodes", "history", nodes[0].hex(), "--json").json
    assert [each["possible"] for each in document["days"]] == [11, 24, 24]
    assert xdb.run("nodes", "history", "ffffffff").code == 3
    assert xdb.run("nodes", "history", nodes[0].hex(), "--days", "0").code == 2


def test_a_day_that_does_not_count_yet(xdb, history, nodes):
    assert "has not seen" in xdb("nodes", "history", nodes[0].hex()).err
    history.days = [owner_pb2.NodeDay(start=0)]
    assert xdb("nodes", "history", nodes[0].hex()).out.splitlines()[1].split()[3] == "-"


def test_migrations_are_a_table(xdb, history, nodes):
    now = int(time.time())
    history.migrations = [
        owner_pb2.MigrationInfo(time=now - 60, file=FILE, name="ns/a", slot=2,
                                source=nodes[0], target=nodes[1], size=2048, version=3),
        owner_pb2.MigrationInfo(time=now - 70, file=FILE, slot=4, target=nodes[2], size=10),
        owner_pb2.MigrationInfo(time=now - 2 * DAY, file=FILE, slot=4, source=nodes[2], size=10),
    ]  # fmt: skip
    lines = [line.split() for line in xdb("migrations", "list").out.splitlines()]
    assert lines[0] == ["WHEN", "FILE", "SLOT", "FROM", "TO", "SIZE"]
    one, two, three = (node.hex()[:8] for node in nodes[:3])
    assert lines[1][-6:] == ["ns/a", "2", one, two, "2.0", "KiB"]
    assert lines[2][-6:] == [FILE.hex()[:8], "4", "added", three, "10", "B"]
    assert lines[3][-4:] == [three, "dropped", "10", "B"]
    found = xdb("migrations", "list", "--node", two, "--since", "1d", "--json").json
    assert [(each["slot"], each["source"]) for each in found["migrations"]] == [(2, nodes[0].hex())]
    assert found["next"] is None
    assert xdb("migrations", "list", "--until", "1d").out.count("dropped") == 1


def test_a_long_list_of_migrations_goes_on(xdb, history):
    history.migrations = [owner_pb2.MigrationInfo(file=FILE, slot=n, time=9) for n in range(1, 5)]
    history.scanned = 1
    done = xdb("migrations", "list", "--limit", "3")
    assert len(done.out.splitlines()) == 4
    rest = xdb("migrations", "list", "--after", done.err.split("--after ")[1].split()[0])
    assert len(rest.out.splitlines()) == 2


def test_no_migrations(xdb):
    assert "no slot has moved" in xdb("migrations", "list").err
    assert "no slot of those has moved" in xdb("migrations", "list", "--since", "1d").err


def test_what_others_wrote_does_not_drive_the_terminal(xdb, history, nodes):
    evil = "\x1b[2J\x07"
    lost = [owner_pb2.LostHolding(file=FILE, slot=1, name=evil)]
    history.audits = [audit(9, nodes[0], FAILED, lost=lost)]
    history.audits[0].address = evil
    history.migrations = [owner_pb2.MigrationInfo(file=FILE, name=evil, slot=1, time=9)]
    for arguments in (
        ["audits", "list"], ["audits", "show", history.audits[0].id], ["migrations", "list"],
    ):  # fmt: skip
        out = xdb(*arguments).out
        assert not any(character in out for character in "\x1b\x07")
        assert "[2J" in out
