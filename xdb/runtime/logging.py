"""Structured logs: an event `noun.verb` and ids as fields.

Never keys, plaintext or names of files: what is called like a secret is not written, and
bytes appear as hexadecimal.
"""

import asyncio
import logging
import re
import sys
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]
Log = structlog.stdlib.BoundLogger

_SECRET = re.compile(
    r"password|secret|private|phrase|content_key|wrapped|token|plaintext", re.IGNORECASE
)
_ROTATE_AT = 16 << 20
_KEEP = 4


def configure(level: Level = "info", style: Format = "text", file: Path | None = None) -> None:
    """Sends all logs to standard error, or to a file that is rotated at 16 MiB."""
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        handler = RotatingFileHandler(file, maxBytes=_ROTATE_AT, backupCount=_KEEP)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=file is None and sys.stderr.isatty())
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    for former in root.handlers:
        former.close()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("asyncio", "grpc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_news)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _is_news(record: logging.LogRecord) -> bool:
    # grpc reports every call that was cut off by the end of its server or caller
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def logger(name: str) -> Log:
    """The log of one part of the system."""
    log: Log = structlog.get_logger(name)
    return log


def redact(_log: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401  # as structlog has it
    """Takes out what is called like a secret; writes bytes as hexadecimal."""
    for name, value in event.items():
        if _SECRET.search(name):
            event[name] = "[not logged]"
        elif isinstance(value, bytes):
            event[name] = value.hex()
    return event
