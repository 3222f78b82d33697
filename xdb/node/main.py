"""`xdb-node`: the daemon, by role."""

import argparse
import os
import resource
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from xdb import __version__
from xdb.errors import ConfigError, XdbError

FAILED = 1
MISCONFIGURED = 2  # also argparse's; starting again changes nothing
BUG = 70


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `xdb-node`."""
    options = _parser().parse_args(arguments)
    _keep_secrets()
    try:
        # Imported here, so that --help and mistakes in the command line answer at once.
        from xdb.node.commands import carry_out  # noqa: PLC0415

        carry_out(options)
    except Exception as error:  # noqa: BLE001  # the last resort: a bug has its own exit code
        causes = list(_leaves(error))
        if not all(isinstance(cause, XdbError) for cause in causes):
            traceback.print_exception(error)
            sys.exit(BUG)
        sys.exit(_report(causes))
    sys.exit(0)


def _keep_secrets() -> None:
    """Nothing of this process becomes readable for others, not even when it crashes."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _report(errors: Sequence[BaseException]) -> int:
    for error in errors:
        print(f"xdb-node: {error}", file=sys.stderr)  # noqa: T201  # the last words of a program
    return MISCONFIGURED if any(isinstance(each, ConfigError) for each in errors) else FAILED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xdb-node", description="A node of an xdb network: chain server, storage node, owner."
    )
    parser.add_argument("--version", action="version", version=f"xdb-node {__version__}")
    roles = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    for role, text in (
        ("chain", "makes the blocks of an embedded chain and serves them"),
        ("storage", "keeps replicas for data owners"),
        ("owner", "acts for a data owner and the clients it allows"),
    ):
        command = roles.add_parser(role, help=text, description=f"xdb-node {role}: {text}.")
        _add_config(command)
        command.add_argument("--check", action="store_true", help="read everything and exit")
        command.add_argument("--ready-fd", type=int, metavar="N", help=argparse.SUPPRESS)
        if role == "chain":
            _add_promotion(command)
    once = roles.add_parser("run", help="one cycle of one task of a storage node that is stopped")
    once.add_argument(
        "--once",
        required=True,
        metavar="TASK",
        help="heartbeat, prover, scrubber, collector or seeds",
    )
    _add_config(once)
    _add_certificate(
        roles.add_parser("certificate", help="replaces the certificate of a storage node")
    )
    _add_founding(roles.add_parser("genesis", help="writes the genesis of a new embedded chain"))
    _add_registry(roles.add_parser("registry", help="deploys a new registry on Ethereum"))
    return parser


def _add_registry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", required=True, metavar="URL", help="JSON-RPC over HTTP")
    parser.add_argument(
        "--keystore", required=True, type=Path, metavar="KEYSTORE", help="whose key pays for it"
    )
    parser.add_argument("--password-file", required=True, type=Path, metavar="FILE")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter other than its default, such as epoch=600 (blocks); may be given again",
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML; samples in configs/"
    )


def _add_certificate(parser: argparse.ArgumentParser) -> None:
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument(
        "--prepare",
        action="store_true",
        help="make the next certificate and announce it on the chain; the node may run",
    )
    step.add_argument(
        "--switch",
        action="store_true",
        help="make the announced certificate the present one; the node must be stopped",
    )
    _add_config(parser)


def _add_founding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="of the chain, for people")
    parser.add_argument(
        "--sequencer", required=True, type=Path, metavar="KEYSTORE", help="whose key signs blocks"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="genesis.toml")
    parser.add_argument(
        "--beacon",
        type=Path,
        metavar="KEYSTORE",
        help="whose key reveals the seeds that audits are drawn from; without it none are made",
    )
    parser.add_argument(
        "--beacon-password-file", type=Path, metavar="FILE", help="password of that keystore"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter other than its default, such as epoch=30min; may be given again",
    )


def _add_promotion(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("promotion, when the sequencer's disk is lost")
    group.add_argument(
        "--promote",
        type=Path,
        metavar="DATA",
        help="go on with the chain kept in DATA, the data directory of another node, stopped",
    )
    group.add_argument(
        "--compare",
        action="append",
        default=[],
        metavar="HOST:PORT#HASH",
        help="a node that has the chain, too; may be given again",
    )
    group.add_argument(
        "--force", action="store_true", help="give up blocks that only other nodes have"
    )
