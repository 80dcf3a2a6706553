"""Random histories of a hotline: callers, agents, supervisors, phones that vanish, and a configuration that changes.

`DeskHistory` carries the steps out over the real queue engine; each does nothing where it makes no sense.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from routing.acd.events import CallerGone
from routing.acd.model import ChosenState
from switchboard.calls.call import Call, Phase
from switchboard.calls.commands import Actor, Command, CommandError, Drop, Unpark
from switchboard.calls.control import command
from tests.support.desk_agreement import disagreements
from tests.support.desk_phones import DeskPhones
from tests.support.desk_rules import AGENTS, Rules

PLACES: Final = (
    *[f"agent:{name}" for name in AGENTS], "group:shop", "group:night", "flow:line", "flow:survey",
    "number:13956781234", "agent:nobody", "aor:carl",
)  # fmt: skip


class DeskHistory(DeskPhones):
    """A hotline and what happens to it."""

    # --- agents ---

    def sign_in(self, name: str) -> None:
        """An agent begins to work."""
        self.world.desk.sign_in(name, name, self.world.now)
        self.run()

    def sign_out(self, name: str) -> None:
        """An agent goes home."""
        self.world.desk.sign_out(name, "boss", self.world.now)
        self.run()

    def state(self, name: str, state: ChosenState, lasts: float | None) -> None:
        """An agent chooses a state."""
        self.world.desk.set_state(name, state, name, self.world.now, lasts=lasts)
        self.run()

    def done(self, name: str) -> None:
        """The work after the call is done."""
        self.world.desk.wrap_up_done(name, name, self.world.now)
        self.run()

    # --- configuration ---

    def set_agent(self, name: str, groups: tuple[str, ...], wrap_up: float | None) -> None:
        """An agent is changed, or there again."""
        agent = msgspec.structs.replace(self.agents[name], groups=dict.fromkeys(groups, 1), wrap_up=wrap_up)
        self.world.desk.set_agent(agent, self.world.now)
        self.run()

    def remove_agent(self, name: str) -> None:
        """An agent is no more."""
        self.world.desk.remove_agent(name, self.world.now)
        self.run()

    def set_group(self, rules: Rules) -> None:
        """The groups have other rules, or are there again."""
        for group in rules.groups():
            self.world.desk.set_group(group, self.world.now)
        self.run()

    def remove_group(self, name: str) -> None:
        """A group is no more."""
        self.world.desk.remove_group(name, self.world.now)
        self.run()

    # --- the call bar ---

    def command(self, which: int, cmd: Command, actor: str, answered: bool) -> None:
        """Somebody commands something, and who is called by it may answer; what cannot be done changes nothing."""
        calls = list(self.x.calls.values())
        talks = [call for call in calls if call.phase is Phase.TALKING] if actor == "own" else []
        calls = talks or calls
        call = calls[which % len(calls)] if calls else None
        asked = _about(cmd, call, which)
        try:
            done = command(self.x, asked, _actor(call, actor, which), self.world.now)
        except CommandError:
            return
        finally:
            self.run()
        invited = self.x.invites_out.get(done.leg)
        if answered and invited is not None:
            self.answers(invited.request.call_id)

    def both(self, first: Command, second: Command, answered: bool) -> None:
        """One command after the other about a talk, by who leads it, or the supervisor."""
        if not any(call.phase is Phase.TALKING for call in self.x.calls.values()):
            self.talk(0, 1)
        talks = [number for number, call in enumerate(self.x.calls.values()) if call.phase is Phase.TALKING]
        for cmd in (first, second):
            supervises = "upervis" in type(cmd).__name__
            self.command(talks[0] if talks else 0, cmd, "boss" if supervises else "own", answered)
            self.check()

    # --- what must hold ---

    def check(self) -> None:
        """What fits together whenever the network is still."""
        queues = self.world.queues
        found = [*queues.last_violations, *self.failures, *disagreements(self.world)]
        assert not found, found
        for call in self.x.calls.values():
            assert call.armed == call.deadline is not None, f"{call.id} is armed for {call.armed}, not {call.deadline}"
        if not self.stalled:
            self.witness.look()

    def settle(self) -> None:
        """Everybody hangs up, nothing is lost any more, and all time that anything may take passes."""
        self.drops, self.world.copies = 0, 1
        if self.held:
            self.ports(0)
        while any(not customer.left for customer in self.customers):
            self.customer_leaves(0)
        while any(dialog.peer.name not in self.gone for dialog in self.dialogs):
            self.hangs_up(0)
        self.check()
        for name in self.agents:
            self.sign_out(name)
        for _ in range(6):
            self.wait(40)
            self.check()

    def finish(self) -> list[str]:
        """What is wrong when all is over."""
        stuck = [call for call in self.x.calls.values() if call.phase is not Phase.TALKING]
        found = [f"{call.id} is stuck: {call.phase.name}" for call in stuck]
        self.world.engine.end_all(self.world.now)
        for _ in range(3):
            self.wait(40)
        self.check()
        for callback in list(self.world.callbacks.open):
            self.world.desk.tell(CallerGone(callback, "withdrawn"), self.world.now)
        self.check()
        for agent in self.world.queues.agents.values():
            if agent.state != "offline" or agent.calls or agent.offer is not None:
                found.append(f"{agent.id} is {agent.state}")
            self.world.desk.sign_in(agent.id, "test", self.world.now)
            if agent.state not in ("idle", "offline") or (agent.state == "offline") == agent.phone_up:
                found.append(f"{agent.id} is {agent.state} after signing in")
            self.world.desk.sign_out(agent.id, "test", self.world.now)
        if self.world.leftovers():
            found.append(f"left: {self.world.leftovers()}")
        if self.x.heap.next_deadline() is not None:
            found.append("a timer is left")
        records = self.world.journal.records
        if not (len(records) == len({record.id for record in records}) == self.x.started == self.x.ended):
            found.append(f"{len(records)} records of {self.x.started} calls")
        for record in records:
            found += self.witness.faults(record)
        return found


def _actor(call: Call | None, actor: str, which: int) -> Actor:
    if actor == "own":
        leader = call.agent.agent_id if call is not None and call.agent is not None else ""
        actor = leader or AGENTS[which % len(AGENTS)]
    known = {"boss": Actor("boss", "dora", "supervisor"), "system": Actor("system", "", "system")}
    return known.get(actor) or Actor(actor, actor)


def _about(cmd: Command, call: Call | None, which: int) -> Command:
    """The command about this call; a slot names its call by itself, a party to drop is one of the call's."""
    fields: dict[str, Any] = {name: getattr(cmd, name) for name in type(cmd).__struct_fields__}
    fields["call"] = call.id if call is not None else "none"
    if isinstance(cmd, Unpark) and cmd.slot:
        fields["call"] = ""
    if isinstance(cmd, Drop):
        others = call.others if call is not None else []
        fields["leg"] = others[which % len(others)].id if others else ""
    return type(cmd)(**fields)
