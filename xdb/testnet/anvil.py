"""The Ethereum chain of a testnet: anvil, as one process of it.

Run as `python -m xdb.testnet.anvil`, it becomes anvil, so that signals reach anvil itself.
A process beside it says on the descriptor `--ready-fd` when the chain answers.
"""

import argparse
import json
import os
import select
import shutil
import sys
import tomllib
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import xdb
from xdb.errors import ConfigError

CHAIN_ID = 31337
"""Anvil's own; no public chain has it."""
STATE = "state.json"
"""What anvil keeps of the chain while it is stopped."""
CONTRACTS = Path(xdb.__file__).parent / "blockchain" / "ethereum" / "contracts"
_LOOK = 0.05
_STATES = 256
"""Blocks back that calls can be tried at; older states would fill memory and disk."""


def find_anvil(environment: Mapping[str, str]) -> Path:
    """The program: `XDB_ANVIL`, one on the path, or what `npm ci` installed."""
    named = environment.get("XDB_ANVIL")
    if named:
        if not os.access(named, os.X_OK):
            raise ConfigError(f"XDB_ANVIL is {named}, which is no program: correct or unset it")
        return Path(named).absolute()
    found = shutil.which("anvil", path=environment.get("PATH"))
    if found:
        return Path(found).absolute()
    installed = sorted(CONTRACTS.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    if installed:
        return installed[0]
    raise ConfigError(
        f"a testnet on Ethereum needs anvil, which is not here: run `npm ci` in {CONTRACTS}, or "
        "install Foundry, or name the program in XDB_ANVIL"
    )


def command(config: Path) -> list[str]:
    """The command line that a configuration asks for."""
    table = tomllib.loads(config.read_text())
    program = table["program"]
    if not os.access(program, os.X_OK):
        raise ConfigError(
            f"{program} is gone: install it again, or name another anvil as `program` in {config}"
        )
    host, _, port = table["server"]["listen"].rpartition(":")
    options = {
        "--host": host,
        "--port": port,
        "--chain-id": CHAIN_ID,
        "--block-time": table["block_time"],
        "--slots-in-an-epoch": 1,  # final two blocks later
        "--prune-history": _STATES,
        "--state": config.parent / STATE,
    }
    return [program, "--silent", *(str(part) for pair in options.items() for part in pair)]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Becomes anvil."""
    parser = argparse.ArgumentParser(prog="python -m xdb.testnet.anvil")
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("--ready-fd", type=int)
    options = parser.parse_args(arguments)
    try:
        words = command(options.config)
    except ConfigError as error:
        sys.exit(str(error))
    if options.ready_fd is not None:
        _report(f"http://{words[3]}:{words[5]}", options.ready_fd)
    os.execv(words[0], words)  # noqa: S606  # this program, and no shell


def _report(url: str, ready: int) -> None:
    """Leaves a process behind that says so when the chain answers, and ends with anvil."""
    anvil = os.pidfd_open(os.getpid())
    if child := os.fork():
        os.close(ready)  # only the reporter shall hold it
        os.waitpid(child, 0)
        return
    if os.fork():  # anvil collects no children, so the reporter is nobody's
        os._exit(0)
    try:
        while not _answers(url):
            if select.select([anvil], [], [], _LOOK)[0]:
                os._exit(1)  # it ended
        os.write(ready, b"ready\n")
    finally:
        os._exit(0)


def _answers(url: str) -> bool:
    ask = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(ask).encode(), headers)  # noqa: S310  # of loopback
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:  # noqa: S310  # likewise
            return "result" in json.load(answer)
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    main()
