import json
import logging

import pytest
import structlog

from xdb.runtime.logging import configure, logger


@pytest.fixture
def lines(tmp_path):
    root, path = logging.getLogger(), tmp_path / "node.log"
    before = root.handlers
    root.handlers = []
    configure("info", "json", path)
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    for handler in root.handlers:
        handler.close()
    root.handlers = before
    structlog.reset_defaults()


def test_events_are_json_with_bytes_in_hexadecimal(lines):
    logger("chain").info("block.made", height=7, id=b"\x01\x02")
    (line,) = lines()
    assert (line["event"], line["height"], line["id"], line["level"]) == (
        "block.made",
        7,
        "0102",
        "info",
    )


@pytest.mark.parametrize("name", ["password", "private_key", "wrapped_key", "phrase", "Secret"])
def test_what_is_called_like_a_secret_is_not_written(lines, name):
    logger("x").warning("key.opened", **{name: "hunter2"})
    assert "hunter2" not in json.dumps(lines())


def test_levels_are_kept(lines):
    logger("x").debug("too.much")
    assert lines() == []


def test_failures_come_with_their_trace(lines):
    try:
        int("inner")
    except ValueError:
        logger("x").exception("task.broken")
    assert "ValueError: invalid literal" in lines()[0]["exception"]
