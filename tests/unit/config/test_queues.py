"""The sections `groups:` and `agents:`, and what the queue engine is given of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loader import DEFAULT, load_config
from config.queue_checks import flows_named
from config.queues import agents_of, groups_of
from routing.acd.model import Agent, Announcements, CallbackRules, Group, Overflow

ACCOUNTS = "accounts: [{user: alice, password: x}, {user: bob, password: y}]\n"


def load(tmp_path: Path, text: str) -> tuple[list[Agent], list[Group]]:
    """The agents and groups of a configuration."""
    file = tmp_path / "switch.yaml"
    file.write_text(ACCOUNTS + text, encoding="utf-8")
    config = load_config(file)
    return agents_of(config), groups_of(config)


def failure(tmp_path: Path, text: str) -> str:
    """The error line of a configuration, without its file name."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return str(caught.value).partition("switch.yaml:")[2]


def test_rules_left_out_are_those_of_the_engine(tmp_path: Path) -> None:
    """The defaults of the file and those of the engine are the same, whatever either becomes."""
    _, groups = load(tmp_path, 'groups: [{name: sales, members: ["aor:alice"]}]')
    assert groups == [Group(name="sales")]


def test_every_rule_of_a_group(tmp_path: Path) -> None:
    """What is written is what the engine gets, durations in seconds."""
    text = """
groups:
  - name: late
    join_empty: always
  - name: sales
    members: ["aor:alice"]
    strategy: skill_best
    weight: 5
    ring_timeout: 15s
    wrap_up: 1m
    requirement: en>=3 then any after 60s
    refuse_pause: 5s
    no_answer_state: busy
    no_answer_limit: 3
    max_length: 40
    max_wait: 10m
    max_estimate: 5m
    join_empty: never
    leave_empty: true
    overflow:
      - {to: "group:late", after: 90s}
      - {to: "voicemail:sales", on: [full, closed]}
    hours: mon-fri 09:00-18:00, holidays closed
    announcements:
      {music: [music/a], first: 5s, every: 30s, position: true, wait: true, periodic: [x], callback_offer: 1m}
    callbacks: {first: caller, attempts: 2, retry_after: 2m, expire: 1h, hours: "10:00-17:00", max_open: 50}
    preferred_patience: 12s
    service_level: 30s
    progressive_step: 7s
    break_limit: 15m
agents:
  - {id: alice, groups: {late: 1}, skills: {en: 5}}
"""
    _, groups = load(tmp_path, text)
    assert groups[1] == Group(
        name="sales",
        strategy="skill_best",
        weight=5,
        ring_timeout=15.0,
        wrap_up=60.0,
        requirement="en>=3 then any after 60s",
        refuse_pause=5.0,
        no_answer_state="busy",
        no_answer_limit=3,
        max_length=40,
        max_wait=600.0,
        max_estimate=300.0,
        join_empty="never",
        leave_empty=True,
        overflow=(Overflow("group:late", after=90.0), Overflow("voicemail:sales", on=("full", "closed"))),
        hours="mon-fri 09:00-18:00, holidays closed",
        announcements=Announcements(("music/a",), 5.0, 30.0, True, True, ("x",), 60.0),
        callbacks=CallbackRules("caller", 2, 120.0, 3600.0, "10:00-17:00", 50),
        preferred_patience=12.0,
        service_level=30.0,
        progressive_step=7.0,
        break_limit=900.0,
    )
    assert type(groups[1].ring_timeout) is float


def test_agents_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Their own values, a phone by their id where none is named, and numbered ones that share a phone."""
    agents, _ = load(
        tmp_path,
        """
groups: [{name: sales}, {name: support}]
agents:
  - {id: alice, name: Alice, groups: {sales: 2}, skills: {en: 5}, wrap_up: 20s, ring_timeout: 9s}
  - {id: desk, phone: "sip:desk@10.0.0.1:5060", name: Desk, groups: {sales: 1, support: 3}, count: 2, always: true}
""",
    )
    phone, groups = "sip:desk@10.0.0.1:5060", {"sales": 1, "support": 3}
    assert agents == [
        Agent(
            id="alice",
            phone="aor:alice",
            name="Alice",
            groups={"sales": 2},
            skills={"en": 5},
            wrap_up=20.0,
            ring_timeout=9.0,
            order=0,
        ),
        Agent(id="desk-1", phone=phone, name="Desk 1", groups=groups, order=1, always=True),
        Agent(id="desk-2", phone=phone, name="Desk 2", groups=groups, order=2, always=True),
    ]


def test_members_are_agents_who_are_always_signed_in(tmp_path: Path) -> None:
    """Of several groups when they are there several times, by whatever name of our domain; after the agents."""
    agents, _ = load(
        tmp_path,
        """
groups:
  - {name: sales, members: ["aor:bob", "sip:desk@10.0.0.1:5060"]}
  - {name: support, members: ["aor:bob@switchboard.local", "aor:alice"]}
agents: [{id: alice, groups: {sales: 3}}]
""",
    )
    assert agents == [
        Agent(id="alice", phone="aor:alice", name="alice", groups={"support": 1, "sales": 3}, order=0),
        Agent(id="bob", phone="aor:bob", name="bob", groups={"support": 1, "sales": 1}, order=1, always=True),
        Agent(
            id="desk-10.0.0.1-5060",
            phone="sip:desk@10.0.0.1:5060",
            name="desk-10.0.0.1-5060",
            groups={"sales": 1},
            order=2,
            always=True,
        ),
    ]


def test_the_shipped_groups_have_somebody() -> None:
    """The hotline's group is answered by the sample phones."""
    config = load_config(DEFAULT)
    found = agents_of(config)
    for group in groups_of(config):
        assert any(group.name in agent.groups for agent in found)


def test_ten_thousand_agents_are_read_at_once(tmp_path: Path) -> None:
    """One line makes them all, with ids of their own."""
    agents, _ = load(tmp_path, "groups: [{name: g}]\nagents: [{id: a, phone: aor:bob, groups: {g: 1}, count: 10000}]")
    assert len({one.id for one in agents}) == 10_000
    assert agents[-1].id == "a-10000"


GROUP = "groups: [{name: g, members: [aor:bob], "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("groups: [{name: g}]", "2:10: group 'g' has no members; give it members, name it at one of the agents"),
        ("agents: [{id: alice, groups: {g: 1}}]", "2:34: no group is called 'g'; there are none under groups"),
        (
            GROUP + "}, {name: sales, members: [aor:bob]}]\nagents: [{id: alice,\n  groups: {slaes: 1}}]",
            "4:19: no group is called 'slaes'; did you mean 'sales'?",
        ),
        ("agents: [{id: carol}]", "no account is named 'carol'; known: alice, bob"),
        ("agents: [{id: a, phone: 5}]", "2:25: agents[0].phone: expected text"),
        ("agents: [{id: alice, phone: tel:1}]", "2:29: 'tel:1' is not a target"),
        ("agents: [{id: alice}, {id: alice}]", "2:28: 'alice' is already taken by agents[0]; each may be there once"),
        (
            "agents: [{id: bob-2}, {id: bob, count: 3}]".replace("bob-2", "bob-2, phone: aor:bob"),
            "'bob-2' is already taken by agents[0]",
        ),
        (
            GROUP + "}]\nagents: [{id: bob, phone: aor:alice}]",
            "2:30: the member is called 'bob', as is agents[0], who has another phone",
        ),
        ("agents: [{id: alice, skills: {en: 11}}]", "agents[0].skills[...]: expected a whole number of at most 10"),
        ("agents: [{id: alice, groups: {g: 0}}]", "agents[0].groups[...]: expected a whole number of at least 1"),
        ("agents: [{id: alice, skills: {a b: 1}}]", "'a b' is no name of a skill; letters, digits"),
        ("agents: [{id: alice, skills: {and: 1}}]", "'and' is no name of a skill"),
        ("agents: [{id: alice, ring_timeout: 0}]", "2:36: ring_timeout must be above zero"),
        ("agents: [{id: alice, grops: {}}]", "unknown key 'grops' under agents[0]; did you mean 'groups'?"),
        (
            GROUP + "requirement: en>=}]",
            "2:53: 'en>=' is no requirement: character 5: expected a level, found the end; 0 to 10",
        ),
        (
            GROUP + "requirement: zn}]\nagents: [{id: alice, skills: {en: 1, zh: 1}}]",
            "2:53: no agent has the skill 'zn'; known: en, zh",
        ),
        (GROUP + "hours: mno 09:00-18:00}]", "2:47: 'mno 09:00-18:00' is no hours: character 1: 'mno' is no day; did"),
        (GROUP + "callbacks: {hours: 9-10}}]", "2:59: '9-10' is no hours: character 1: '9-10' is no time from and to"),
        (GROUP + "callbacks: {attempts: 0}}]", "groups[0].callbacks.attempts: expected a whole number of at least 1"),
        (GROUP + "callbacks: {expire: 0}}]", "2:60: expire must be above zero"),
        (GROUP + "strategy: longest-idle}]", "unknown value 'longest-idle'; did you mean 'longest_idle'?"),
        (GROUP + "overflow: [{to: group:late, after: 9s}]}]", "2:56: no group is called 'late'; known: g"),
        (GROUP + "overflow: [{to: group:g, after: 9s}]}]", "2:56: a group cannot overflow into itself"),
        (GROUP + "overflow: [{to: grup:late, after: 9s}]}]", "'grup:late' is no destination; did you mean 'group'?"),
        (GROUP + "overflow: [{to: x, after: 9s}]}]", "'x' is no destination; write group:NAME, flow:NAME, voicemail:"),
        (GROUP + "overflow: [{to: hangup}]}]", "2:51: an overflow rule needs a time or a reason; e.g. after: 60s"),
        (GROUP + "overflow: [{to: hangup, on: [ful]}]}]", "unknown value 'ful'; did you mean 'full'?"),
        (GROUP + "max_wait: 0}]", "2:50: max_wait must be above zero"),
        (
            GROUP + "announcements: {evry: 4s}}]",
            "unknown key 'evry' under groups[0].announcements; did you mean 'every'?",
        ),
        ("groups: [{name: g, members: [aor:bob, aor:bob]}]", "2:39: 'aor:bob' is a member already"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, expected: str) -> None:
    """Line and column, what does not fit, what to write instead."""
    found = failure(tmp_path, text)
    assert expected in found
    assert not expected[0].isdigit() or found.startswith(expected)


def test_flows_that_groups_lead_to_are_named_with_their_place(tmp_path: Path) -> None:
    """Who knows the flows can check them, those of numbers as well."""
    file = tmp_path / "switch.yaml"
    file.write_text(
        'numbers: [{number: "4001", flow: a}, {number: "4002", mask: true, failed: b}]\n'
        "groups: [{name: g, join_empty: always, overflow: [{to: hangup, after: 1s}, {to: flow:c, on: [full]}]}]"
    )
    assert list(flows_named(load_config(file))) == [
        ("numbers[0].flow", "a"),
        ("numbers[1].failed", "b"),
        ("groups[0].overflow[1].to", "c"),
    ]
