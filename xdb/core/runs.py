"""Values of fixed width, for `core.encoding`: what follows each other is one struct.

A *shape* is a kind all of whose values have the same width: a number, a flag, an
identifier, a record of such. Its *leaves* are the items of the struct. The fields of a
record that follow each other and have shapes are a *run*: taken from the record in one
step, packed in one, unpacked in one.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import chain, starmap
from operator import attrgetter
from typing import Any

Pack = Callable[[Any], bytes]
Settle = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Leaf:
    """An item of a struct, and where in the value it stands: names with dots, or nothing.

    `give` makes of a value what is packed, `take` of what was unpacked the value; both
    raise ValueError. `width` is that of an identifier, which no other length will do for.
    """

    format: str
    path: str = ""
    width: int | None = None
    give: Callable[[Any], int] | None = None
    take: Callable[[int], Any] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The leaves of a value, and for a record the class that is made of its settled fields."""

    leaves: tuple[Leaf, ...]
    kind: Callable[..., Any] | None = None
    settle: Settle | None = None

    @property
    def struct(self) -> struct.Struct:
        """What packs and unpacks the leaves."""
        return struct.Struct(">" + "".join(leaf.format for leaf in self.leaves))


def number() -> Shape:
    """An unsigned 64-bit integer."""
    return Shape((Leaf("Q"),))


def flag() -> Shape:
    """A bool."""

    def take(byte: int) -> bool:
        if byte > 1:
            raise ValueError(f"{byte} is no flag")
        return byte == 1

    return Shape((Leaf("B", give=bool, take=take),))


def enumeration(kind: type[IntEnum]) -> Shape:
    """A member of an IntEnum."""
    members = {int(member): member for member in kind}

    def member(value: int) -> IntEnum:
        found = members.get(value)
        return kind(value) if found is None else found  # the class says what is wrong

    return Shape((Leaf("B", give=member, take=member),))


def identifier(width: int) -> Shape:
    """Bytes, so many."""
    return Shape((Leaf(f"{width}s", width=width),))


def run(fields: Sequence[tuple[str, Shape]]) -> Shape:
    """Fields that follow each other: all leaves, to be settled into one value per field."""
    leaves: list[Leaf] = []
    takes: list[tuple[int, Callable[[int], Any]]] = []
    records: list[tuple[int, int, Callable[[Sequence[Any]], Any]]] = []
    for name, shape in fields:
        first = len(leaves)
        leaves += (replace(leaf, path=f"{name}.{leaf.path}".rstrip(".")) for leaf in shape.leaves)
        if shape.kind is not None:
            records.append((first, len(leaves), builder(shape)))
        elif (take := leaves[first].take) is not None:
            takes.append((first, take))
    records.reverse()  # so that what is not settled yet stays in its place

    def settle(flat: Sequence[Any]) -> Sequence[Any]:
        values = list(flat)
        for place, take in takes:
            values[place] = take(values[place])
        for first, end, build in records:
            values[first:end] = (build(values[first:end]),)
        return values

    return Shape(tuple(leaves), settle=settle if takes or records else None)


def record(kind: Callable[..., Any], fields: Sequence[tuple[str, Shape]]) -> Shape:
    """A record all of whose fields have shapes."""
    return replace(run(fields), kind=kind)


def builder(shape: Shape) -> Callable[[Sequence[Any]], Any]:
    """Makes the value out of unpacked leaves."""
    kind, settle, take = shape.kind, shape.settle, shape.leaves[0].take
    if kind is None:
        return (lambda flat: take(flat[0])) if take else (lambda flat: flat[0])
    if settle is None:
        return lambda flat: kind(*flat)
    return lambda flat: kind(*settle(flat))


def each(shape: Shape) -> Callable[[Iterable[tuple[Any, ...]]], Iterable[Any]]:
    """Makes a value out of each tuple of unpacked leaves."""
    kind, settle, take = shape.kind, shape.settle, shape.leaves[0].take
    if kind is not None:
        if settle is None:
            return lambda flats: starmap(kind, flats)
        build = builder(shape)
        return lambda flats: map(build, flats)
    if take is None:
        return chain.from_iterable
    return lambda flats: map(take, chain.from_iterable(flats))


def packer(shape: Shape) -> Pack:
    """Packs the leaves of a value; ValueError when one does not fit."""
    pack, leaves_of = shape.struct.pack, _leaves_of(shape.leaves)
    gives = [(place, leaf.give) for place, leaf in enumerate(shape.leaves) if leaf.give]
    widths = [(place, leaf.width) for place, leaf in enumerate(shape.leaves) if leaf.width]

    def packed(value: object) -> bytes:
        leaves = leaves_of(value)
        for place, width in widths:  # a struct would fill up and cut off
            if len(leaves[place]) != width:
                raise ValueError(f"{len(leaves[place])} bytes where {width} belong")
        if gives:
            leaves = list(leaves)
            for place, give in gives:
                leaves[place] = give(leaves[place])
        try:
            return pack(*leaves)
        except struct.error:
            return anew(leaves)

    def anew(leaves: Sequence[Any]) -> bytes:
        """Once more, for a struct takes no views; what fails now does not fit."""
        try:
            return pack(*(bytes(leaf) if type(leaf) is memoryview else leaf for leaf in leaves))
        except struct.error as error:
            raise ValueError(f"not unsigned 64-bit integers and bytes: {leaves}") from error

    return packed


def _leaves_of(leaves: Sequence[Leaf]) -> Callable[[Any], Sequence[Any]]:
    if len(leaves) > 1:
        return attrgetter(*(leaf.path for leaf in leaves))
    if leaves[0].path:
        get = attrgetter(leaves[0].path)
        return lambda value: (get(value),)
    return lambda value: (value,)
