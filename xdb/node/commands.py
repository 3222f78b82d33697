"""What `xdb-node` does, once its command line is understood."""

import argparse
import asyncio
import os
from contextlib import AbstractAsyncContextManager
from typing import Any

from xdb.config.roles import kind_of
from xdb.config.sections import KeyConfig, LogConfig, ProcessConfig
from xdb.config.source import load
from xdb.errors import ConfigError
from xdb.node.process import Running, run, say_ready
from xdb.runtime.logging import configure
from xdb.runtime.memory import keep_large_buffers


def carry_out(options: argparse.Namespace) -> None:
    """One invocation from configuration to end."""
    keep_large_buffers()
    if options.role == "genesis":
        _found(options)
        return
    if options.role == "registry":
        _deploy(options)
        return
    role = "storage" if options.role in {"run", "certificate"} else options.role
    config: Any = load(kind_of(role), options.config, os.environ)
    _set_up_logs(config.log)
    if options.role == "certificate":
        _replace_certificate(config, options)
        return
    daemon = _daemon(role)
    prepared = daemon.prepare(config)
    if options.role == "run":
        _say(asyncio.run(daemon.run_once(prepared, options.once)))
    elif options.check:
        _say(f"{options.config}: configuration, genesis and keys are in order")
    elif getattr(options, "promote", None) is not None:
        _promote(prepared, options)
    else:
        _run(daemon.running(prepared), config.process, options.ready_fd)


def _daemon(role: str) -> Any:  # noqa: ANN401  # one of three modules of the same shape
    if role == "chain":
        from xdb.node.daemons import chain  # noqa: PLC0415  # a role loads its own only

        return chain
    if role == "storage":
        from xdb.node.daemons import storage  # noqa: PLC0415

        return storage
    from xdb.node.daemons import owner  # noqa: PLC0415

    return owner


def _found(options: argparse.Namespace) -> None:
    from xdb.node.founding import Founding, found  # noqa: PLC0415  # once in the life of a chain
    from xdb.runtime.clock import SystemClock  # noqa: PLC0415

    founding = Founding(options.name, options.sequencer, options.set, _beacon(options))
    genesis = found(founding, options.out, SystemClock())
    _say(f"{options.out}: chain {genesis.deployment.chain.hex()}; give everybody a copy")
    if founding.beacon is None:
        _say("it has no beacon: this network audits nothing, now and later (see --beacon)")
    else:
        _say(f"name {founding.beacon.keystore} in [beacon] of the chain server, and back it up")


def _deploy(options: argparse.Namespace) -> None:
    from xdb.node.registry import Order, deploy, section  # noqa: PLC0415  # once per network

    key = KeyConfig(options.keystore, options.password_file)
    _say(section(deploy(Order(options.endpoint, key, options.set))))
    _say("# give everybody these lines; each adds endpoints of its own")


def _beacon(options: argparse.Namespace) -> KeyConfig | None:
    keystore, password_file = options.beacon, options.beacon_password_file
    if keystore is None and password_file is None:
        return None
    if keystore is None or password_file is None:
        raise ConfigError("a beacon needs --beacon and --beacon-password-file: give both")
    return KeyConfig(keystore, password_file)


def _replace_certificate(config: Any, options: argparse.Namespace) -> None:  # noqa: ANN401  # storage's
    from xdb.node.rotation import prepare, switch  # noqa: PLC0415  # once in years

    if options.switch:
        shown = asyncio.run(switch(config))
        _say(f"certificate {shown.hex()} is in place: start the node, which records it as present")
        return
    done = asyncio.run(prepare(config))
    how = "is announced" if done.sent else "was announced already"
    _say(f"{done.path}: the next certificate, {done.certificate.hex()}, {how}")
    _say(
        "what to do next: stop the node, xdb-node certificate --switch --config "
        f"{options.config}, start the node"
    )
    _say(
        "whoever names this node in chain.servers has to correct it then: "
        f"{config.server.address}#{done.certificate.hex()}"
    )


def _promote(prepared: Any, options: argparse.Namespace) -> None:  # noqa: ANN401  # chain's
    from xdb.node.promotion import promote  # noqa: PLC0415  # once in the life of a chain

    height = asyncio.run(
        promote(prepared, options.promote, tuple(options.compare), forced=options.force)
    )
    _say(f"this server goes on with the chain at block {height}: start it")


def _run(
    node: AbstractAsyncContextManager[Running], process: ProcessConfig, ready_fd: int | None
) -> None:
    asyncio.run(run(node, stop_within=process.stop_within, ready=say_ready(ready_fd)))


def _set_up_logs(log: LogConfig) -> None:
    configure(log.level, log.format, log.file)


def _say(text: str) -> None:
    print(text)  # noqa: T201  # what was asked for
