from dataclasses import replace

import pytest

from xdb.core.rules.parameters import check_parameters
from xdb.errors import ConfigError
from xdb.model.registry import Parameters

GOOD = Parameters(start=1)


def test_defaults_are_sound():
    check_parameters(GOOD)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"epoch": 0}, "epoch"),
        ({"leaf_size": -1}, "leaf_size"),
        ({"notice": 2**62}, "notice"),
        ({"retention": 7199}, "two epochs"),
        ({"epoch": 10, "retention": 3599}, "outlive"),
        ({"stray_grace": 3600}, "strays"),
    ],
)
def test_unsound_parameters_are_refused(change, word):
    with pytest.raises(ConfigError, match=word):
        check_parameters(replace(GOOD, **change))
