"""The allocator, told that buffers of megabytes come and go all the time.

By default every such buffer is mapped anew, page by page, and given back at once, which
costs more processor time than what is done with the bytes; and every thread gets an arena
of its own to fragment.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h
_KEPT = 64 << 20
_LARGEST = 32 << 20
_ARENAS = 2


def keep_large_buffers() -> None:
    """Reuses memory of large buffers. Does nothing where the C library knows no such thing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    for parameter, value in (
        (_MMAP_THRESHOLD, _LARGEST),
        (_TRIM_THRESHOLD, _KEPT),
        (_ARENA_MAX, _ARENAS),
    ):
        mallopt(ctypes.c_int(parameter), ctypes.c_int(value))
