import dataclasses
import fcntl
import os
import sys
from pathlib import Path

import pytest

from xdb.testnet.process import Starting, boot_id, end, kill

READY = "import os, time; os.write(3, b'ready here\\n'); time.sleep(60)"
STUBBORN = (
    "import signal, os, time; signal.signal(15, signal.SIG_IGN);"
    "os.write(3, b'ready\\n'); time.sleep(60)"
)
PARENT = (
    "import subprocess, sys, os, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], close_fds=True);"
    "os.write(3, b'ready\\n'); time.sleep(60)"
)
HEADLESS = (  # its first thread ends, and another goes on
    "import ctypes, fcntl, os, sys, threading; lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT);"
    "fcntl.flock(lock, fcntl.LOCK_EX); threading.Thread(target=threading.Event().wait).start();"
    "os.write(3, b'ready\\n'); ctypes.CDLL(None).pthread_exit(None)"
)


@pytest.fixture
def start(tmp_path):
    started = []

    def start(code, *arguments):
        process = Starting(
            [sys.executable, "-c", code, *arguments], tmp_path / "log", dict(os.environ)
        )
        started.append(process.id)
        return process

    yield start
    for process in started:
        kill(process)


def test_ready_process_runs_detached_and_ends_when_asked(start):
    process = start(READY)
    assert process.wait(30) == "ready here"
    assert process.id.is_running
    assert os.getsid(process.id.pid) == process.id.pid
    assert end(process.id, 30)
    assert not process.id.is_running


def test_process_that_fails_is_not_ready_and_its_words_are_in_the_log(start, tmp_path):
    assert start("raise SystemExit('no luck')").wait(30) is None
    assert (tmp_path / "log").read_text() == "no luck\n"


def test_process_that_does_not_listen_is_made_to_end(start):
    process = start(STUBBORN)
    assert process.wait(30) == "ready"
    assert not end(process.id, 0.01)
    assert not process.id.is_running


def test_what_a_process_started_ends_with_it(start):
    process = start(PARENT)
    assert process.wait(30) == "ready"
    assert len(process.id.members()) == 2
    kill(process.id)
    assert process.id.members() == []


def test_number_used_again_names_nobody(start):
    process = start(READY)
    assert process.wait(30) == "ready here"
    for stranger in (
        dataclasses.replace(process.id, started=process.id.started - 1),
        dataclasses.replace(process.id, boot="another"),
    ):
        assert not stranger.is_running
        assert stranger.members() == []
        kill(stranger)
    assert process.id.is_running


def test_ending_twice_is_fine(start):
    process = start(READY)
    assert end(process.id, 30)
    assert end(process.id, 30)
    assert process.id.boot == boot_id()


def test_a_process_is_over_when_all_its_threads_are(start, tmp_path):
    process = start(HEADLESS, str(tmp_path / "lock"))
    assert process.wait(30) == "ready"
    status = Path(f"/proc/{process.id.pid}/status")
    while "State:\tZ" not in status.read_text():
        os.sched_yield()
    assert process.id.is_running
    assert process.id.members() == [process.id.pid]
    kill(process.id)
    assert not process.id.is_running
    with (tmp_path / "lock").open("rb") as lock:  # nobody holds it
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
