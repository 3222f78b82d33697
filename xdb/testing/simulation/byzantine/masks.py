"""Standing before an object and doing some of its methods in another way."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Mask:
    """All that is not replaced is the object's own."""

    def __init__(self, handle: object, methods: dict[str, Callable[..., Any]]) -> None:
        self._handle = handle
        self._methods = methods

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the object has
        found = self._methods.get(name)
        return getattr(self._handle, name) if found is None else found


def masked(handle: T, **methods: Callable[..., Any]) -> T:
    """`handle` as others see it, with these methods in place of its own."""
    return cast("T", _Mask(handle, methods))
