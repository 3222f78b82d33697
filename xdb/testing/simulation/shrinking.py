"""A seed that fails, made simpler, to be kept as a test.

What decides about faults and operations is recorded, shortened as long as the same kind of
error comes of it, and written down: `tests/simulation/tapes` replays all that were kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xdb.testing.simulation.campaign import simulate
from xdb.testing.simulation.run import Outcome
from xdb.testing.simulation.tape import Tape, shrink

STREAMS = ("fate", "weather", "chain", "cuts", "owner", "restarts", "steps", "rot", "work")
"""Streams that choose, those of faults first. Ids and keys come of others."""
TRIES = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """A life that is determined by more than its seed."""

    profile: str
    seed: int
    given: Mapping[str, bytes]

    def run(self) -> Outcome[dict[str, Any]]:
        """Lives it."""
        return simulate(self.seed, self.profile, Tape(self.seed, self.given))

    def json(self) -> str:
        """As `read` takes it."""
        given = {name: data.hex() for name, data in sorted(self.given.items())}
        kept = {"profile": self.profile, "seed": self.seed, "given": given}
        return json.dumps(kept, indent=1) + "\n"


def read(text: str) -> Kept:
    """What `Kept.json` wrote."""
    found = json.loads(text)
    given = {name: bytes.fromhex(data) for name, data in found["given"].items()}
    return Kept(found["profile"], found["seed"], given)


def shrunk(seed: int, profile: str, tries: int = TRIES) -> Kept | None:
    """The simplest life found that fails as the seed does; None when it does not fail."""
    tape = Tape(seed)
    kind = _failure(seed, profile, tape)
    if kind is None:
        return None
    recorded = tape.recorded(lambda name: name.split(" ")[0] in STREAMS)

    def fails(given: Mapping[str, bytes]) -> bool:
        return _failure(seed, profile, Tape(seed, given)) is kind

    order = sorted(recorded, key=lambda name: (STREAMS.index(name.split(" ")[0]), name))
    return Kept(profile, seed, shrink({name: recorded[name] for name in order}, fails, tries=tries))


def _failure(seed: int, profile: str, tape: Tape) -> type[Exception] | None:
    try:
        simulate(seed, profile, tape)
    except Exception as error:  # noqa: BLE001  # whatever it is that goes wrong
        return type(error)
    return None
