import io

import click
import pytest
from rich.console import Console

from xdb.cli.bars import Bars
from xdb.cli.progress import Lines, Silence, View, uploading
from xdb.cli.state import State
from xdb.client.records import HolderProgress, Stage, UploadProgress
from xdb.testing.clock import FakeClock

MIB = 1 << 20


@pytest.fixture
def clock():
    return FakeClock()


def progress(stage, received, note=""):
    holders = tuple(HolderProgress(n, bytes([n] * 20), received) for n in range(1, 4))
    return UploadProgress(stage, received, 10 * MIB, bytes(16), holders, note)


async def test_lines_come_now_and_then_and_at_stages(clock, capsys):
    show = uploading(Lines(State(), clock), "file")
    show(progress(Stage.READY, 0))
    for number in range(1, 11):
        show(progress(Stage.SENDING, number * MIB))
        await clock.advance(0.5)
    show(progress(Stage.STORED, 10 * MIB, "slot 2 went elsewhere"))
    show(progress(Stage.PUBLISHED, 10 * MIB))
    show(progress(Stage.PUBLISHED, 10 * MIB))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "file: 5.0 MiB of 10.0 MiB (50%)",
        "file: 9.0 MiB of 10.0 MiB (90%)",
        "slot 2 went elsewhere",
        "file: stored",
        "file: published",
    ]


def test_silence(capsys):
    silence = Silence(State(quiet=True))
    silence.show(View("a", 1, 2))
    silence.note("a")
    assert capsys.readouterr() == ("", "")
    silence.fail("b: broken")
    assert capsys.readouterr() == ("", "failed: b: broken\n")


def test_amounts():
    assert View("", 5, None).amount == "5 B"
    assert View("", 5, None).percent is None
    assert View("", 0, 0).percent == 100
    assert View("", 3, 12, "replicas").amount == "3 of 12 replicas"


class Screen:
    """A terminal in memory."""

    def __init__(self, width=80):
        self.console = Console(file=io.StringIO(), width=width, force_terminal=True)
        self.bars = Bars(self.console)

    def lines(self):
        plain = Console(file=io.StringIO(), width=self.console.width)
        with plain.capture() as captured:
            plain.print(self.bars._render())
        return [line.rstrip() for line in captured.get().splitlines()]


def test_bars():
    screen = Screen()
    uploading(screen.bars, "photos/holiday.jpg", final=True)(progress(Stage.SENDING, 5 * MIB))
    assert screen.lines() == [
        "photos/holiday.jpg",
        "━━━━━━━━━━━              50%  5.0 MiB of 10.0 MiB",
        "  slot  1  01010101  5.0 MiB durable",
        "  slot  2  02020202  5.0 MiB durable",
        "  slot  3  03030303  5.0 MiB durable",
        "  sending → stored → published → final",
    ]
    uploading(screen.bars, "photos/holiday.jpg", final=True)(progress(Stage.STORED, 10 * MIB))
    assert screen.lines()[-1] == "  sending ✓ → stored ✓ → published → final"


def test_bars_fit_the_terminal():
    screen = Screen(width=60)
    screen.bars.show(
        View(
            "x" * 100 + "\x1b[2J",
            1 << 40,
            1 << 41,
            holders=tuple((n, bytes(20), n) for n in range(1, 33)),
            stage="sending",
            last="published",
        )
    )
    lines = screen.lines()
    assert max(map(len, lines)) <= 60
    assert "\x1b" not in "".join(lines)
    assert "  and 24 more slots" in lines


def test_bars_are_gone_at_the_end_and_notes_stay():
    screen = Screen()
    with screen.bars as bars:
        bars.show(View("the title", 1, 2))
        bars.note("a note")
        bars.fail("something: broken")
    text = screen.console.file.getvalue()
    assert "a note" in text
    assert "failed: something: broken" in click.unstyle(text)
    assert screen.lines() == [""]
