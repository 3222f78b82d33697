"""Health: scores, colours, repair triggers, changes of colour; docs/health.md tells it in words.

Pure functions of what chain and probes have shown. Colours inform; triggers repair.
"""

from xdb.core.health.changes import Survey, changes, snapshot
from xdb.core.health.files import counted, file_colour, summarize, system_colour
from xdb.core.health.score import (
    assess,
    colour,
    expected_heartbeats,
    possible_heartbeats,
    score,
    show,
    tally,
    window_start,
)
from xdb.core.health.triggers import node_triggers, slot_health

__all__ = [
    "Survey",
    "assess",
    "changes",
    "colour",
    "counted",
    "expected_heartbeats",
    "file_colour",
    "node_triggers",
    "possible_heartbeats",
    "score",
    "show",
    "slot_health",
    "snapshot",
    "summarize",
    "system_colour",
    "tally",
    "window_start",
]
