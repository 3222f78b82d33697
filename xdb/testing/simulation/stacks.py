"""Where tasks stand."""

import asyncio
from collections.abc import Iterable
from typing import Any


def stacks(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """Every task by name, with the lines it waits in, the innermost last."""
    return "\n".join("\n".join([f"{task.get_name()}:", *_lines(task.get_coro())]) for task in tasks)


def _lines(awaited: Any) -> list[str]:  # noqa: ANN401  # a coroutine, a generator or a future
    found = []
    while awaited is not None:
        frame = _first(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is None:
            break
        code = frame.f_code
        found.append(f"  {code.co_filename}:{frame.f_lineno} {code.co_qualname}")
        awaited = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
    if awaited is not None:
        found.append(f"  waits for a {type(awaited).__name__}")
    return found


def _first(holder: Any, *names: str) -> Any:  # noqa: ANN401  # whatever the attribute holds
    return next((value for name in names if (value := getattr(holder, name, None))), None)
