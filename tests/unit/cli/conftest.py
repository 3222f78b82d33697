"""A shell in this process, and an owner node in memory that it talks to."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest

from xdb.cli.app import run
from xdb.testing.gateway import Gateway, gateway_in_thread


@dataclass
class Done:
    code: int
    raw: bytes
    err: str

    @property
    def out(self):
        return self.raw.decode()

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def lines(self):
        return [json.loads(line) for line in self.raw.splitlines()]


class Shell:
    def __init__(self, capture, patch):
        self._capture = capture
        self._patch = patch

    def run(self, *arguments, stdin=b""):
        """Whatever comes of it."""
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run([str(argument) for argument in arguments])
        out, err = self._capture.readouterr()
        return Done(int(code), out, err.decode())

    def __call__(self, *arguments, stdin=b""):
        """What must be done."""
        done = self.run(*arguments, stdin=stdin)
        assert done.code == 0, done.err
        return done


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *arguments):
        code = (
            "from xdb.store import keystore\n"
            "keystore.write_keystore.__kwdefaults__['scrypt_n'] = 2\n"
            "from xdb.cli import main\nmain()"
        )
        self.screen = ""
        self._main, side = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,  # so that it asks here and not at the tester's terminal
        )
        os.close(side)

    def until(self, text):
        while text not in self.screen:
            assert select.select([self._main], [], [], 60)[0], self.screen
            self.screen += os.read(self._main, 4096).decode()

    def type(self, text):
        os.write(self._main, text.encode() + b"\n")

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def end(self):
        while True:
            try:
                self.screen += os.read(self._main, 4096).decode()
            except OSError:  # the other side is closed
                break
        os.close(self._main)
        return self._process.wait()


@pytest.fixture
def at_terminal():
    return Terminal


@pytest.fixture
def shell(capfdbinary, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDB_CONTEXT", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return Shell(capfdbinary, monkeypatch)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with gateway_in_thread(tmp_path_factory.mktemp("context")) as (owner, context):
        yield owner, context


@pytest.fixture
def owner(served):
    """The owner node, without anything in it but the namespace ns."""
    owner, _ = served
    owner.__init__(owner.clock)
    return owner


@pytest.fixture
def xdb(shell, owner: Gateway, served, monkeypatch, tmp_path):
    monkeypatch.setenv("XDB_CONTEXT", str(served[1]))
    monkeypatch.chdir(tmp_path)
    assert owner.world.files == []
    shell("ns", "create", "ns")
    return shell
