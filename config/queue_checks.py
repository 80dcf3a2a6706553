"""What does not fit under `groups:` and `agents:`. Pure; yields findings in the order of the file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from config.errors import suggestion
from config.findings import DIGITS, Finding, check_target, duplicates
from config.queue_schema import Agent, Group
from config.queues import agent_ids, members_of, phone_of
from config.schema import Config
from routing.acd.hours import HoursError, parse_hours
from routing.acd.joining import destination, is_destination
from routing.acd.requirement import RequirementError, parse_requirement

_ABOVE_ZERO: Final = ("ring_timeout", "progressive_step", "service_level", "max_wait", "max_estimate", "break_limit")


def queue_findings(config: Config) -> Iterator[Finding]:
    """Everything that does not fit."""
    yield from duplicates("groups", "name", [group.name for group in config.groups])
    skills = frozenset(skill for agent in config.agents for skill in agent.skills)
    staffed = frozenset(name for agent in config.agents for name in agent.groups)
    for index, group in enumerate(config.groups):
        path = f"groups[{index}]"
        yield from _durations(path, group)
        for place, number in enumerate(group.numbers):
            if not DIGITS.fullmatch(number.reveal("check its form")):
                yield f"{path}.numbers[{place}]", "a member's number must be 3 to 20 digits", None
        yield from _members(config, path, group)
        yield from _texts(path, group, skills)
        yield from _overflow(config, path, group)
        if not group.members and group.join_empty != "always" and group.name not in staffed:
            message = f"group '{group.name}' has no members"
            yield path, message, "give it members, name it at one of the agents, or write join_empty: always"
    yield from _agents(config)
    names = [group.name for group in config.groups]
    for index, entry in enumerate(config.numbers):
        if entry.group is not None and entry.group not in names:
            yield f"numbers[{index}].group", f"no group is called '{entry.group}'", _known(entry.group, names)


def flows_named(config: Config) -> Iterator[tuple[str, str]]:
    """Path and name of every flow that numbers and groups lead to; whether they exist only the caller knows."""
    for index, entry in enumerate(config.numbers):
        for key, name in (("flow", entry.flow), ("failed", entry.failed)):
            if name is not None:
                yield f"numbers[{index}].{key}", name
    for index, group in enumerate(config.groups):
        for place, rule in enumerate(group.overflow):
            kind, name = destination(rule.to)
            if kind == "flow":
                yield f"groups[{index}].overflow[{place}].to", name


def _durations(path: str, group: Group) -> Iterator[Finding]:
    for name in _ABOVE_ZERO:
        value = getattr(group, name)
        if value is not None and value <= 0:
            yield f"{path}.{name}", f"{name} must be above zero", None
    for name in ("retry_after", "expire"):
        if getattr(group.callbacks, name) <= 0:
            yield f"{path}.callbacks.{name}", f"{name} must be above zero", None


def _members(config: Config, path: str, group: Group) -> Iterator[Finding]:
    for place, member in enumerate(group.members):
        yield from check_target(config, f"{path}.members[{place}]", member, extension=False)
        if member in group.members[:place]:
            yield f"{path}.members[{place}]", f"'{member}' is a member already", "each may be there once"


def _texts(path: str, group: Group, skills: Collection[str]) -> Iterator[Finding]:
    """Requirement and hours."""
    try:
        requirement = parse_requirement(group.requirement)
    except RequirementError as error:
        place = f"'{group.requirement}' is no requirement: character {error.column}: {error.message}"
        yield f"{path}.requirement", place, error.suggestion or None
    else:
        # Without any skills here they are given where agents are administered.
        for skill in sorted(requirement.skills - set(skills)) if skills else ():
            known = suggestion(skill, skills) or f"known: {', '.join(sorted(skills)[:8])}"
            yield f"{path}.requirement", f"no agent has the skill '{skill}'", known
    for name, text in (("hours", group.hours), ("callbacks.hours", group.callbacks.hours)):
        try:
            parse_hours(text)
        except HoursError as error:
            place = f"'{text}' is no hours: character {error.column}: {error.message}"
            yield f"{path}.{name}", place, error.suggestion or None


def _overflow(config: Config, path: str, group: Group) -> Iterator[Finding]:
    names = [other.name for other in config.groups]
    for place, rule in enumerate(group.overflow):
        at = f"{path}.overflow[{place}]"
        kind, name = destination(rule.to)
        if not is_destination(rule.to):
            hint = "write group:NAME, flow:NAME, voicemail:BOX, callback or hangup"
            yield f"{at}.to", f"'{rule.to}' is no destination", suggestion(kind, _KINDS) or hint
        elif kind == "group" and name == group.name:
            yield f"{at}.to", "a group cannot overflow into itself", "name another one"
        elif kind == "group" and name not in names:
            yield f"{at}.to", f"no group is called '{name}'", _known(name, names)
        if rule.after is None and not rule.on:
            yield at, "an overflow rule needs a time or a reason", "e.g. after: 60s, or on: [full, closed]"


_KINDS: Final = ("group", "flow", "voicemail", "callback", "hangup")


def _agents(config: Config) -> Iterator[Finding]:
    taken: dict[str, str] = {}
    for index, agent in enumerate(config.agents):
        path = f"agents[{index}]"
        for one in agent_ids(agent):
            if one in taken:
                yield f"{path}.id", f"'{one}' is already taken by {taken[one]}", "each may be there once"
                break
            taken[one] = path
        yield from check_target(config, f"{path}.phone", phone_of(agent), extension=False)
        yield from _agent_values(config, path, agent)
    for group_index, place, _, found in members_of(config):
        if found in taken:
            message = f"the member is called '{found}', as is {taken[found]}, who has another phone"
            yield f"groups[{group_index}].members[{place}]", message, "give that agent another id"


def _agent_values(config: Config, path: str, agent: Agent) -> Iterator[Finding]:
    names = [group.name for group in config.groups]
    for name in agent.groups:
        if name not in names:
            yield f"{path}.groups.{name}", f"no group is called '{name}'", _known(name, names)
    if agent.ring_timeout is not None and agent.ring_timeout <= 0:
        yield f"{path}.ring_timeout", "ring_timeout must be above zero", None
    for skill in agent.skills:
        try:
            found = parse_requirement(skill).skills
        except RequirementError:
            found = frozenset()
        if found != {skill}:
            yield f"{path}.skills", f"'{skill}' is no name of a skill", "letters, digits, '_' and '-', a letter first"


def _known(name: str, names: list[str]) -> str:
    return suggestion(name, names) or (f"known: {', '.join(names[:8])}" if names else "there are none under groups")
