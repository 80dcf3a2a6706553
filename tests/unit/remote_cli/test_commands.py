"""Agents, queues, live calls and the board on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.api_switch import CALLER, ApiSwitch
from tests.unit.remote_cli.conftest import Run

Login = Callable[..., None]


def test_an_agent_works_by_command(switch: ApiSwitch, run: Run, login: Login) -> None:
    """Signed in, on a break, idle, home: without naming oneself."""
    login("lin", "agent", "anna")
    assert run("agents", "sign-in").output == "anna: idle\n"
    assert run("agents", "state", "break", "--reason", "lunch", "--lasts", "30m").output == "anna: break, lunch\n"
    assert switch.engine.agents["anna"].chosen_lasts == 1800.0
    assert run("agents", "state", "idle").output == "anna: idle\n"
    assert run("agents", "sign-out").output == "anna: offline\n"


def test_what_one_may_not_do_is_told(run: Run, login: Login) -> None:
    """One line, and exit status 1."""
    login("lin", "agent", "anna")
    result = run("agents", "sign-in", "ben")
    assert (result.exit_code, result.output) == (1, "not allowed: Agents act for themselves.\n")
    result = run("agents", "state", "break", "--lasts", "soon")
    assert (result.exit_code, result.output) == (1, "--lasts: write 90s, 30m or 2h\n")


def test_an_account_without_an_agent_names_one(run: Run, login: Login) -> None:
    """A supervisor is no agent."""
    login("chief", "supervisor")
    assert "name one" in run("agents", "sign-in").output
    assert run("agents", "sign-in", "ben").exit_code == 0


def test_agents_are_listed(run: Run, login: Login) -> None:
    """In columns, or as JSON for programs."""
    login("chief", "supervisor")
    run("agents", "sign-in", "ben")
    lines = run("agents", "list").output.splitlines()
    assert lines[0].split() == ["agent", "name", "state", "for", "phone", "groups", "reason"]
    assert [line.split()[0] for line in lines[1:]] == ["anna", "ben", "carl"]
    (ben,) = json.loads(run("agents", "list", "--state", "idle", "--format", "json").output)
    assert (ben["id"], ben["groups"]) == ("ben", {"sales": 1})
    assert run("agents", "list", "--group", "nowhere").output == "no agents\n"


def test_queues_show_who_waits(switch: ApiSwitch, run: Run, login: Login) -> None:
    """Groups with figures; one group's queue with masked callers."""
    login("chief", "supervisor")
    assert "nobody waits" in run("queues", "sales").output
    switch.talk()
    switch.dial()
    head, _, sales = run("queues").output.splitlines()
    assert head.split()[:3] == ["group", "waiting", "longest"]
    assert sales.split()[:2] == ["sales", "1"]
    output = run("queues", "sales").output
    assert "139****9999" in output
    assert CALLER not in output
    assert json.loads(run("queues", "--format", "json").output)[1]["waiting"] == 1
    assert run("queues", "nowhere").exit_code == 1


def test_the_call_bar(switch: ApiSwitch, run: Run, login: Login) -> None:
    """Hold, resume, mute, transfer: of one's own call, or of one that is named by a part of its id."""
    login("lin", "agent", "anna")
    assert run("calls", "hold").output == "you are not in a call\n"
    call, _ = switch.talk()
    leg = call.agent
    assert leg is not None
    assert run("calls", "hold").output == f"hold: call {call.id}\n"
    assert leg.holding
    assert "anna (held)" in run("calls", "live").output
    assert run("calls", "resume", call.id[-8:]).exit_code == 0
    assert not leg.holding
    assert run("calls", "mute").exit_code == 0
    assert leg.muted
    assert run("calls", "mute", "--off").exit_code == 0
    assert not leg.muted
    switch.run(lambda now: switch.desk.sign_in("ben", "ben", now))
    result = run("transfer", "mine", "agent:ben")
    assert result.output == f"transfer: call {call.id}\n", result.output
    assert len(switch.phones["ben"].received("INVITE")) == 1
    assert run("calls", "cancel-transfer").exit_code == 0
    assert run("calls", "hangup").exit_code == 0


def test_what_cannot_be_done_says_why(switch: ApiSwitch, run: Run, login: Login) -> None:
    """The reason of the switch is shown, and the exit status is 1."""
    login("lin", "agent", "anna")
    switch.talk()
    result = run("calls", "resume")
    assert result.exit_code == 1
    assert result.output.strip()
    assert "no live call has the id" in run("calls", "hold", "ffffffff").output
    assert "4 characters" in run("calls", "hold", "ff").output


def test_a_parked_call_is_taken_by_its_slot(switch: ApiSwitch, run: Run, login: Login) -> None:
    """The slot that was told serves in place of an id."""
    login("lin", "agent", "anna")
    call, _ = switch.talk()
    assert run("calls", "park").output == f"park: call {call.id}, slot 1\n"
    assert "slot 1" in run("calls", "live").output
    empty = run("calls", "unpark", "2")
    assert (empty.exit_code, "nobody is parked in that slot" in empty.output) == (1, True)
    assert run("calls", "unpark", "1").output == f"unpark: call {call.id}, slot 1\n"
    assert len(switch.phones["anna"].received("INVITE")) == 2
    assert "unpark 1" in run("calls", "unpark", "--help").output
    assert "switchboard calls transfer mine agent:zhao" in run("calls", "transfer", "--help").output


def test_click_to_call(switch: ApiSwitch, run: Run, login: Login) -> None:
    """The agent's phone rings."""
    login("lin", "agent", "anna")
    run("agents", "sign-in")
    result = run("calls", "dial", "number:01099990000")
    assert result.exit_code == 0, result.output
    assert len(switch.phones["anna"].received("INVITE")) == 1


def test_live_calls_for_programs(switch: ApiSwitch, run: Run, login: Login) -> None:
    """JSON has all that the API shows."""
    login("chief", "supervisor")
    assert run("calls", "live").output == "no calls\n"
    call, _ = switch.talk()
    (shown,) = json.loads(run("calls", "live", "--format", "json").output)
    assert (shown["id"], shown["phase"], shown["caller"]) == (call.id, "talking", "139****9999")
    assert run("calls", "live", "--agent", "ben").output == "no calls\n"


def test_the_board_once(switch: ApiSwitch, run: Run, login: Login) -> None:
    """Groups, agents and calls within 80 columns; no number in clear."""
    login("chief", "supervisor")
    switch.talk()
    switch.dial()
    output = run("top", "--once").output
    assert all(len(line) <= 80 for line in output.splitlines())
    for text in ("switchboard ok", "calls 2", "waiting 1", "sales", "talking 1", "anna", "139****9999"):
        assert text in output, output
    assert CALLER not in output


def test_help_has_examples(run: Run) -> None:
    """Every command shows how it is used."""
    for command in (["agents", "state"], ["queues"], ["transfer"], ["top"], ["login"], ["calls", "hold"]):
        assert "switchboard " + " ".join(command) in run(*command, "--help").output
