"""Files are cut into slices whose ciphertext, tag included, has a power of two of bytes.

Only the last slice is shorter. An empty file is one empty slice; a file whose size is a
multiple of a slice ends with a full one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

KIB = 1024
SMALLEST_SLICE = 64 * KIB
DEFAULT_SLICE = 4 * KIB * KIB
LARGEST_SLICE = 64 * KIB * KIB

TAG = 16
"""Bytes by which encryption makes a slice longer."""

MAX_SLICES = 1 << 32
"""The encryption's counter has four bytes."""


def is_slice_size(size: int) -> bool:
    """Whether slices may have `size` bytes of ciphertext."""
    return SMALLEST_SLICE <= size <= LARGEST_SLICE and size.bit_count() == 1


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the slices of a file of `size` plaintext bytes begin and end."""

    size: int
    slice_size: int

    def __post_init__(self) -> None:
        if not is_slice_size(self.slice_size):
            raise ValueError(f"no slice has {self.slice_size} bytes")
        if not 0 <= self.size <= MAX_SLICES * self.body:
            raise ValueError(f"no file of {self.size} bytes in slices of {self.slice_size}")

    @property
    def body(self) -> int:
        """Plaintext bytes of a full slice."""
        return self.slice_size - TAG

    @property
    def count(self) -> int:
        """Number of slices."""
        return max(1, -(-self.size // self.body))

    @property
    def last_cipher_length(self) -> int:
        """Ciphertext bytes of the last slice."""
        return self.cipher_length(self.count - 1)

    @property
    def cipher_size(self) -> int:
        """Ciphertext bytes of all slices."""
        return self.size + self.count * TAG

    def is_last(self, index: int) -> bool:
        """Whether slice `index` ends the file."""
        return index == self.count - 1

    def plain_length(self, index: int) -> int:
        """Plaintext bytes of slice `index`."""
        if not 0 <= index < self.count:
            raise ValueError(f"slice {index} of a file of {self.count} slices")
        return min(self.body, self.size - index * self.body)

    def cipher_length(self, index: int) -> int:
        """Ciphertext bytes of slice `index`, tag included."""
        return self.plain_length(index) + TAG

    def slices_of(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """What a range of the plaintext takes: slice index, start and stop within that slice.

        The part of a range that lies beyond the end of the file is left out.
        """
        end = min(offset + length, self.size)
        while offset < end:
            index, start = divmod(offset, self.body)
            stop = min(self.body, start + end - offset)
            yield index, start, stop
            offset += stop - start


def cut(data: bytes, slice_size: int) -> list[bytes]:
    """The plaintext of every slice."""
    body = Layout(len(data), slice_size).body
    return [data[start : start + body] for start in range(0, len(data) or 1, body)]


def join(parts: Sequence[bytes]) -> bytes:
    """The file whose slices these are."""
    return b"".join(parts)
