"""xdb: decentralised storage on nodes that nobody has to trust."""

__version__ = "0.1.0"
