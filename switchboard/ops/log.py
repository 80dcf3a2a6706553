"""Structured logs: constant event names, key=value, masked before they are rendered."""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Final, cast

import structlog
from structlog.contextvars import merge_contextvars
from structlog.types import FilteringBoundLogger, Processor

from config.schema import Log
from switchboard.ops.log_sink import LogSink
from switchboard.ops.masking import clean_event

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_CHATTY: Final = ("uvicorn", "litestar", "sqlalchemy", "alembic", "asyncio", "watchfiles")
"""Libraries that are heard from a warning on."""

_sink: LogSink | None = None


def setup_log(settings: Log) -> LogSink:
    """Send our logs and those of libraries to stderr or the file of the configuration, until `close_log`."""
    global _sink  # the process has one log
    close_log()
    sink = LogSink(Path(settings.file) if settings.file else 2)
    level = _LEVELS[settings.level]
    render = _renderer(settings, colors=settings.file is None and sys.stderr.isatty())
    first: list[Processor] = [
        merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        cast("Processor", clean_event),
    ]
    structlog.configure(
        processors=[*first, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(sink),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(sink, first, render)]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    _sink = sink
    atexit.register(close_log)  # the writer is a daemon thread: what waits would be lost
    return sink


def close_log() -> None:
    """Write what waits and go back to structlog's defaults."""
    global _sink
    if _sink is not None:
        logging.getLogger().handlers.clear()
        structlog.reset_defaults()
        _sink.close()
        _sink = None
        atexit.unregister(close_log)


def get_logger() -> FilteringBoundLogger:
    """The log of this process; take it after `setup_log`, bind a call's id with `structlog.contextvars`."""
    return cast("FilteringBoundLogger", structlog.get_logger())


def lines_dropped() -> int:
    """Lines lost since the start because the reader was too slow."""
    return _sink.dropped if _sink is not None else 0


def _renderer(settings: Log, *, colors: bool) -> Processor:
    if settings.format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=24)


class _Lines:
    """The sink as the logger that structlog hands rendered lines to."""

    __slots__ = ("critical", "debug", "error", "exception", "info", "warning")

    def __init__(self, sink: LogSink) -> None:
        self.debug = self.info = self.warning = sink.write
        self.error = self.exception = self.critical = sink.write


class _Bridge(logging.Handler):
    """Takes records of libraries through the same processors."""

    def __init__(self, sink: LogSink, processors: list[Processor], render: Processor) -> None:
        super().__init__()
        self._sink = sink
        self._processors = processors
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        """Render one record; a record that cannot be formatted is named, not raised."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        event: MutableMapping[str, Any] = {"event": text, "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        method = record.levelname.lower()
        result: Any = event
        for processor in [*self._processors, self._render]:
            result = cast("Callable[..., Any]", processor)(None, method, result)
        self._sink.write(str(result))
