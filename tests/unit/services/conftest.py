import pytest

from xdb.testing.network import network
from xdb.testing.owner import OwnerBench


@pytest.fixture
async def net():
    async with network() as made:
        yield made


@pytest.fixture
def bench(net):
    return OwnerBench(net)
