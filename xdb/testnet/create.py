"""Makes a testnet: keys, genesis, certificates, configurations."""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from xdb.blockchain.embedded.genesis import Genesis, save_genesis
from xdb.client.context import Context, write_context
from xdb.config.address import endpoint_text
from xdb.core.rules.parameters import check_parameters
from xdb.errors import ConfigError
from xdb.model.ids import Address
from xdb.model.registry import Endpoint, Parameters
from xdb.node.founding import with_beacon
from xdb.node.machine import CERTIFICATE
from xdb.peer.certificates import open_certificate
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.runtime.clock import SystemClock
from xdb.runtime.entropy import SystemEntropy
from xdb.store.keystore import LocalKey, write_keystore
from xdb.testnet import lifecycle
from xdb.testnet.anvil import find_anvil
from xdb.testnet.files import Table, write_secret, write_toml
from xdb.testnet.layout import ANVIL, RELAY, Layout, Member, write_plan
from xdb.testnet.ports import free_ports
from xdb.testnet.relay import WAYS

SCRYPT_N = 1 << 12
"""Work factor of a testnet's keystores: they guard nothing, and shall open fast."""
PASSWORD_BYTES = 16
CHAIN, OWNER, CLIENT = "chain", "owner", "client"
BANK = "bank"
"""The key in anvil's directory that deployed the registry, and has ether to give."""
ChainKind = Literal["embedded", "ethereum"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a testnet is made of."""

    chain: ChainKind = "embedded"
    nodes: int = 4
    capacity: str = "10 GiB"
    slice_size: str = "4 MiB"
    kv: str = "auto"
    relay: bool = False  # with one, storage nodes can be cut off
    heartbeat: int = 10  # seconds; real deployments have minutes, Ethereum has none
    epoch: int = 60  # seconds, on Ethereum blocks of one; real deployments have an hour
    unreachable: int = 60  # seconds; likewise
    pace: int = 10  # seconds between cycles of what watches and repairs
    scrub: str = "5 min"  # in which every stored byte is re-hashed
    parameters: Mapping[str, int] = field(default_factory=dict)  # others than the defaults


def create(
    directory: Path,
    options: Options | None = None,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> None:
    """Makes a network in `directory`, which must be missing or empty. Nothing is left running."""
    layout = Layout(directory.absolute())
    _check_place(layout)
    layout.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _Maker(
            layout, options or Options(), clock or SystemClock(), entropy or SystemEntropy()
        ).make()
    except BaseException:
        shutil.rmtree(layout.directory)
        raise


def _check_place(layout: Layout) -> None:
    if layout.directory.exists() and any(layout.directory.iterdir()):
        raise ConfigError(
            f"{layout.directory} is not empty: name another directory for the testnet, or remove it"
        )


class _Maker:
    """One network in the making."""

    def __init__(self, layout: Layout, options: Options, clock: Clock, entropy: Entropy) -> None:
        self._layout = layout
        self._options = options
        self._clock = clock
        self._entropy = entropy
        ways = len(WAYS) * options.nodes if options.relay else 0
        self._ports = free_ports(options.nodes + 2 + ways, entropy)
        self._ways: dict[str, Mapping[str, str]] = {}  # through the relay, by node
        self._callers: list[Address] = []  # whose keys sign calls
        self._access: Callable[[str], Table]  # what a configuration says of the chain at an address

    def make(self) -> None:
        """Everything, the plan last: without it there is no network."""
        with ExitStack() as running:
            is_embedded = self._options.chain == "embedded"
            chain = self._embedded() if is_embedded else self._ethereum(running)
            numbers = range(1, self._options.nodes + 1)
            nodes = [self._storage(f"node-{number}", chain.address) for number in numbers]
            members = (chain, *nodes, self._owner(chain.address))
            if not is_embedded:
                self._fund(chain)
        write_plan(self._layout, (self._relay(), *members) if self._options.relay else members)

    def _embedded(self) -> Member:
        """A chain server, and what others have to know of it."""
        chain = self._member(CHAIN, "chain")
        sequencer = self._key(chain.name, "sequencer").address
        self._save_genesis(sequencer, self._key(chain.name, "beacon"))
        server = self._endpoint(chain)
        self._write_chain(chain)
        self._access = lambda address: {"chain": _chain_table(replace(server, address=address))}
        return replace(chain, id=sequencer.hex())

    def _ethereum(self, running: ExitStack) -> Member:
        """An anvil with a registry, which runs until what it is needed for is done."""
        from xdb.testnet import evm  # noqa: PLC0415  # heavy, and only for this chain

        terms = evm.founding(
            self._options.epoch, self._options.unreachable, self._options.parameters
        )
        program = find_anvil(os.environ)
        chain = Member(ANVIL, "anvil", "", self._port())
        payer = self._key(chain.name, BANK)
        top: Table = {"program": str(program), "block_time": evm.BLOCK_TIME}
        comment = "the Ethereum chain of a testnet: which anvil, and seconds between its blocks"
        write_toml(
            self._layout.config(chain), {**top, "server": {"listen": chain.address}}, comment
        )
        running.callback(lifecycle.end, self._layout, chain)
        lifecycle.start_all(self._layout, [chain])
        pins = evm.deploy(_url(chain.address), payer, terms)
        self._deployment = pins.deployment
        self._access = lambda address: evm.tables(_url(address), pins)
        return replace(chain, id=pins.contract.hex())

    def _fund(self, chain: Member) -> None:
        from xdb.testnet import evm  # noqa: PLC0415  # likewise

        evm.fund(_url(chain.address), self._callers)

    def _member(self, name: str, role: str) -> Member:
        self._layout.data(name).mkdir(mode=0o700, parents=True)
        return Member(name, role, "", self._port())  # type: ignore[arg-type]  # a Role

    def _port(self) -> str:
        return f"127.0.0.1:{self._ports.pop()}"

    def _save_genesis(self, sequencer: Address, beacon: LocalKey) -> None:
        now, options = int(self._clock.wall()), self._options
        values = {
            "start": now,
            "heartbeat": options.heartbeat,
            "epoch": options.epoch,
            "unreachable": options.unreachable,
        }
        parameters = Parameters(**{**values, **options.parameters})  # type: ignore[arg-type]  # integers only
        check_parameters(parameters)
        genesis = with_beacon(Genesis("testnet", now, sequencer, parameters), beacon)
        save_genesis(genesis, self._layout.genesis)
        self._deployment = genesis.deployment

    def _write_chain(self, member: Member) -> None:
        keys = {name: _key_table(name) for name in ("sequencer", "beacon")}
        self._write(member, {"genesis": "../genesis.toml"}, keys)

    def _storage(self, name: str, server: str) -> Member:
        member = self._member(name, "storage")
        listen = {"listen": member.address}
        if self._options.relay:
            member, server = self._through_relay(member, server)
            listen["advertise"] = member.address
        signer = self._key(name, "signer").address
        identity = self._key(name, "id").address
        self._callers += (signer, identity)
        self._write(
            member,
            {},
            {
                "server": listen,
                **self._access(server),
                "signer": _key_table("signer"),
                "identity": _key_table("id"),
                "node": {"operator": name, "zone": "here"},
                "space": {"capacity": self._options.capacity, "reserve": "64 MiB"},
                "scrub": {"within": self._options.scrub, "restore_within": "2 min"},
                "process": {"workers": 1},
            },
        )
        return replace(member, id=identity.hex())

    def _through_relay(self, node: Member, server: str) -> tuple[Member, str]:
        """The node as others reach it, and the chain as the node does."""
        outside, chain = self._port(), self._port()
        self._ways[node.name] = {
            "advertised": outside,
            "node": node.address,
            "chain": chain,
            "server": server,
        }
        return replace(node, address=outside), chain

    def _relay(self) -> Member:
        member = Member(RELAY, "relay", "", "")
        self._layout.home(RELAY).mkdir(mode=0o700)
        comment = "for each node: where others come in, where it listens, and likewise to the chain"
        write_toml(self._layout.config(member), self._ways, comment)
        return member

    def _owner(self, server: str) -> Member:
        member = self._member(OWNER, "owner")
        identity = self._key(OWNER, "owner").address
        self._callers.append(identity)
        client = self._key(CLIENT, "key").address
        self._write(
            member,
            {"slice_size": self._options.slice_size},
            {
                **self._access(server),
                "identity": _key_table("owner"),
                "clients": {"allow": [client.hex()]},
                "migration": {"grace": f"{2 * self._options.pace}s", "restore_for": "2 min"},
                "tasks": dict.fromkeys(("auditor", "health", "migrator"), f"{self._options.pace}s"),
            },
        )
        context = Context(
            endpoint=self._endpoint(member),
            owner=identity,
            deployment=self._deployment,
            keystore=self._layout.client / "key.json",
            password_file=self._layout.client / "key.password",
        )
        write_context(self._layout.context, context)
        return replace(member, id=identity.hex())

    def _write(self, member: Member, top: Table, sections: Table) -> None:
        values = {"data": "data", "kv": self._options.kv, **top}
        tables = {"server": {"listen": member.address}, **sections}
        comment = (
            f"{member.name} of a testnet; every key is explained in configs/{member.role}.toml"
        )
        write_toml(self._layout.config(member), {**values, **tables}, comment)

    def _key(self, home: str, name: str) -> LocalKey:
        directory = self._layout.home(home)
        directory.mkdir(mode=0o700, exist_ok=True)
        private_key = self._entropy.draw(32)
        password = self._entropy.draw(PASSWORD_BYTES).hex()
        write_keystore(directory / f"{name}.json", private_key, password, scrypt_n=SCRYPT_N)
        write_secret(directory / f"{name}.password", password + "\n")
        return LocalKey(private_key)

    def _endpoint(self, member: Member) -> Endpoint:
        certificate = open_certificate(self._layout.data(member.name) / CERTIFICATE)
        return Endpoint(member.address, certificate.fingerprint)


def _url(address: str) -> str:
    return f"http://{address}"


def _key_table(name: str) -> Mapping[str, str]:
    return {"keystore": f"{name}.json", "password_file": f"{name}.password"}


def _chain_table(server: Endpoint) -> Mapping[str, str | list[str] | bool]:
    # A testnet's copies of the chain can be lost: the chain server has it.
    return {"genesis": "../genesis.toml", "servers": [endpoint_text(server)], "sync": False}
