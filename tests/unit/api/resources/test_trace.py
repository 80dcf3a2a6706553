"""The ladder of a call over the API, in text and as a capture."""

from __future__ import annotations

import base64

import msgspec

from switchboard.api.types import TraceView
from switchboard.remote_cli.trace import packets
from switchboard.trace.pcap import capture
from switchboard.trace.text import ladder_lines
from tests.support.api_switch import CALLER, ApiSwitch, Client
from tests.support.exchange import CARRIER


def test_both_legs_of_a_call_are_in_its_ladder(switch: ApiSwitch, boss: Client) -> None:
    """From the first INVITE to the last BYE, both ways, with times; another call is not in it."""
    call, out = switch.talk()
    live = boss("GET", f"/calls/{call.id}/trace")
    assert [(one["leg"], one["direction"], one["text"]) for one in live["messages"]][:1] == [(0, "in", "INVITE")]
    switch.world.advance(2)
    switch.hang_up(out)
    other, out = switch.talk()
    switch.hang_up(out)
    view = boss("GET", f"/records/{call.id}/trace")
    once = [one for one in view["messages"] if not one["again"]]
    told = [(one["leg"], one["direction"], one["text"], one["method"]) for one in once]
    for expected in (
        (0, "out", "200 OK", "INVITE"), (0, "in", "ACK", "ACK"), (1, "out", "INVITE", "INVITE"),
        (1, "in", "200 OK", "INVITE"), (1, "out", "ACK", "ACK"), (0, "in", "BYE", "BYE"), (1, "out", "BYE", "BYE"),
    ):  # fmt: skip
        assert told.count(expected) == 1, expected
    assert {one["ms"] for one in once} == {0.0, 2000.0}
    assert view["messages"][0]["sdp"][0].startswith(f"audio {CARRIER[0]}:40000 PCMA PCMU telephone-event")
    boss("GET", f"/calls/{call.id}/trace", 404)
    boss("GET", "/records/none/trace", 404)
    assert boss("GET", f"/records/{other.id}/trace")["messages"][0]["ms"] == 0.0


def test_what_is_sent_twice_is_marked(switch: ApiSwitch, boss: Client) -> None:
    """The caller's ACK is lost: our 2xx goes again, and only the repetitions are marked."""
    switch.world.lost = lambda destination, data: data.startswith(b"ACK") and destination == switch.x.settings.local
    call, _ = switch.talk()
    switch.world.advance(1.6)
    answers = [
        one["again"]
        for one in boss("GET", f"/calls/{call.id}/trace")["messages"]
        if (one["leg"], one["direction"], one["status"], one["method"]) == (0, "out", 200, "INVITE")
    ]
    assert answers == [False, True, True]


def test_numbers_are_seen_by_admins_who_say_so(switch: ApiSwitch, boss: Client, admin: Client) -> None:
    """Masked for everybody; an admin may reveal, and the log knows."""
    call, out = switch.talk()
    switch.hang_up(out)

    def wires(view: TraceView) -> bytes:
        return b"".join(base64.b64decode(one.wire) for one in view.messages)

    path = f"/records/{call.id}/trace"
    assert "wire" not in boss("GET", path)["messages"][0] or boss("GET", path)["messages"][0]["wire"] == ""
    view = msgspec.convert(admin("GET", f"{path}?wire=true"), TraceView, strict=False)
    assert CALLER.encode() not in wires(view)
    assert b"139****9999" in wires(view)
    boss("GET", f"{path}?reveal=true", 403)
    assert "call.trace_reveal" not in [entry.action for entry in switch.store.audit.page()]
    view = msgspec.convert(admin("GET", f"{path}?wire=true&reveal=true"), TraceView, strict=False)
    assert CALLER.encode() in wires(view)
    (entry,) = [entry for entry in switch.store.audit.page() if entry.action == "call.trace_reveal"]
    assert entry.subject == call.id


def test_agents_see_no_ladder(switch: ApiSwitch, anna: Client, auditor: Client) -> None:
    """Supervisors and admins do, and auditors once the call has ended."""
    call, out = switch.talk()
    anna("GET", f"/calls/{call.id}/trace", 403)
    auditor("GET", f"/calls/{call.id}/trace", 403)
    switch.hang_up(out)
    anna("GET", f"/records/{call.id}/trace", 403)
    auditor("GET", f"/records/{call.id}/trace")


def test_what_had_to_make_room_is_not_found(switch: ApiSwitch, boss: Client) -> None:
    """A flood of other messages pushes a call out."""
    call, out = switch.talk()
    switch.hang_up(out)
    for _ in range(20):
        switch.ring.keep(switch.world.now, False, [(b"x" * 60_000, CARRIER)], 60_000)
    assert "make room" in boss("GET", f"/records/{call.id}/trace", 404)["detail"]


def test_a_ladder_is_drawn(switch: ApiSwitch, boss: Client) -> None:
    """A lane for each address, arrows the right way, and the capture holds each message."""
    call, out = switch.talk()
    switch.hang_up(out)
    view = msgspec.convert(boss("GET", f"/records/{call.id}/trace?wire=true"), TraceView, strict=False)
    lines = ladder_lines(view, sdp=True)
    assert f"{CARRIER[0]}:{CARRIER[1]}" in lines[1]
    first, later = lines[1].index(view.switch), lines[1].index("127.0.1.1:5190")
    assert first < later
    invite = next(line for line in lines if " INVITE " in line)
    assert invite.index("INVITE") < first
    assert invite[first - 1] == ">"
    ours = [line for line in lines if " INVITE " in line][1]
    assert ours.index("INVITE") > first
    assert ours[later - 1] == ">"
    answered = next(line for line in lines if "200 OK (INVITE)" in line and line.index("200 OK") > first)
    assert answered[first + 1] == "<"
    assert any("audio" in line and "PCMA" in line for line in lines)
    data = capture(packets(view))
    assert data.count(b"SIP/2.0\r\n") >= len(view.messages) // 2
