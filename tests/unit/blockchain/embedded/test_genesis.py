from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.blockchain.embedded.genesis import (
    Genesis,
    load_genesis,
    read_genesis,
    save_genesis,
    write_genesis,
)
from xdb.errors import ConfigError
from xdb.model.ids import Address, Digest
from xdb.model.registry import Parameters
from xdb.testing.embedded import genesis

GENESIS = genesis()
TEXT = write_genesis(GENESIS)


@settings(deadline=None, max_examples=60)
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    time=st.integers(0, 2**40),
    beacons=st.lists(st.binary(min_size=32, max_size=32), max_size=3),
)
def test_what_is_written_is_read(name, time, beacons):
    parameters = Parameters(start=time, beacons=tuple(Digest(b) for b in beacons))
    wanted = Genesis(name, time, Address(b"\1" * 20), parameters)
    assert read_genesis(write_genesis(wanted)) == wanted


def test_every_parameter_is_written():
    assert all(f"{field.name} = " in TEXT for field in fields(Parameters))


def test_every_field_counts_for_the_chain_id():
    chains = {GENESIS.deployment.chain}
    others = [
        replace(GENESIS, name="other"),
        replace(GENESIS, time=GENESIS.time + 1),
        replace(GENESIS, sequencer=Address(b"\2" * 20)),
    ]
    for field in fields(Parameters):
        value = getattr(GENESIS.parameters, field.name)
        changed = value + 1 if isinstance(value, int) else (Digest(bytes(32)),)
        others.append(
            replace(GENESIS, parameters=replace(GENESIS.parameters, **{field.name: changed}))
        )
    chains |= {other.deployment.chain for other in others}
    assert len(chains) == len(others) + 1


def test_beacons_are_bound_to_everything_but_themselves():
    def changed(**values):
        return replace(GENESIS, parameters=replace(GENESIS.parameters, **values))

    context = GENESIS.beacon_context
    assert changed(beacons=(Digest(bytes(32)),)).beacon_context == context
    others = {
        replace(GENESIS, name="other").beacon_context,
        replace(GENESIS, time=GENESIS.time + 1).beacon_context,
        replace(GENESIS, sequencer=Address(b"\2" * 20)).beacon_context,
        changed(epoch=GENESIS.parameters.epoch + 1).beacon_context,
        GENESIS.deployment.chain,
    }
    assert len(others | {context}) == 6


def test_the_contract_is_the_same_everywhere():
    assert GENESIS.deployment.contract.hex() == "b97444485404146bddf49b65e6712fb9e9b7bea8"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epoch = 3600", "epoch = 7200", "it was edited"),
        ("epoch = 3600", "epoch = 3600\nepok = 3", "unknown key parameters.epok"),
        ('name = "test"', 'name = "test"\ncolour = 3', "unknown key colour"),
        ("epoch = 3600", 'epoch = "1h"', "epoch = '1h' is no int"),
        ("epoch = 3600", "epoch = true", "epoch = True is no int"),
        ("epoch = 3600", "epoch = -1", "out of range"),
        ("format = 1", "format = 2", "format 2 is not known"),
        ('sequencer = "', 'sequencer = "00', "hexadecimal"),
        ('name = "test"', "", "'name' is missing"),
        ("format = 1", "format", "no valid TOML"),
        ("beacons = []", 'beacons = ["00"]', "hexadecimal"),
        ("beacons = []", 'beacons = "00"', "no list"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(old, new, words):
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        read_genesis(TEXT.replace(old, new), "/etc/genesis.toml")
    assert "/etc/genesis.toml" in str(caught.value)
    assert words in str(caught.value)


def test_parameters_that_promise_nothing_are_refused():
    bad = replace(GENESIS, parameters=replace(GENESIS.parameters, retention=1))
    with pytest.raises(ConfigError, match="retention"):
        read_genesis(write_genesis(bad))


def test_files(tmp_path):
    path = tmp_path / "genesis.toml"
    with pytest.raises(ConfigError, match="cannot read"):
        load_genesis(path)
    save_genesis(GENESIS, path)
    assert load_genesis(path) == GENESIS
    with pytest.raises(ConfigError, match="there already"):
        save_genesis(replace(GENESIS, name="other"), path)
    assert load_genesis(path) == GENESIS
