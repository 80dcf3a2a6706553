"""What is wrong with the settings of an agent or a group. Pure; each fault says where, as a JSON pointer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from routing.acd.hours import HoursError, parse_hours
from routing.acd.joining import destination, is_destination
from routing.acd.model import Agent, Group
from routing.acd.requirement import RequirementError, parse_requirement
from routing.masks.target import AorTarget, TargetError, parse_open_target
from switchboard.api.types import Fault

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
MOST: Final = 1000
"""Groups or skills of one agent, rules of one group."""
LONGEST: Final = 30 * 86400.0
MAX_TEXT: Final = 500
MAX_ORDER: Final = 1_000_000
_AGENT_TIMES: Final = {"wrap_up": 0.0, "ring_timeout": 1.0}
_GROUP_TIMES: Final = {
    "ring_timeout": 1.0,
    "wrap_up": 0.0,
    "refuse_pause": 0.0,
    "max_wait": 1.0,
    "max_estimate": 1.0,
    "preferred_patience": 0.0,
    "service_level": 1.0,
    "progressive_step": 1.0,
    "break_limit": 1.0,
}
"""The least seconds of each."""


def agent_faults(agent: Agent, *, groups: Collection[str], accounts: Collection[str], domain: str) -> Iterator[Fault]:
    """Everything that is wrong with an agent."""
    if not NAME.match(agent.id):
        yield Fault(pointer="/id", detail="letters, digits, '.', '_' and '-', at most 64")
    if len(agent.name) > MAX_TEXT:
        yield Fault(pointer="/name", detail=f"at most {MAX_TEXT} characters")
    yield from _phone(agent.phone, accounts, domain)
    if len(agent.groups) > MOST or len(agent.skills) > MOST:
        yield Fault(pointer="", detail=f"at most {MOST} groups and {MOST} skills")
        return
    for group, level in agent.groups.items():
        if group not in groups:
            yield Fault(pointer=_pointer("groups", group), detail="no group is called that")
        if not 1 <= level <= 100:
            yield Fault(pointer=_pointer("groups", group), detail="a level is 1 to 100, 1 is asked first")
    for skill, level in agent.skills.items():
        if not _is_skill(skill):
            yield Fault(pointer=_pointer("skills", skill), detail="letters, digits, '_' and '-', a letter first")
        if not 1 <= level <= 10:
            yield Fault(pointer=_pointer("skills", skill), detail="a level is 1 to 10")
    yield from _times(agent, _AGENT_TIMES)
    if not -1 <= agent.order <= MAX_ORDER:
        yield Fault(pointer="/order", detail="the place in top_down, or -1 for that of the configuration")


def group_faults(group: Group, *, groups: Collection[str], flows: Collection[str]) -> Iterator[Fault]:
    """Everything that is wrong with a group."""
    if not NAME.match(group.name):
        yield Fault(pointer="/name", detail="letters, digits, '.', '_' and '-', at most 64")
    yield from _times(group, _GROUP_TIMES)
    if not -MAX_ORDER <= group.weight <= MAX_ORDER:
        yield Fault(pointer="/weight", detail=f"from -{MAX_ORDER} to {MAX_ORDER}")
    for name, least in (("no_answer_limit", 1), ("max_length", 1)):
        value = getattr(group, name)
        if value is not None and not least <= value <= MAX_ORDER:
            yield Fault(pointer=f"/{name}", detail=f"{least} to {MAX_ORDER}")
    yield from _texts(group)
    yield from _overflow(group, groups, flows)
    said = group.announcements
    if said.first < 1 or said.every < 1 or (said.callback_offer is not None and said.callback_offer < 0):
        yield Fault(pointer="/announcements", detail="first and every are at least 1 s")
    if len(said.music) > MOST or len(said.periodic) > MOST:
        yield Fault(pointer="/announcements", detail=f"at most {MOST} sounds")
    rules = group.callbacks
    if not 1 <= rules.attempts <= 100:
        yield Fault(pointer="/callbacks/attempts", detail="1 to 100")
    if not 1 <= rules.max_open <= 100_000:
        yield Fault(pointer="/callbacks/max_open", detail="1 to 100000")
    for name in ("retry_after", "expire"):
        if not 1 <= getattr(rules, name) <= LONGEST:
            yield Fault(pointer=f"/callbacks/{name}", detail=f"1 to {LONGEST:.0f} s")


def _phone(phone: str, accounts: Collection[str], domain: str) -> Iterator[Fault]:
    try:
        target = parse_open_target(phone)
    except TargetError as error:
        yield Fault(pointer="/phone", detail=str(error))
        return
    if target is None:
        yield Fault(pointer="/phone", detail="write aor:user or sip:user@host:port")
    elif isinstance(target, AorTarget):
        user, _, host = target.aor.partition("@")
        if host in ("", domain) and user not in accounts:
            yield Fault(pointer="/phone", detail="no account of that name in the configuration")


def _times(settings: Agent | Group, least: dict[str, float]) -> Iterator[Fault]:
    for name, bound in least.items():
        value = getattr(settings, name)
        if value is not None and not bound <= value <= LONGEST:
            yield Fault(pointer=f"/{name}", detail=f"{bound:.0f} to {LONGEST:.0f} s")


def _texts(group: Group) -> Iterator[Fault]:
    for pointer, text in (("/requirement", group.requirement), ("/hours", group.hours),
                          ("/callbacks/hours", group.callbacks.hours)):  # fmt: skip
        if len(text) > MAX_TEXT:
            yield Fault(pointer=pointer, detail=f"at most {MAX_TEXT} characters")
            continue
        try:
            if pointer == "/requirement":
                parse_requirement(text)
            else:
                parse_hours(text)
        except (RequirementError, HoursError) as error:
            yield Fault(pointer=pointer, detail=f"character {error.column}: {error.message}")


def _overflow(group: Group, groups: Collection[str], flows: Collection[str]) -> Iterator[Fault]:
    if len(group.overflow) > MOST:
        yield Fault(pointer="/overflow", detail=f"at most {MOST} rules")
        return
    for place, rule in enumerate(group.overflow):
        pointer = f"/overflow/{place}"
        kind, name = destination(rule.to)
        if not is_destination(rule.to):
            detail = "write group:NAME, flow:NAME, voicemail:BOX, callback or hangup"
            yield Fault(pointer=f"{pointer}/to", detail=detail)
        elif kind == "group" and (name == group.name or name not in groups):
            yield Fault(pointer=f"{pointer}/to", detail="no other group is called that")
        elif kind == "flow" and name not in flows:
            yield Fault(pointer=f"{pointer}/to", detail="no flow is called that")
        if rule.after is None and not rule.on:
            yield Fault(pointer=pointer, detail="a rule needs a time or a reason")
        elif rule.after is not None and not 0 <= rule.after <= LONGEST:
            yield Fault(pointer=f"{pointer}/after", detail=f"0 to {LONGEST:.0f} s")


def _is_skill(name: str) -> bool:
    try:
        return parse_requirement(name).skills == {name}
    except RequirementError:
        return False


def _pointer(*steps: str) -> str:
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps)
