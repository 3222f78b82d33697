"""How periodic tasks are doing, as daemons tell it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task. Times are Unix seconds, 0 for never; `server` is where a chain task runs."""

    name: str
    every: int
    runs: int
    failures: int
    last_run: int
    next_run: int
    last_report: str
    last_error: str
    degraded: bool
    server: str = ""


@dataclass(frozen=True, slots=True)
class TaskList:
    """Tasks, and why others are missing."""

    tasks: tuple[TaskStatus, ...]
    problems: tuple[str, ...] = ()
