"""Configuration of role chain: the sequencer of an embedded chain."""

from dataclasses import dataclass, field
from pathlib import Path

from xdb.blockchain.embedded.config import SequencerConfig
from xdb.config.sections import KeyConfig, KeyValueKind, LogConfig, ProcessConfig, ServerConfig
from xdb.rpc.limits import Limits


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """Everything a chain server is told."""

    data: Path
    genesis: Path
    server: ServerConfig
    sequencer: KeyConfig
    beacon: KeyConfig | None = None  # whose commitment the genesis has
    kv: KeyValueKind = "auto"
    calls: SequencerConfig = field(default_factory=SequencerConfig)
    limits: Limits = field(default_factory=Limits)
    log: LogConfig = field(default_factory=LogConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)
