"""The colours of yesterday, and every change since: kept, so that a restart forgets nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from xdb.core.encoding import decode, encode
from xdb.index.paging import newest_first, page
from xdb.index.views import Page
from xdb.model.health import Change, Colour, Kind, Subject
from xdb.ports.kv import KeyValue

if TYPE_CHECKING:
    from xdb.services.health.latest import Latest

T = TypeVar("T")

KEPT = 100_000
"""Changes that are remembered; the oldest are forgotten first."""

_COLOURS, _CHANGES = b"health/c/", b"health/e/"
_KEY = 16


@dataclass(frozen=True, slots=True)
class _Colour:
    """A colour other than green, and since when."""

    colour: Colour
    since: int


class HealthBook:
    """Colours of what is not green, and changes of colour, over a key-value store.

    `latest` is what the newest look at everything added up to; a restart forgets it.
    """

    def __init__(self, kv: KeyValue) -> None:
        self.latest: Latest | None = None
        self._kv = kv
        newest = next(iter(kv.scan(_CHANGES, reverse=True)), None)
        self._count = 0 if newest is None else int.from_bytes(newest[0][-8:], "big")

    def colour(self, subject: Subject) -> Colour:
        """What it was last; what is not known was green."""
        found = self._entry(subject)
        return Colour.GREEN if found is None else found.colour

    def since(self, subject: Subject) -> int:
        """Chain time at which it took its colour; 0 while it is green."""
        found = self._entry(subject)
        return 0 if found is None else found.since

    def coloured(self, after: Subject | None = None) -> Iterator[Subject]:
        """Everything that is not green, or that behind a subject."""
        start = b"" if after is None else _colour_key(after)
        for key, _ in self._kv.scan(_COLOURS, after=start):
            yield Subject(Kind(key[len(_COLOURS)]), key[len(_COLOURS) + 1 :])

    async def write(self, changes: Iterable[Change], gone: Iterable[Subject] = ()) -> None:
        """Enters changes, in order, and forgets subjects that are no more."""
        batch: dict[bytes, bytes | None] = {}
        for change in changes:
            self._count += 1
            batch[_change_key(change.time, self._count)] = encode(change)
            entry = None
            if change.after is not Colour.GREEN:
                entry = encode(_Colour(change.after, change.time))
            batch[_colour_key(change.subject)] = entry
        for subject in gone:
            batch[_colour_key(subject)] = None
        if batch:
            batch |= self._outdated()
            await self._kv.write(batch, sync=False)

    def changes(  # noqa: PLR0913  # what a list may be narrowed by
        self,
        *,
        kind: Kind | None = None,
        subject: bytes = b"",
        since: int = 0,
        until: int | None = None,
        after: bytes = b"",
        limit: int = 100,
    ) -> Page[Change]:
        """Changes of chain times [since, until), the newest first; of all kinds and ids, or one.

        A page may be short of `limit` and go on.
        """

        def wanted(_: bytes, value: bytes) -> Change | None:
            change = _read(Change, value)
            if change is None:
                return None
            about = change.subject
            fits = kind in {None, about.kind} and (not subject or about.id == subject)
            return change if fits else None

        pairs = newest_first(self._kv, _CHANGES, since, until, after, _KEY)
        return page(pairs, len(_CHANGES), limit, wanted)

    def _entry(self, subject: Subject) -> _Colour | None:
        value = self._kv.get(_colour_key(subject))
        return None if value is None else _read(_Colour, value)

    def _outdated(self) -> Mapping[bytes, None]:
        found: dict[bytes, None] = {}
        for key, _ in self._kv.scan(_CHANGES):
            if int.from_bytes(key[-8:], "big") > self._count - KEPT:
                break
            found[key] = None
        return found


def _read(kind: type[T], value: bytes) -> T | None:
    """An entry that cannot be read is none: the next look makes it anew."""
    try:
        return decode(kind, value)
    except ValueError:
        return None


def _colour_key(subject: Subject) -> bytes:
    return _COLOURS + bytes([subject.kind]) + subject.id


def _change_key(time: int, count: int) -> bytes:
    return _CHANGES + time.to_bytes(8, "big") + count.to_bytes(8, "big")
