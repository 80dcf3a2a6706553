"""Flows, trunks, phones and the state of the switch over the API."""

from __future__ import annotations

import msgspec

from ivr_flows.errors import FlowError
from switchboard.sip.message import Request, parse_datagram
from tests.support.api_switch import ApiSwitch, Client
from tests.unit.calls.test_two_phones import register


def test_flows_and_their_calls_are_listed(boss: Client, switch: ApiSwitch) -> None:
    """Every flow that is live, with its version."""
    flows = {one["flow"]: one for one in boss("GET", "/flows")}
    assert set(flows) == set(switch.flows)
    assert flows["survey"]["newest"] is True


def test_changed_flows_go_live_when_activated(switch: ApiSwitch, admin: Client) -> None:
    """A check tells what would change; activating changes it."""
    switch.flows["survey"] = msgspec.structs.replace(switch.flows["survey"], version="changed")
    del switch.flows["consent"]
    assert admin("POST", "/flows/check") == {
        "ok": True, "added": [], "changed": ["survey"], "removed": ["consent"], "faults": [],
    }  # fmt: skip
    assert switch.x.flows.newest("consent") is not None
    done = admin("POST", "/flows/activate")
    assert (done["ok"], done["changed"], done["removed"]) == (True, ["survey"], ["consent"])
    assert switch.x.flows.newest("consent") is None


def test_faulty_flows_change_nothing(switch: ApiSwitch, admin: Client) -> None:
    """The faults are told with file and line, and the live flows stay."""

    def fail() -> None:
        raise FlowError("a.yaml", 3, 1, "no such node", "did you mean b?")

    object.__setattr__(switch.parts, "load_flows", fail)
    switch.parts.flows._load = fail  # type: ignore[attr-defined]  # as when the file is bad
    for path in ("/flows/check", "/flows/activate"):
        answer = admin("POST", path)
        assert answer["ok"] is False
        assert "a.yaml:3" in answer["faults"][0]
    assert switch.x.flows.newest("consent") is not None


def test_registered_phones_are_listed(switch: ApiSwitch, boss: Client) -> None:
    """With where they are, for how long, and whose they are."""
    assert boss("GET", "/registrations") == []
    text = (
        "REGISTER sip:switchboard.local SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.4:5080;branch=z9hG4bK1\r\n"
        "From: <sip:alice@switchboard.local>;tag=1\r\nTo: <sip:alice@switchboard.local>\r\nCall-ID: r1\r\n"
        "CSeq: 1 REGISTER\r\nContact: <sip:alice@127.0.0.4:5080>\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
    )
    request = parse_datagram(text.encode())
    assert isinstance(request, Request)
    switch.x.registrar.register(request, "alice@switchboard.local", ("127.0.0.4", 5080), switch.world.now)
    (phone,) = boss("GET", "/registrations")
    assert (phone["aor"], phone["source"], phone["expires_in"]) == ("alice@switchboard.local", "127.0.0.4:5080", 600.0)
    assert boss("GET", "/registrations?account=alice") == [phone]
    assert boss("GET", "/registrations?account=bob") == []
    assert boss("GET", "/registrations?after=alice%40switchboard.local") == []
    assert boss("GET", "/registrations?limit=1") == [phone]


def test_a_registration_is_taken_away(switch: ApiSwitch, admin: Client) -> None:
    """That of one phone, or of all; what is not there is said so."""
    register(switch.world, switch.world.phone)
    admin("DELETE", "/registrations/alice?source=192.0.2.1:9", 404)
    admin("DELETE", "/registrations/alice?source=127.0.0.4:5080", 204)
    assert len(switch.x.registrar) == 0
    register(switch.world, switch.world.phone)
    admin("DELETE", "/registrations/alice", 204)
    assert len(switch.x.registrar) == 0
    assert [one["action"] for one in admin("GET", "/audit")["items"]].count("registrations.remove") == 2


def test_the_state_of_the_switch(switch: ApiSwitch, anna: Client) -> None:
    """Calls, those who wait, and those who work."""
    switch.talk()
    switch.dial()
    status = anna("GET", "/status")
    assert (status["status"], status["calls"], status["waiting"], status["agents_signed_in"]) == ("ok", 2, 1, 1)
    switch.parts.health.draining = True
    assert anna("GET", "/status")["status"] == "draining"
