"""A small surge against a real switch: nobody lost or overtaken, music by RTP for some, callbacks in order."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from bench.api import Api, Poll, first_account
from bench.load import Load
from bench.surge import configuration, measure, paths
from bench.surge_parties import Surge
from bench.target import Target
from tests.support.ports import LANE, MEDIA_HALVES, MEDIA_MIDDLE
from tests.support.switch import running_switch

pytestmark = [
    pytest.mark.skipif(not shutil.which("sipp"), reason="needs SIPp: apt-get install sip-tester"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the capture uses raw sockets"),
]

SMALL = Surge(
    callers=60,
    within=2.0,
    agents=5,
    listening=20,
    pressing=20,
    talk=(0.2, 0.4),
    press_within=9.0,
    agent_port=5790 + 10 * LANE,
    media_port=MEDIA_MIDDLE,
    listener_port=5960 + LANE,
)


def test_everybody_is_served_in_order(tmp_path: Path) -> None:
    """Sixty callers within two seconds for five agents; twenty press 1 and are called back at their turn."""
    sections = configuration(SMALL, 0, 0, "")
    for theirs in ("sip", "store", "http", "log"):
        del sections[theirs]
    media = sections["media"]
    assert isinstance(media, dict)
    media["ports"] = MEDIA_HALVES[0]
    with (
        running_switch(tmp_path, masks=[], accounts=[], speech={"engine": "espeak"}, **sections) as switch,
        Api(("127.0.0.1", switch.http_port)) as client,
    ):
        client.sign_in(*first_account(switch.output.read_text()))
        load = Load(Target(switch.target, (switch.process.pid,)), Console(quiet=True), tmp_path)
        result = measure(load, SMALL, Poll(client, paths(SMALL)), switch.store / "switchboard.db")
        counts = switch.metrics()
    figures = result.figures
    none = dict.fromkeys(("failed", "lost", "overtaken", "called_back_overtaken", "rung_again", "api_failures"), 0)
    assert {name: figures[name] for name in none} == none, result.notes
    assert (figures["callers"], figures["called_back"]) == (60, 20)
    assert 50 <= (figures["waiting_max"] or 0) <= 55
    assert (figures["listeners"] or 0) >= 15
    assert (figures["rtp_lost"], counts["calls"], counts["media_ports_leased"]) == (0, 0, 0)
    assert (figures["api_p99_ms"] or 0) > 0
    assert (figures["freed_p50_ms"] or 0) > 0
    if shutil.which("espeak-ng"):
        assert (figures["announced"] or 0) > 0
