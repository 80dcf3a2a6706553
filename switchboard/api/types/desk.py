"""Agents, groups and those who wait, as the API shows them."""

# ruff: noqa: RUF012 - msgspec makes a new value of an empty default each time
from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from routing.acd.model import Agent, Group, State
from switchboard.api.types.common import Band, Moment, Region, View


class AgentView(View, frozen=True, kw_only=True):
    """An agent now. `calls` are the ids of the calls their phone is in, `by` is who or what set the state."""

    id: str
    name: str
    state: State
    since: Moment | None = None
    reason: str = ""
    by: str = ""
    signed_in: bool = False
    phone_up: bool = False
    phone: str = ""
    calls: list[str] = []
    groups: Mapping[str, int] = {}
    skills: Mapping[str, int] = {}


class AgentSettings(View, frozen=True, kw_only=True):
    """How an agent is set up; `origin` tells whether the configuration file or the API says so."""

    agent: Agent
    version: int
    origin: Literal["configuration", "stored"] = "configuration"


class GroupView(View, frozen=True, kw_only=True):
    """A skill group now; `longest_wait` is the age of who waits longest, in seconds."""

    name: str
    strategy: str
    waiting: int = 0
    callbacks: int = 0
    longest_wait: float | None = None
    estimate: Band | None = None
    agents: int = 0
    """Who belongs to it."""
    signed_in: int = 0
    idle: int = 0
    states: Mapping[str, int] = {}
    answered: int = 0
    abandoned: int = 0
    service_level: float | None = None
    """Of those answered or lost, the share answered within the group's time, 0 to 1; None before the first."""
    service_level_seconds: float = 20.0
    open: bool = True


class GroupSettings(View, frozen=True, kw_only=True):
    """How a group is set up."""

    group: Group
    version: int
    origin: Literal["configuration", "stored"] = "configuration"


class SkillView(View, frozen=True, kw_only=True):
    """A skill: who has it, with levels 1 to 10."""

    name: str
    agents: Mapping[str, int]


class QueueEntryView(View, frozen=True, kw_only=True):
    """Somebody who waits for an agent: a call, or a place kept for a callback."""

    id: str
    group: str
    kind: Literal["call", "callback"] = "call"
    position: int
    since: Moment
    waited: float
    priority: int = 0
    vip: int = 0
    caller: str = ""
    contact: str = ""
    region: Region | None = None
    preferred: str = ""
    attempts: int = 0
    """Of a callback."""
    offered_to: list[str] = []
    estimate: Band | None = None
