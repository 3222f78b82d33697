import pytest

from xdb.index.index import Index
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.registry import World


class Indexed(World):
    """A world whose chain is followed by an index, by hand."""

    def __init__(self, **options):
        super().__init__(**options)
        self.kv = MemoryKeyValue()
        self.index = Index(self.kv, self.parameters)

    async def follow(self):
        """Takes in everything there is."""
        last = self.chain.head
        async for item in self.chain.events().follow(self.index.head.height):
            await self.index.apply(item)
            head = self.index.head
            if head.height == last.height and head.final >= last.final:
                return

    async def pass_time(self, seconds):
        self.chain.advance(seconds)
        await self.follow()


@pytest.fixture
def world():
    return Indexed()
