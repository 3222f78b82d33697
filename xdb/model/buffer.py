"""Anything that holds bytes."""

Buffer = bytes | bytearray | memoryview
