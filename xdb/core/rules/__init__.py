"""The registry contract as pure functions; docs/registry.md tells it in words.

`apply` says what a call does to the state it reads, `execute` the same for a signed
envelope. Both return all writes and events, or raise RefusedCallError and nothing else.
"""

from xdb.core.rules.apply import apply, execute
from xdb.core.rules.state import Context, Effects, Reader

__all__ = ["Context", "Effects", "Reader", "apply", "execute"]
