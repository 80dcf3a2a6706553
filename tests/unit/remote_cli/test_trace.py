"""The ladder of a call on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.support.api_switch import CALLER, ApiSwitch
from tests.support.exchange import CARRIER
from tests.unit.remote_cli.conftest import Run

Login = Callable[..., None]


def test_the_last_call_is_drawn(switch: ApiSwitch, run: Run, login: Login) -> None:
    """By "last", by a part of its id while it is up and after its end; masked, with what was offered if asked for."""
    login("chief", "supervisor")
    assert "there has been no call yet" in run("trace", "last").output
    call, out = switch.talk()
    assert " INVITE " in run("trace", call.id[-8:]).output
    switch.hang_up(out)
    for name in ("last", call.id, call.id[-8:]):
        text = run("trace", name).output
        assert " BYE " in text
        assert "audio" not in text
    assert f"audio {CARRIER[0]}:40000 PCMA" in run("trace", "last", "--sdp").output
    told = json.loads(run("trace", "last", "--format", "json").output)
    assert (told["call"], told["revealed"]) == (call.id, False)
    assert "not allowed" in run("trace", "last", "--reveal").output
    assert "no live or recent call has the id ffffffff" in run("trace", "ffffffff").output
    assert run("trace", "01997c3e-5a10-7b2c-8d55-0f6a1c2d3e4f").exit_code == 1


def test_a_capture_is_written(switch: ApiSwitch, run: Run, login: Login, tmp_path: Path) -> None:
    """Each message once; numbers in clear only for an admin who wants them."""
    login("root", "admin")
    call, out = switch.talk()
    switch.hang_up(out)
    file = tmp_path / "call.pcap"
    assert run("trace", "last", "--pcap", str(file)).exit_code == 0
    masked = file.read_bytes()
    assert CALLER.encode() not in masked
    assert masked.count(b"INVITE sip:") == 2
    assert run("trace", call.id, "--pcap", str(file), "--reveal").exit_code == 0
    assert CALLER.encode() in file.read_bytes()
    assert len(file.read_bytes()) == len(masked)
    assert "call.trace_reveal" in [entry.action for entry in switch.store.audit.page()]
    assert run("trace", "last", "--pcap", str(tmp_path / "no" / "where")).exit_code == 1
