"""`xdb-cli nodes tasks`."""

import time

import pytest

from xdb.core.wire import to_message
from xdb.model.tasks import TaskList
from xdb.pb import tasks_pb2
from xdb.testing.tasks import task


@pytest.fixture
def tell(owner):
    def into(whose, *tasks, problems=()):
        reply = to_message(TaskList(tasks, tuple(problems)), tasks_pb2.TasksReply)
        owner.answers.tasks[whose] = reply

    return into


def at(ago):
    return int(time.time()) - ago


def test_tasks_of_the_owner_node(xdb, tell):
    tell(
        "owner",
        task("journal", last_report="forgotten 3", last_run=at(300), next_run=at(-3000)),
        task("renew", every=86400, last_report="", last_run=0, next_run=at(-90000)),
    )
    title, journal, renew = xdb("nodes", "tasks").out.splitlines()
    assert title.split("  ")[0] == "TASK"
    assert "SERVER" not in title
    assert [cell.strip() for cell in journal.split("  ") if cell] == [
        "journal", "10 min", "5 min ago", "forgotten 3", journal.rsplit("  ", 1)[1]
    ]  # fmt: skip
    assert journal.rsplit("  ", 1)[1] in {"in 50 min", "in 49 min"}
    assert renew.split()[:5] == ["renew", "24", "h", "-", "-"]


def test_a_failure_has_its_own_line(xdb, tell):
    tell("owner", task("a", failures=3, last_error="nobody there: try later"), task("b"))
    _, first, error, second = xdb("nodes", "tasks").out.splitlines()
    assert "failed" in first
    assert error == "    3 failures in a row: nobody there: try later"
    assert second.startswith("b ")
    tell("owner", task("a", failures=1, last_error="nobody there: try later"))
    assert xdb("nodes", "tasks").out.splitlines()[2] == "    nobody there: try later"


def test_tasks_of_a_node(xdb, tell):
    tell("node", task("heartbeat"))
    for name in (xdb("nodes", "list", "--json").json["nodes"][0]["node"], "127.0.0.1:7401"):
        assert "heartbeat" in xdb("nodes", "tasks", name).out
    assert xdb.run("nodes", "tasks", "ffffffff").code == 3


def test_tasks_of_the_chain_servers(xdb, tell):
    tell("chain", task("beacon", server="10.0.0.1:7000"), problems=["10.0.0.2:7000 is silent"])
    done = xdb("nodes", "tasks", "--chain")
    assert done.out.splitlines()[0].startswith("SERVER")
    assert done.out.splitlines()[1].startswith("10.0.0.1:7000  beacon")
    assert "10.0.0.2:7000 is silent" in done.err
    assert xdb.run("nodes", "tasks", "127.0.0.1:7401", "--chain").code == 2


def test_no_tasks(xdb):
    done = xdb("nodes", "tasks", "--chain")
    assert done.out == ""
    assert "no periodic tasks" in done.err


def test_tasks_as_json(xdb, tell):
    tell("owner", task("a", last_run=0, last_error="it failed", failures=1), problems=["a problem"])
    assert xdb("nodes", "tasks", "--json").json == {
        "tasks": [
            {
                "name": "a",
                "every": 600,
                "runs": 3,
                "failures": 1,
                "last_run": None,
                "next_run": "2027-01-15T08:10:00Z",
                "last_report": "a 1",
                "last_error": "it failed",
                "degraded": False,
                "server": "",
            }
        ],
        "problems": ["a problem"],
    }


def test_what_daemons_say_does_not_drive_the_terminal(xdb, tell):
    evil = "\x1b[2J\x07"
    tell("chain", task(evil, last_error=evil, server=evil), task("b", last_report=evil))
    done = xdb("nodes", "tasks", "--chain")
    assert not any(character in done.out for character in evil[:1] + evil[-1:])
