"""`xdb-cli migrations` and `xdb-cli audits`."""

import pytest

from xdb.pb import owner_pb2

FILE, NODE = bytes(range(32)), bytes(range(20))


@pytest.fixture
def care(owner):
    return owner.answers.care


def test_a_plan(xdb, care):
    done = xdb("migrations", "plan")
    assert (done.out, done.err) == ("", "nothing to repair\n")
    care.replies["Plan"] = owner_pb2.PlanReply(
        steps=[
            owner_pb2.PlannedStep(
                action="move", file=FILE, slot=1, source=NODE, target=NODE, size=9, sentence="move"
            ),
            owner_pb2.PlannedStep(
                action="extend", file=FILE, slot=4, target=NODE, sentence="add it"
            ),
        ],
        deferred=[owner_pb2.DeferredSlot(file=FILE, slot=2, hold="grace", sentence="leave it")],
        waiting=1200,
    )
    assert xdb("migrations", "plan").out.splitlines() == [
        "2 steps, in this order",
        "  1. move",
        "  2. add it",
        "1,200 slots waiting, the first 1",
        "  - leave it",
    ]
    found = xdb("migrations", "plan", "--json").json
    assert [step["action"] for step in found["steps"]] == ["move", "extend"]
    assert found["steps"][1]["source"] is None
    assert found["deferred"][0]["hold"] == "grace"


def test_a_cycle_of_repair(xdb, care):
    assert "nothing to repair" in xdb("migrations", "run").err
    care.replies["RunMigration"] = owner_pb2.MigrationReport(restored=1, moved=2)
    lines = xdb("migrations", "run").out.splitlines()
    assert [line.split() for line in lines] == [["restored", "1", "slot"], ["moved", "2", "slots"]]
    care.replies["RunMigration"] = owner_pb2.MigrationReport(moved=1, problems=["nobody there"])
    done = xdb.run("migrations", "run")
    assert (done.code, "nobody there" in done.err) == (11, True)


def test_probes(xdb, care):
    node = xdb("nodes", "list", "--json").json["nodes"][0]["node"]
    lines = xdb("audits", "run").out.splitlines()
    assert len(lines) == 5
    assert lines[1].split() == [node[:8], "yes", "4", "0", "0"]
    assert xdb("audits", "run", "--node", "127.0.0.1:7401").out.count("yes") == 1
    assert care.audited == [b"", bytes.fromhex(node)]
    care.replies["RunAudit"] = owner_pb2.AuditReport(
        findings=[
            owner_pb2.AuditFinding(
                node=NODE,
                answered=True,
                text="wrong bytes",
                wrong=1,
                damaged=[owner_pb2.DamagedSlot(file=FILE, slot=3)],
            )
        ],
        note="cut off",
        problems=["node 12 is not registered"],
    )
    done = xdb.run("audits", "run")
    assert done.code == 11
    assert done.out.splitlines()[1].split() == [NODE.hex()[:8], "yes", "0", "1", "1"]
    assert done.out.splitlines()[2:] == ["    wrong bytes", f"    slot 3 of file {FILE.hex()}"]
    assert "cut off" in done.err
    assert "not registered" in done.err
    assert xdb.run("audits", "run", "--json").json["findings"][0]["damaged"][0]["slot"] == 3
