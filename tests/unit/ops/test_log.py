"""Log lines from our code and from libraries, as they reach the file."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from config.schema import Log
from switchboard.ops.log import close_log, get_logger, lines_dropped, setup_log
from switchboard.ops.log_sink import LogSink


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    close_log()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def written(path: Path) -> list[str]:
    """The lines after the log was closed."""
    close_log()
    return path.read_text().splitlines()


def test_json_lines_carry_level_time_and_context(tmp_path: Path) -> None:
    """A line is one JSON object with the constant event name, what was bound, and masked values."""
    file = tmp_path / "log" / "switch.log"
    setup_log(Log(format="json", file=str(file)))
    with structlog.contextvars.bound_contextvars(call_id="0190a1b2-0000-7000-8000-139567812345"):
        get_logger().info("call.opened", called="13956781234", port=5060)
    (line,) = written(file)
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "call.opened",
        "level": "info",
        "call_id": "0190a1b2-0000-7000-8000-139567812345",
        "called": "139****1234",
        "port": 5060,
    }
    assert file.stat().st_mode & 0o777 == 0o600


def test_console_lines_are_one_each(tmp_path: Path) -> None:
    """What a peer sends cannot add a line to the console format."""
    file = tmp_path / "switch.log"
    setup_log(Log(file=str(file)))
    get_logger().warning("sip.rejected", reason="x\r\n2026-01-01 [info] forged")
    (line,) = written(file)
    assert "sip.rejected" in line
    assert "reason='x2026-01-01 [info] forged'" in line


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels_below_the_set_one_are_silent(tmp_path: Path, level: str, count: int) -> None:
    """Each level lets itself and the graver ones through."""
    file = tmp_path / "switch.log"
    setup_log(Log(level=level, file=str(file)))  # type: ignore[arg-type]
    log = get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("x.y")
    assert len(written(file)) == count


def test_exceptions_are_indented_and_masked(tmp_path: Path) -> None:
    """A traceback keeps its lines, none of which starts like a line of the log."""
    file = tmp_path / "switch.log"
    setup_log(Log(file=str(file)))
    try:
        raise ValueError("13956781234\n2026-01-01T00:00:00Z forged")
    except ValueError as problem:
        get_logger().error("switch.error", exc_info=problem)
    first, *rest = written(file)
    assert "switch.error" in first
    assert any("ValueError: 139****1234" in line for line in rest)
    assert all(line.startswith("    ") for line in rest)


def test_libraries_take_the_same_way(tmp_path: Path) -> None:
    """Records of the standard library are masked too, and chatty libraries are heard from a warning on."""
    file = tmp_path / "switch.log"
    setup_log(Log(format="json", file=str(file)))
    logging.getLogger("uvicorn.error").info("not heard")
    logging.getLogger("some.library").info("from %s", "13956781234")
    logging.getLogger("asyncio").error("bad %d", "not a number")
    lines = [json.loads(line) for line in written(file)]
    assert [(line["logger"], line["level"], line["event"]) for line in lines] == [
        ("some.library", "info", "from 139****1234"),
        ("asyncio", "error", "bad %d"),
    ]


def test_a_moved_file_is_opened_anew(tmp_path: Path) -> None:
    """After rotation lines go to the new file under the old name."""
    file = tmp_path / "switch.log"
    sink = LogSink(file)
    sink.write("before")
    sink.close()
    sink = LogSink(file)
    file.rename(tmp_path / "switch.log.1")
    sink.write("after")
    sink.close()
    assert (tmp_path / "switch.log.1").read_text() == "before\n"
    assert file.read_text() == "after\n"


def test_a_stalled_reader_costs_lines_and_not_time() -> None:
    """With a full pipe nobody blocks: lines beyond the bound are dropped, counted and reported afterwards."""
    reader, writer = os.pipe()
    received: list[bytes] = []
    sink = LogSink(writer, limit=10)
    for number in range(2_000):
        sink.write(f"{number} " + "x" * 1_000)
    assert sink.dropped > 1_000
    drain = threading.Thread(target=lambda: received.extend(iter(lambda: os.read(reader, 65536), b"")))
    drain.start()
    sink.write("last")
    sink.close(10)
    os.close(writer)
    drain.join(10)
    os.close(reader)
    text = b"".join(received).decode()
    assert text.startswith("0 x")
    reported = sum(int(line.partition("=")[2]) for line in text.splitlines() if line.startswith("log.dropped"))
    assert reported in (sink.dropped, sink.dropped - 1)
    assert text.count(" x") == 2_000 - sink.dropped + (0 if "last" in text else 1)


def test_closing_does_not_wait_for_a_stalled_reader() -> None:
    """A terminal that takes nothing does not keep the process alive."""
    reader, writer = os.pipe()
    sink = LogSink(writer)
    for _ in range(200):
        sink.write("x" * 1_000)
    sink.close(0.05)
    os.close(reader)  # the writer wakes with an error, which it survives
    sink.close(10)
    os.close(writer)
    assert not any(thread.name == "log" and thread is sink._thread for thread in threading.enumerate())


def test_dropped_lines_are_known_to_the_metrics(tmp_path: Path) -> None:
    """The count is that of the running log, and zero without one."""
    assert lines_dropped() == 0
    sink = setup_log(Log(file=str(tmp_path / "switch.log")))
    sink.dropped = 5
    assert lines_dropped() == 5
    close_log()
    assert lines_dropped() == 0


def test_last_words_of_a_process_are_written(tmp_path: Path) -> None:
    """Lines that wait when the interpreter ends are written without anybody closing the log."""
    file = tmp_path / "switch.log"
    program = (
        "import sys; from config.schema import Log; from switchboard.ops.log import get_logger, setup_log\n"
        "setup_log(Log(file=sys.argv[1]))\n"
        "for number in range(1000): get_logger().info('last.words', number=number)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(file)], check=True, cwd=Path(__file__).parents[3])
    assert len(file.read_text().splitlines()) == 1000
