"""JSON-RPC as the backend speaks it: one endpoint, over HTTP by web3.py."""

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from xdb.errors import RejectedError, UnavailableError


@dataclass
class RpcError(RejectedError):
    """An endpoint answered with an error; `data` is what a contract reverted with."""

    code: int
    message: str
    data: bytes = b""

    def __str__(self) -> str:
        """The endpoint's sentence."""
        return self.message


class Rpc(Protocol):
    """One endpoint."""

    @property
    def name(self) -> str:
        """How people are told of it: the address may hold a secret."""
        ...

    async def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401  # JSON
        """The result. RpcError when the endpoint refuses, UnavailableError without an answer."""
        ...

    async def close(self) -> None:
        """Ends connections; safe to repeat."""
        ...


def name_of(url: str) -> str:
    """Host and port of an address, without what may be a key in path, query or user."""
    parts = urlsplit(url)
    return parts.hostname + (f":{parts.port}" if parts.port else "") if parts.hostname else "?"


def result_of(answer: object, name: str) -> Any:  # noqa: ANN401  # JSON
    """What an answer holds: its result, or its error raised."""
    if not isinstance(answer, dict):
        raise UnavailableError(f"{name} answers with something that is no JSON-RPC: try another")
    error = answer.get("error")
    if error is not None:
        raise _error(error)
    if "result" not in answer:
        raise UnavailableError(f"{name} answers without a result: try another endpoint")
    return answer["result"]


def _error(error: object) -> RpcError:
    if not isinstance(error, dict):
        return RpcError(0, str(error))
    code, message = error.get("code"), error.get("message")
    return RpcError(
        code if isinstance(code, int) else 0, str(message or error), _revert(error.get("data"))
    )


def _revert(value: object) -> bytes:
    """The bytes that a call reverted with; endpoints put them in different places."""
    if isinstance(value, dict):
        value = value.get("data", value.get("result"))
    if not isinstance(value, str):
        return b""
    text = value.removeprefix("Reverted ").removeprefix("0x")
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
