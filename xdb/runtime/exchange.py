"""What a process and its worker say to each other.

Messages are pickled, each behind four bytes of length. The bytes to work on are not in
them: they stand in memory that both have mapped.
"""

import mmap
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Request:
    """Call `work` on the first `source` bytes of `size` shared ones, and on the next `target`."""

    work: Callable[..., Any]
    size: int
    source: int
    target: int | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the call returned or raised."""

    result: Any = None
    error: BaseException | None = None


def send(stream: BinaryIO, message: object) -> None:
    """Writes one message."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(len(data).to_bytes(_LENGTH, "big") + data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:  # noqa: ANN401  # whatever was sent
    """Reads one message; None at the end of the stream."""
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    data = stream.read(int.from_bytes(head, "big"))
    # only ever a pipe between a process and the worker it started
    return pickle.loads(data)  # noqa: S301


def serve(shared: int, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until they end."""
    memory: mmap.mmap | None = None
    while (request := receive(requests)) is not None:
        if memory is None or len(memory) != request.size:
            if memory is not None:
                memory.close()
            memory = mmap.mmap(shared, request.size)
        send(answers, _answer(memory, request))


def _answer(memory: mmap.mmap, request: Request) -> Answer:
    with memoryview(memory) as view, view[: request.source] as source:
        try:
            if request.target is None:
                return Answer(request.work(source, *request.args, **request.kwargs))
            end = request.source + request.target
            with view[request.source : end] as target:
                return Answer(request.work(source, target, *request.args, **request.kwargs))
        except Exception as error:  # noqa: BLE001  # raised again where the answer is read
            return Answer(error=error)
