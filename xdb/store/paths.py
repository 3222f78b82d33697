"""Relative paths."""


def parts_of(path: str) -> list[str]:
    """The components of a path below a root, none for the root; ValueError for any other."""
    parts = path.split("/") if path else []
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ValueError(f"{path!r} is no relative path")
    return parts
