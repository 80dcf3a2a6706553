"""Carriers over the API."""

from __future__ import annotations

from tests.support.api_switch import CONFIG, ApiSwitch, Client


def test_trunks_tell_how_they_do(switch: ApiSwitch, boss: Client) -> None:
    """Counted by the trunk a call came from, with every gateway."""
    switch.talk()
    (trunk,) = boss("GET", "/trunks")
    assert (trunk["name"], trunk["state"], trunk["to"], trunk["calls"]) == ("bench", "open", "127.0.0.3:5190", 1)
    (gateway,) = trunk["gateways"]
    assert (gateway["name"], gateway["addresses"], gateway["state"]) == ("1", ["127.0.0.3:5190"], "unknown")
    assert (trunk["counted"]["received"], trunk["counted"]["asr"]) == (1, None)
    assert boss("GET", "/trunks/bench") == trunk
    boss("GET", "/trunks/nobody", 404)


def test_a_trunk_is_switched_off_and_on(switch: ApiSwitch, admin: Client, boss: Client) -> None:
    """Calls that are up go on; who has done it is in the log. Supervisors only look."""
    switch.talk()
    assert admin("POST", "/trunks/bench/disable")["state"] == "disabled"
    assert len(switch.x.calls) == 1
    switch.dial()
    assert switch.world.carrier.statuses[-1] == 503
    assert admin("POST", "/trunks/bench/enable")["state"] == "open"
    assert admin("POST", "/trunks/bench/gateways/1/disable")["gateways"][0]["state"] == "disabled"
    assert admin("POST", "/trunks/bench/gateways/1/enable")["gateways"][0]["state"] == "unknown"
    admin("POST", "/trunks/nobody/disable", 404)
    admin("POST", "/trunks/bench/gateways/2/enable", 404)
    boss("POST", "/trunks/bench/disable", 403)
    lines = [(one.action, one.subject) for one in switch.store.audit.page()]
    assert ("trunk.disable", "bench") in lines
    assert ("trunk.enable", "bench/1") in lines


def test_the_file_is_taken_over(switch: ApiSwitch, admin: Client) -> None:
    """Trunks come and change while a call is up; other sections wait; a fault changes nothing."""
    switch.talk()
    file = switch.directory / "switch.yaml"
    admin("POST", "/trunks/reload")
    more = 'trunks: [{name: south, to: "127.0.0.9:5060"}, '
    file.write_text(CONFIG.replace("trunks: [", more) + "limits: {calls: 7}\n")
    change = admin("POST", "/trunks/reload")
    assert (change["ok"], change["added"], change["changed"], change["waiting"]) == (True, ["south"], [], ["limits"])
    assert {one["name"] for one in admin("GET", "/trunks")} == {"bench", "south"}
    file.write_text(CONFIG.replace("127.0.0.3:5190", "127.0.0.3"))
    change = admin("POST", "/trunks/reload")
    assert change["ok"] is False
    assert "is not address:port" in change["faults"][0]
    file.write_text(CONFIG.replace('[{name: bench, from: [127.0.0.2], to: "127.0.0.3:5190"}]', "[]"))
    assert admin("POST", "/trunks/reload")["removed"] == ["bench", "south"]
    assert admin("GET", "/trunks") == []
    assert len(switch.x.calls) == 1
    assert switch.x.carriers.table.calls == 1


def test_addresses_are_told_once_the_file_is_taken_over(switch: ApiSwitch, admin: Client) -> None:
    """Who is told where trunks are adds that to the sources of the new file, not to those of the old one."""
    told: list[set[str]] = []
    switch.x.carriers.learn = lambda addresses: told.append({trunk.name for trunk in switch.trunks.config.trunks})
    more = 'trunks: [{name: south, to: "127.0.0.9:5060"}, {name: west, from: [127.0.0.8]}, '
    (switch.directory / "switch.yaml").write_text(CONFIG.replace("trunks: [", more))
    admin("POST", "/trunks/reload")
    assert told == [{"bench", "south", "west"}]
