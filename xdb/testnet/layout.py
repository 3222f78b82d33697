"""Where a testnet keeps what, under one directory."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from xdb.config.roles import Role
from xdb.errors import ConfigError, CorruptFileError
from xdb.testnet.process import ProcessId

FORMAT = 1
RELAY, ANVIL = "relay", "anvil"
MemberRole = Role | Literal["relay", "anvil"]
"""What a process does: a node's role, passing on what nodes say, or being an Ethereum chain."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the network."""

    name: str
    role: MemberRole
    id: str  # hexadecimal; an anvil has the registry's; empty for a relay
    address: str  # host:port where others reach it; empty for a relay, which has many


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a testnet."""

    directory: Path

    @property
    def plan(self) -> Path:
        """What the network consists of."""
        return self.directory / "testnet.json"

    @property
    def genesis(self) -> Path:
        """The chain's genesis."""
        return self.directory / "genesis.toml"

    @property
    def context(self) -> Path:
        """What a client needs: `xdb-cli --context` takes it."""
        return self.directory / "context.toml"

    @property
    def client(self) -> Path:
        """The client's keys."""
        return self.directory / "client"

    @property
    def lock(self) -> Path:
        """Held while the network is changed."""
        return self.directory / "lock"

    def home(self, name: str) -> Path:
        """One member's own directory."""
        return self.directory / name

    def data(self, name: str) -> Path:
        """A member's data directory."""
        return self.home(name) / "data"

    def config(self, member: Member) -> Path:
        """A member's configuration."""
        return self.home(member.name) / f"{member.role}.toml"

    def log(self, name: str) -> Path:
        """What a member prints."""
        return self.home(name) / "log"

    def process(self, name: str) -> Path:
        """Which process a member is, while it runs."""
        return self.home(name) / "process.json"


def write_plan(layout: Layout, members: tuple[Member, ...]) -> None:
    """The last step of making a network: without a plan there is none."""
    text = json.dumps({"format": FORMAT, "members": [asdict(member) for member in members]})
    _replace(layout.plan, text)


def read_plan(layout: Layout) -> tuple[Member, ...]:
    """The members in the order they start; ConfigError when there is no network here."""
    try:
        plan = json.loads(layout.plan.read_text())
    except FileNotFoundError as error:
        raise ConfigError(
            f"{layout.directory}: no testnet here; make one with: xdb-cli testnet up"
        ) from error
    except ValueError as error:
        raise CorruptFileError(
            f"{layout.plan}: damaged ({error}): remove {layout.directory} and make a new testnet"
        ) from error
    if plan.get("format") != FORMAT:
        raise ConfigError(
            f"{layout.plan}: format {plan.get('format')} is not known here: use the program that "
            "made it, or make a new testnet"
        )
    return tuple(Member(**member) for member in plan["members"])


def write_process(layout: Layout, name: str, process: ProcessId) -> None:
    """Remembers what was started."""
    _replace(layout.process(name), json.dumps(asdict(process)))


def read_process(layout: Layout, name: str) -> ProcessId | None:
    """What was started, None when nothing was or it was ended."""
    try:
        return ProcessId(**json.loads(layout.process(name).read_text()))
    except FileNotFoundError:
        return None


def _replace(path: Path, text: str) -> None:
    made = path.with_suffix(".new")
    made.write_text(text)
    made.replace(path)
