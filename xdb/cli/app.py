"""`xdb-cli` itself: its verbs, and how errors become messages and exit codes."""

import json
import os
import sys
import traceback
from collections.abc import Sequence

import click

from xdb import __version__
from xdb.cli.exits import Exit, exit_of
from xdb.cli.lazy import LazyGroup, Verb
from xdb.cli.state import State, alarm, connected
from xdb.errors import XdbError

PROGRAM = "xdb-cli"

VERBS = {
    "upload": Verb("xdb.cli.upload:upload", "Store a file, a directory or standard input."),
    "download": Verb("xdb.cli.download:download", "Fetch a file."),
    "ls": Verb("xdb.cli.listing:ls", "List files."),
    "info": Verb("xdb.cli.file:info", "Show a file: what is where, until when."),
    "rm": Verb("xdb.cli.file:rm", "Delete files; undelete brings them back for a while."),
    "undelete": Verb("xdb.cli.file:undelete", "Bring a deleted file back."),
    "mv": Verb("xdb.cli.file:mv", "Give a file another name or namespace."),
    "renew": Verb("xdb.cli.file:renew", "Give a file another expiry."),
    "verify": Verb("xdb.cli.verify:verify", "Read every replica back and compare it."),
    "usage": Verb("xdb.cli.listing:usage", "Show what every namespace takes."),
    "ns": Verb("xdb.cli.namespace:ns", "Namespaces: create, update, list, info."),
    "nodes": Verb("xdb.cli.node:nodes", "Storage nodes: list, info, health, tasks, drain."),
    "health": Verb("xdb.cli.health:health", "How files and nodes are doing, and what to do."),
    "migrations": Verb("xdb.cli.care:migrations", "Repair: list, plan, run."),
    "audits": Verb("xdb.cli.care:audits", "Proofs and probes: list, show, run."),
    "keys": Verb("xdb.cli.key:keys", "Keystores: new, recover, show, change-password."),
    "chain": Verb("xdb.cli.chain:chain", "The chain: status, params, deploy, fund."),
    "testnet": Verb("xdb.cli.testnet:testnet", "A network on this machine: up, kill, down."),
    "completion": Verb("xdb.cli.completion:completion", "Print a shell's completion script."),
    "version": Verb("xdb.cli.version:version", "Print versions."),
}


class _UnreadError(Exception):
    """Nobody reads standard output any more. click would make an ordinary failure of it."""


class _Program(LazyGroup):
    """The command line as a whole."""

    def invoke(self, ctx: click.Context) -> object:
        """Runs the verb."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _UnreadError from error


@click.command(cls=_Program, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@connected
def app() -> None:
    """Files on storage nodes that nobody has to trust.

    FILE is NAMESPACE/NAME or a file id. Exit codes: docs/cli.md.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; the exit code."""
    options = State()
    try:
        code = app.main(args=arguments, prog_name=PROGRAM, standalone_mode=False, obj=options)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except (BrokenPipeError, _UnreadError):
        return _unread()
    except Exception as error:  # noqa: BLE001  # the last resort: no traceback at people
        return _report(error, options)
    return code if isinstance(code, int) else Exit.OK


def _report(error: Exception, options: State) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return Exit.USAGE
    if isinstance(error, click.ClickException):
        ctx = error.ctx if isinstance(error, click.UsageError) else None
        hint = f" (see: {ctx.command_path} --help)" if ctx else ""
        return _failed(error, Exit.USAGE, f"{error.format_message().rstrip('.')}{hint}", options)
    if isinstance(error, XdbError):
        return _failed(error, exit_of(error), str(error), options)
    if isinstance(error, OSError):
        text = f"{error.filename or 'standard output'}: {error.strerror or error}"
        return _failed(error, Exit.CONFIG, f"{text}: correct that and run it again", options)
    text = f"{PROGRAM} made a mistake: {type(error).__name__}: {error}"
    return _failed(error, Exit.BUG, f"{text}: run it again with --debug and report it", options)


def _failed(error: Exception, code: Exit, text: str, options: State) -> int:
    if options.debug:
        traceback.print_exception(error)
    if options.json:
        found = {"error": {"kind": type(error).__name__, "message": text, "exit": int(code)}}
        click.echo(json.dumps(found, ensure_ascii=False), err=True)
    else:
        alarm("error:", text)
    return code


def _unread() -> int:
    # What is still buffered would fail again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.BROKEN_PIPE
