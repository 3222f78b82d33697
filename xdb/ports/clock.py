"""Time."""

from typing import Protocol


class Clock(Protocol):
    """Two readings and one way to wait."""

    def wall(self) -> float:
        """Unix seconds; may jump. Decides nothing but request lifetimes and displays."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds` of monotonic time."""
        ...
