"""A short soak: calls of all kinds over a bad network leave nothing behind but one complete record each.

`make soak` does the same for half an hour at fifty calls a second, and compares memory and CPU as well.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from bench.api import Api, first_account
from bench.soak import Soak, configuration, measure, write_flow
from bench.soak_phones import DESKS, REFRESH
from bench.target import Target
from tests.support.chaos import faces
from tests.support.ports import MEDIA_HALVES, free_port
from tests.support.switch import running_switch

pytestmark = [
    pytest.mark.skipif(not shutil.which("sipp"), reason="needs SIPp: apt-get install sip-tester"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: SIPp sends audio by a raw socket"),
    pytest.mark.timeout(600),
]
TIMERS = {"t1": 0.1, "t2": 0.8, "t4": 1.0, "d": 6.4}
"""64 * T1 is 6.4 s, which is waited for twice."""


async def test_mixed_calls_over_a_bad_network_leave_nothing_behind(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """Three minutes of four calls a second; each SIPp has a port of its own in a row."""
    soak = Soak(
        seconds=180.0, rate=4.0, agent_port=free_port(), media_ports=MEDIA_HALVES[0], mass=faces(), phones=faces()
    )
    write_flow(tmp_path, soak)
    sections = configuration(soak, 0, 0, "")
    for theirs in ("sip", "store", "http", "log", "recording"):
        del sections[theirs]
    sections |= {"flows": [str(tmp_path / "flows")], "log": {"level": "warning", "file": str(tmp_path / "switch.log")}}
    with (
        running_switch(tmp_path, timers=TIMERS, **sections) as switch,
        Api(("127.0.0.1", switch.http_port)) as api,
    ):
        api.sign_in(*first_account(switch.output.read_text()))
        target = Target(switch.target, (switch.process.pid,))
        web, database = f"http://127.0.0.1:{switch.http_port}", switch.store / "switchboard.db"
        result = await measure(soak, target, api, web, database, tmp_path, switch.output, Console(quiet=True))
    figures = result.figures
    print(json.dumps(figures), result.details)
    record_property("figures", json.dumps(figures))
    nothing = ("phones_failed", "crosstalk", "records_off", "incomplete", "left", "changed", "log_errors")
    none = dict.fromkeys(nothing, 0)
    assert {name: figures[name] for name in none} == none, result.notes
    # On a machine that stands still for seconds SIPp finds fault; what is left of such calls is looked at all the same.
    assert (figures["failed_percent"] or 0) <= 10, result.notes
    assert (figures["calls"] or 0) >= 0.95 * soak.seconds * soak.rate
    assert (figures["registrations"] or 0) >= 0.7 * len(DESKS) * soak.seconds / REFRESH
