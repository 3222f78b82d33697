"""Ctrl-C and lost readers in the middle of a transfer, in a process of its own."""

import os
import re
import signal
import subprocess
import sys

import pytest

DATA = bytes(range(256)) * 40


def started(*arguments, stdout=subprocess.PIPE):
    command = [sys.executable, "-m", "xdb", *map(str, arguments)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)


def interrupted(owner, *arguments):
    """Interrupts a command as soon as its transfer stands still."""
    owner.script.stall_at = 5000
    with started(*arguments) as process:
        assert owner.script.stalled.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    owner.script.stall_at = None
    return process.returncode, out, err.decode()


@pytest.fixture
def file(xdb, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    xdb("upload", "file", "ns")


@pytest.mark.usefixtures("file")
def test_an_interrupted_download_leaves_the_target(xdb, owner, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    code, out, err = interrupted(owner, "download", "ns/file", target, "--force")
    assert (code, out, err) == (130, b"", "\ninterrupted\n")
    assert target.read_bytes() == b"mine"
    xdb("download", "ns/file", target, "--force")
    assert target.read_bytes() == DATA


def test_an_interrupted_upload_goes_on(xdb, owner, tmp_path):
    path = tmp_path / "a file"
    path.write_bytes(DATA)
    code, out, err = interrupted(owner, "upload", path, "ns")
    assert (code, out) == (130, b"")
    command = re.search(
        r"with:\n  xdb-cli upload '(.*)' 'ns/a file' \\\n    --resume ([0-9a-f]{32})\n", err
    )
    assert command[1] == str(path)
    assert err.endswith("\ninterrupted\n")
    assert owner.world.files == []
    xdb("upload", path, "ns/a file", "--resume", command[2])
    assert owner.uploads[0].upload == owner.uploads[1].upload == bytes.fromhex(command[2])


def test_an_interrupted_directory(xdb, owner, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a").write_bytes(DATA)
    code, _, err = interrupted(owner, "upload", tmp_path / "tree", "ns")
    assert (code, err) == (130, "\ninterrupted\n")
    assert xdb("ls", "--json").json["files"] == []


def test_a_reader_that_goes_away_in_the_middle(xdb, owner, tmp_path):
    (tmp_path / "large").write_bytes(bytes(4 << 20))
    xdb("upload", "large", "ns")
    reading, writing = os.pipe()
    with started("download", "ns/large", "-", stdout=writing) as process:
        os.close(writing)
        assert os.read(reading, 1000) == bytes(1000)
        os.close(reading)
        assert process.stderr.read() == b""
    assert process.returncode == 141
    assert owner.downloads
