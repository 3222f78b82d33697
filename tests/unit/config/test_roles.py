import dataclasses
import re
from pathlib import Path

import pytest

from xdb.config.owner import OWNER_TASKS, OwnerConfig, OwnerTasksConfig
from xdb.config.roles import ROLES, kind_of
from xdb.config.source import load
from xdb.config.storage import STORAGE_TASKS, SpaceConfig, StorageConfig, TasksConfig
from xdb.config.table import leaves
from xdb.errors import ConfigError

CONFIGS = Path(__file__).parents[3] / "configs"
FILES = sorted(CONFIGS.rglob("*.toml"))


def documented_keys(text):
    """Keys of a file, set or shown in a comment, with the sections they stand in."""
    section = ()
    for line in text.splitlines():
        if header := re.fullmatch(r"\[([a-z_.]+)\]", line):
            section = tuple(header[1].split("."))
        elif key := re.match(r"(?:# )?([a-z_]+) = ", line):
            yield (*section, key[1])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONFIGS)))
def test_every_sample_loads(file):
    kind = kind_of(file.stem)
    assert isinstance(load(kind, file, {}), kind)


def test_there_is_a_full_and_a_minimal_sample_of_every_role():
    names = {file.relative_to(CONFIGS) for file in FILES}
    expected = {Path(folder, f"{role}.toml") for role in ROLES for folder in ("", "minimal")}
    # Ethereum needs no chain servers
    assert names == expected | {Path("ethereum", f"{role}.toml") for role in ("storage", "owner")}


@pytest.mark.parametrize("role", ROLES)
def test_full_sample_documents_every_key_and_no_other(role):
    documented = set(documented_keys((CONFIGS / f"{role}.toml").read_text()))
    assert documented == {path for path, _ in leaves(kind_of(role))}


@pytest.mark.parametrize("role", ROLES)
def test_full_sample_shows_the_defaults(role):
    full = load(kind_of(role), CONFIGS / f"{role}.toml", {})
    minimal = load(kind_of(role), CONFIGS / "minimal" / f"{role}.toml", {})
    set_in_both = {
        "data",
        "genesis",
        "server",
        "sequencer",
        "beacon",
        "signer",
        "identity",
        "space",
    }
    for field in dataclasses.fields(full):
        if field.name == "chain":
            assert full.chain.follow == minimal.chain.follow
            assert full.chain.submit == minimal.chain.submit
            assert full.chain.ethereum == minimal.chain.ethereum
        elif field.name not in set_in_both:
            assert getattr(full, field.name) == getattr(minimal, field.name)


def test_node_without_identity_must_be_named(tmp_path):
    text = (CONFIGS / "minimal" / "storage.toml").read_text()
    text = re.sub(r"\[identity\]\n.*\n.*\n", "", text)
    (tmp_path / "storage.toml").write_text(text)
    with pytest.raises(ConfigError, match="who is this node"):
        load(StorageConfig, tmp_path / "storage.toml", {})
    named = load(StorageConfig, tmp_path / "storage.toml", {"XDB_NODE_ID": "ab" * 20})
    assert named.node.address == b"\xab" * 20


def test_owners():
    assert SpaceConfig(1, owners=("any",)).allowed is None
    assert SpaceConfig(1, owners=("ab" * 20,)).allowed == {b"\xab" * 20}
    assert SpaceConfig(1).allowed == frozenset()
    with pytest.raises(ConfigError, match="is not an identity"):
        SpaceConfig(1, owners=("somebody",))
    with pytest.raises(ConfigError, match="capacity is 0"):
        SpaceConfig(0)


def test_nested_tables_keep_the_defaults_around_what_is_set():
    file = CONFIGS / "minimal" / "owner.toml"
    config = load(OwnerConfig, file, {"XDB_LIMITS_BULK_CALLS": "5"})
    default = load(OwnerConfig, file, {}).limits
    assert config.limits == dataclasses.replace(
        default, bulk=dataclasses.replace(default.bulk, calls=5)
    )


def test_slice_size_is_checked():
    with pytest.raises(ConfigError, match="choose a power of two"):
        load(OwnerConfig, CONFIGS / "minimal" / "owner.toml", {"XDB_SLICE_SIZE": "5 MiB"})


def test_unknown_role():
    with pytest.raises(ConfigError, match="there is no role"):
        kind_of("keeper")


@pytest.mark.parametrize(
    ("config", "names"), [(TasksConfig, STORAGE_TASKS), (OwnerTasksConfig, OWNER_TASKS)]
)
def test_only_tasks_that_there_are_can_be_switched_off(config, names):
    assert config(off=names).off == names
    with pytest.raises(ConfigError, match=f"'nonsense': choose from {', '.join(names)}"):
        config(off=("nonsense",))
