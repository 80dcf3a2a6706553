"""What holds for all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from bench import transactions
from tests.support.failures import TITLE, begin, in_short
from tests.support.order import Order, give_way, is_waiting
from tests.support.patience import PATIENCE
from tests.support.second_try import clear_away, note

if TYPE_CHECKING:
    from xdist.remote import Producer

# How long an example takes is a matter of the machine; what must be quick is counted, not timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
transactions.patience = PATIENCE

MOST_TOLD = 6
"""Failures told of in short at the very end."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Ten thousand tests stay to the end: the collector is spared looking through them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What talks to other programs in real time has a second try on a machine that stood still; the end tells of it."""
    for item in items:
        if is_waiting(item.nodeid):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Order | None:
    """Files begin in an order of our own where they run whole on one process."""
    return Order(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Of several processes those go first whose tests depend on time."""
    begin(item.path)
    if "PYTEST_XDIST_WORKER" in os.environ:
        give_way(item.nodeid)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure is told of in a few lines, too."""
    report = yield
    note(item, report)
    if report.failed and call.excinfo is not None:
        report.sections.append((TITLE, in_short(call.excinfo.value)))
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """What a failed test leaves behind is not found by its second try, nor by the tests after it."""
    clear_away(item)
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last lines of the output tell what has failed, and why, also what a second try has mended."""
    failures = [one for kind in ("rerun", "failed", "error") for one in terminalreporter.getreports(kind)]
    for report in failures[:MOST_TOLD]:
        for title, text in report.sections:
            if title == TITLE:
                terminalreporter.section(f"{report.nodeid} ({report.when})", sep="-")
                terminalreporter.line(text)
