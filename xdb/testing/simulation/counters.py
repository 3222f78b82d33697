"""Which rare states were reached: what a simulation never came to, it did not test."""

from collections import Counter
from collections.abc import Iterable, Mapping


class Counters:
    """How often each of the declared states was reached, in one run or in many.

    Only declared names count: a state that is renamed where it is reached, and not where
    it is declared, would be missed for ever.
    """

    def __init__(self, declared: Iterable[str]) -> None:
        self._counts: Counter[str] = Counter(dict.fromkeys(declared, 0))

    def reached(self, name: str) -> None:
        """A state was reached."""
        if name not in self._counts:
            raise KeyError(f"{name!r} is no declared state: declare it, so that its absence shows")
        self._counts[name] += 1

    def merge(self, counts: Mapping[str, int]) -> None:
        """Adds another run's, as `counts` gave them; both declare the same states."""
        if counts.keys() != self._counts.keys():
            odd = sorted(counts.keys() ^ self._counts.keys())
            raise ValueError(f"runs that declare other states cannot be added: {', '.join(odd)}")
        self._counts.update(counts)

    def counts(self) -> dict[str, int]:
        """All of them by name."""
        return dict(sorted(self._counts.items()))

    def unreached(self) -> list[str]:
        """States that were never reached, sorted."""
        return sorted(name for name, count in self._counts.items() if not count)
