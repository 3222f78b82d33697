"""Says in one line each which optional tools are missing and what is skipped without them.

With XDB_REQUIRE=all a missing tool is an error.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

from xdb.testing.anvil import anvil
from xdb.testnet.anvil import CONTRACTS

TOOLS = {
    "anvil": (
        lambda: anvil() is not None,
        "tests on a real EVM (npm ci in xdb/blockchain/ethereum/contracts)",
    ),
    "solc": (
        lambda: shutil.which("node") is not None and (CONTRACTS / "node_modules" / "solc").is_dir(),
        "the comparison of the contract's artifact with its sources (install Node.js, then npm ci)",
    ),
    "strace": (
        lambda: shutil.which("strace") is not None,
        "tests that fail or kill a node at the N-th system call (install strace)",
    ),
    "mount": (
        lambda: shutil.which("mount") is not None and os.geteuid() == 0,
        "tests on a full disk (need root to mount a small tmpfs)",
    ),
}
NOTES = {
    "plyvel": (
        lambda: importlib.util.find_spec("plyvel") is not None,
        "LevelDB has no wheel for this Python: SQLite is used and tested in its place",
    ),
}


def main() -> int:
    """Prints what is missing; returns 1 when everything is required."""
    missing = [f"skipping {skipped}" for is_there, skipped in TOOLS.values() if not is_there()]
    print(*missing, *[note for is_there, note in NOTES.values() if not is_there()], sep="\n")
    return int(bool(missing) and os.environ.get("XDB_REQUIRE") == "all")


if __name__ == "__main__":
    sys.exit(main())
