"""Events that make no sense."""

from xdb.errors import IntegrityError


class PoisonError(IntegrityError):
    """An event does not fit what went before. It is counted and passed over."""
