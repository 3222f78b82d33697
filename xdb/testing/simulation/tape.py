"""All random draws of a run, by stream, to be recorded, replayed and shortened."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256, shake_128

_BLOCK = 4096


class TapeStream:
    """`Entropy` of one name. Everybody who asks for the name goes on where the last one was.

    So a node that starts again does not draw the ids of its last life again.
    """

    def __init__(self, tape: "Tape", name: str, given: bytes | None) -> None:
        self._tape = tape
        self._name = name
        self._given = given
        self._key = sha256(f"{tape.seed} {name}".encode()).digest()
        self._block = b""
        self._number = 0
        self._at = 0
        self.drawn = 0

    def draw(self, count: int) -> bytes:
        """See `Entropy`."""
        start, self.drawn = self.drawn, self.drawn + count
        if self._given is not None:
            return self._given[start : self.drawn].ljust(count, b"\0")
        taken = self._block[self._at : self._at + count]
        self._at += count
        while len(taken) < count:
            missing = count - len(taken)
            self._block = self._made(self._number)
            self._number += 1
            taken += self._block[:missing]
            self._at = missing
        return taken

    def stream(self, purpose: str) -> "TapeStream":
        """See `Entropy`."""
        return self._tape.stream(f"{self._name}/{purpose}")

    def recorded(self) -> bytes:
        """What was drawn so far, computed anew: nothing needs to be kept."""
        if self._given is not None:
            return self._given[: self.drawn]
        blocks = range(-(-self.drawn // _BLOCK))
        return b"".join(self._made(number) for number in blocks)[: self.drawn]

    def _made(self, number: int) -> bytes:
        return shake_128(self._key + number.to_bytes(8, "big")).digest(_BLOCK)


class Tape:
    """The source of every draw of a run: named streams that a seed determines.

    Streams named in `given` are replayed instead: they give those bytes, and zeros behind
    them. Whoever chooses by a draw lets zero be the plainest choice (no fault, no change of
    order, the first of a list), so that a shortened tape is a simpler run. Ids and keys are
    never drawn from a stream that is shortened, since zeros would make them equal.
    """

    def __init__(self, seed: int | str, given: Mapping[str, bytes] | None = None) -> None:
        self.seed = seed
        self._given = dict(given or {})
        self._streams: dict[str, TapeStream] = {}

    def stream(self, name: str) -> TapeStream:
        """The stream of that name; draws from it shift no other's."""
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = TapeStream(self, name, self._given.get(name))
        return found

    def recorded(self, chosen: Callable[[str], bool] = lambda _name: True) -> dict[str, bytes]:
        """What was drawn from each stream (those that `chosen` picks), to be given again."""
        return {
            name: stream.recorded()
            for name, stream in sorted(self._streams.items())
            if stream.drawn and chosen(name)
        }


def shrink(
    recorded: Mapping[str, bytes],
    fails: Callable[[Mapping[str, bytes]], bool],
    *,
    tries: int = 1000,
) -> dict[str, bytes]:
    """The simplest tape found that still `fails`: parts are taken out or set to zero.

    Streams are taken in the order of the mapping: name those of faults first. `fails` runs
    the simulation on a tape; it is called at most `tries` times.
    """
    best, before = dict(recorded), dict[str, bytes]()
    while best != before and tries > 0:
        before = dict(best)
        for name, data in before.items():
            work = _Shortening(data, tries)
            for candidate in work.candidates():
                if fails({**best, name: candidate}):
                    work.take(candidate)
            best[name], tries = work.data, work.tries
    return best


class _Shortening:
    """One stream on its way to be shorter, in parts that become smaller."""

    def __init__(self, data: bytes, tries: int) -> None:
        self.data = data
        self.tries = tries

    def take(self, candidate: bytes) -> None:
        """The one that was tried last will do."""
        self.data = candidate

    def candidates(self) -> Iterator[bytes]:
        """What to try next; goes on from what was taken."""
        size = len(self.data)
        while size:
            start = 0
            while start < len(self.data):
                before, data = len(self.data), self.data
                for candidate in _without(data, start, size):
                    if not self.tries:
                        return
                    self.tries -= 1
                    yield candidate
                    if self.data is not data:
                        break
                start += size if len(self.data) == before else 0
            size //= 2


def _without(data: bytes, start: int, size: int) -> Iterator[bytes]:
    """Without a part, or with nothing but zeros in it."""
    part = data[start : start + size]
    yield data[:start] + data[start + size :]
    if any(part) and start + size < len(data):  # zeros at the end are no different from none
        yield data[:start] + bytes(len(part)) + data[start + size :]
