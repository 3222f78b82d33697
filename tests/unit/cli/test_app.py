"""What holds for every verb: help, errors, exit codes, outputs."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from xdb import errors
from xdb.cli import app as program
from xdb.cli.exits import CODES, MEANING, Exit, exit_of
from xdb.cli.lazy import LazyGroup, Verb
from xdb.errors import RefusedCallError, UnavailableError, XdbError
from xdb.model.refusal import Refusal

DOCS = Path(__file__).parents[3] / "docs" / "cli.md"
HEAVY = ("asyncio", "grpc", "rich", "cryptography", "google", "eth_account", "coincurve", "Crypto")


def verbs(group=program.app, path=()):
    """Every verb with its path."""
    for name, verb in group._verbs.items():
        command = group.get_command(None, name)
        yield (*path, name), verb, command
        if isinstance(command, LazyGroup):
            yield from verbs(command, (*path, name))


ALL = list(verbs())
NAMES = ["-".join(path) for path, _, _ in ALL]


@pytest.mark.parametrize(("path", "verb", "command"), ALL, ids=NAMES)
def test_every_verb(path, verb, command):
    assert isinstance(command, click.Command)
    assert command.name == path[-1]
    assert command.get_short_help_str(limit=100).rstrip(".") in verb.text
    assert verb.text.endswith(".")
    options = {option for parameter in command.params for option in parameter.opts}
    if not isinstance(command, LazyGroup) and path != ("completion",):
        assert {"--json", "--quiet", "--debug"} <= options
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help or len(path) > 1


@pytest.mark.parametrize(("path", "verb", "command"), ALL, ids=NAMES)
def test_every_verb_is_documented(path, verb, command):
    assert verb
    text = DOCS.read_text()
    name = " ".join(path)
    assert f"xdb-cli {name}" in text
    if not isinstance(command, LazyGroup):
        section = text.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.expose_value:
                assert parameter.opts[0] in section, parameter.opts[0]


@pytest.mark.parametrize(("path", "verb", "command"), ALL, ids=NAMES)
def test_help_fits_a_terminal(shell, path, verb, command):
    assert verb
    assert command
    done = shell(*path, "--help")
    assert max(map(len, done.out.splitlines())) <= 80
    assert done.err == ""


def modules_of(*arguments, **environment):
    code = (
        "import sys\n"
        "from xdb.cli.app import run\n"
        f"try: code = int(run({arguments!r}))\n"
        "except SystemExit as error: code = error.code\n"
        "print(code, *sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    code, *modules = done.stderr.split()
    return code, done.stdout, {module.partition(".")[0] for module in modules} | set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["version"],
        ["ns", "--help"],
        ["upload", "--help"],
        ["keys", "new", "--help"],
        ["testnet", "up", "--help"],
        ["completion", "zsh"],
    ],
    ids=" ".join,
)
def test_what_needs_no_network_imports_none(arguments):
    code, out, modules = modules_of(*arguments)
    assert code == "0"
    assert out
    assert modules.isdisjoint(HEAVY)
    if arguments == ["--help"]:  # no verb at all
        assert not any(module.startswith("xdb.cli.upload") for module in modules)


def test_completion_imports_no_network():
    code, out, modules = modules_of(
        _XDB_CLI_COMPLETE="bash_complete", COMP_WORDS="xdb-cli up", COMP_CWORD="1"
    )
    assert out == "plain,upload\n"
    assert code == "0"
    assert modules.isdisjoint(HEAVY)
    _, out, modules = modules_of(
        _XDB_CLI_COMPLETE="bash_complete", COMP_WORDS="xdb-cli upload --re", COMP_CWORD="2"
    )
    assert out.split() == ["plain,--replace", "plain,--resume"]
    assert modules.isdisjoint(HEAVY)
    _, out, _ = modules_of(
        _XDB_CLI_COMPLETE="bash_complete", COMP_WORDS="xdb-cli testnet ", COMP_CWORD="2"
    )
    assert "plain,restart" in out


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts(shell, name):
    out = shell("completion", name).out
    assert "_XDB_CLI_COMPLETE" in out
    assert "xdb-cli" in out


# ---------------------------------------------------------------- errors


def raising(error):
    @click.command()
    def fail():
        raise error

    return fail


@pytest.fixture
def failing(shell, monkeypatch):
    """Makes `version` fail."""

    def fail(error, *options):
        monkeypatch.setitem(program.VERBS, "version", Verb("tests:none", "Fails."))
        monkeypatch.setattr(LazyGroup, "get_command", lambda _self, _ctx, _name: raising(error))
        return shell.run(*options, "version")

    return fail


def every_error():
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, XdbError):
            if kind is RefusedCallError:
                yield kind(Refusal.EXPIRY, "what: next")
            elif kind is errors.MissingPiecesError:
                yield kind((1,), "what: next")
            else:
                yield kind("what: next")


@pytest.mark.parametrize("error", list(every_error()), ids=lambda error: type(error).__name__)
def test_every_error_is_a_sentence_and_a_code(failing, error):
    done = failing(error)
    assert done.err == "error: what: next\n"
    assert done.raw == b""
    assert done.code == exit_of(error) not in {Exit.OK, Exit.BUG}


def test_codes_of_refusals():
    codes = {
        Refusal.FILE_UNKNOWN: Exit.NOT_FOUND,
        Refusal.NOT_ALLOWED: Exit.AUTH,
        Refusal.NAME_TAKEN: Exit.REFUSED,
    }
    for refusal, code in codes.items():
        assert exit_of(RefusedCallError(refusal, "")) is code


def test_every_code_is_documented():
    assert set(MEANING) == set(Exit)
    assert set(CODES.values()) <= set(Exit)
    table = dict(re.findall(r"^\| (\d+) \| (.*) \|$", DOCS.read_text(), re.MULTILINE))
    assert table == {str(int(code)): text for code, text in MEANING.items()}


def test_a_mistake_of_our_own_shows_no_trace(failing):
    done = failing(KeyError("oh"))
    assert done.code == 1
    assert done.err.startswith("error: xdb-cli made a mistake: KeyError: 'oh'")
    assert "Traceback" not in done.err


def test_debug_shows_the_trace(failing):
    assert "Traceback" in failing(KeyError("oh"), "--debug").err
    assert "Traceback" in failing(UnavailableError("gone"), "--debug").err


def test_errors_as_json(failing):
    done = failing(UnavailableError("gone: wait"), "--json")
    expected = '{"error": {"kind": "UnavailableError", "message": "gone: wait", "exit": 6}}\n'
    assert done.err == expected
    assert done.raw == b""


def test_interruption(failing):
    for error in (KeyboardInterrupt(), click.exceptions.Abort()):
        done = failing(error)
        assert (done.code, done.err.lstrip()) == (130, "interrupted\n")


def test_local_files(failing):
    done = failing(OSError(28, "No space left on device"))
    assert done.code == 9
    assert done.err.startswith("error: standard output: No space left on device")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["uplaod"], "there is no command 'uplaod'; did you mean 'upload'? (see: xdb-cli --help)"),
        (["xyz"], "there is no command 'xyz': there are upload, download"),
        (["upload"], "Missing argument 'PATH' (see: xdb-cli upload --help)"),
        (["ls", "--colour"], "No such option"),
        (["info", "abc"], "'abc' names no file: write namespace/name"),
    ],
)
def test_usage(xdb, arguments, message):
    done = xdb.run(*arguments)
    assert done.code == 2
    assert message in done.err
    assert done.err.startswith("error: ")


def test_no_command(shell):
    for arguments in ([], ["ns"]):
        done = shell.run(*arguments)
        assert done.code == 2
        assert "Commands:" in done.out + done.err


def test_no_context(shell):
    done = shell.run("ls")
    assert done.code == 9
    assert "xdb-cli testnet up" in done.err
    done = shell.run("--context", "nowhere.toml", "ls")
    assert done.code == 9
    assert "nowhere.toml: no such context file" in done.err


def test_a_wrong_password(xdb, tmp_path):
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("wrong")
    done = xdb.run("ls", "--password-file", "password")
    assert done.code == 9
    assert "wrong password or damaged file" in done.err
    (tmp_path / "password").chmod(0o644)
    done = xdb.run("ls", "--password-file", "password")
    assert "others can read this password file" in done.err


def test_options_stand_before_and_after_the_verb(xdb):
    assert xdb("--json", "ls").json == xdb("ls", "--json").json


def test_a_reader_that_goes_away(tmp_path):
    code = (
        "import sys\nfrom xdb.cli.app import run\n"
        "for _ in range(10_000):\n    code = run(['version'])\n    if code: sys.exit(code)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait() == 141
    assert said == b""
