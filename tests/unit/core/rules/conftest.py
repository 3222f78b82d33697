from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager

import pytest

from xdb.errors import RefusedCallError
from xdb.model.refusal import Refusal
from xdb.testing.registry import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def refused(world: World) -> Callable[..., AbstractContextManager[None]]:
    """Expects a refusal with this code and these words, and no effect on the state."""

    @contextmanager
    def expect(refusal: Refusal, *words: str):
        before = dict(world.chain.state.values)
        with pytest.raises(RefusedCallError) as caught:
            yield
        assert Refusal(caught.value.refusal) is refusal, caught.value
        for word in words:
            assert word in str(caught.value)
        assert world.chain.state.values == before

    return expect
