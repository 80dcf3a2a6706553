"""Whether the parts of a trunk fit each other. Pure; yields (path, message, hint)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, Literal

from config.findings import Finding, duplicates
from config.schema import Config, Trunk
from config.trunk_schema import Gateway, HeaderRule, NumberRule
from routing.acd.hours import HoursError, parse_hours
from routing.masks.target import is_public_number
from routing.numbers import canonical_number, is_service
from routing.trunks import header_rules, rewriting
from routing.trunks.failover import FailoverError, read_failover
from routing.trunks.header_rules import SOURCED, HeaderRuleError, read_header_rule
from routing.trunks.health import MIN_INTERVAL
from routing.trunks.rewriting import RuleError, read_rule

MOST_GATEWAYS: Final = 50
LONGEST_SILENCE: Final = 32.0
"""A silent INVITE is given up by then anyway (RFC 3261 §17.1.1.2, Timer B)."""

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?")
_PLACE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::(\d{1,5}))?")
_USER: Final = re.compile(r"[A-Za-z0-9._~+*#!$&'()=,%-]{1,128}")
_DIGITS: Final = re.compile(r"\+?[0-9]{7,}")

Direction = Literal["incoming", "outgoing"]


def trunk_findings(config: Config, index: int, trunk: Trunk) -> Iterator[Finding]:
    """Everything of one trunk but its name and its sources."""
    path = f"trunks[{index}]"
    yield from _places(config, path, trunk)
    yield from _account(path, trunk)
    yield from _rules(path, trunk)
    yield from _headers(config, path, trunk)
    yield from _audio(config, path, trunk)
    if not 0.1 <= trunk.silence <= LONGEST_SILENCE:
        yield f"{path}.silence", f"silence is 100ms to {LONGEST_SILENCE:.0f}s", "e.g. 4s"
    if trunk.options.interval and trunk.options.interval < MIN_INTERVAL:
        message = f"OPTIONS are sent every {MIN_INTERVAL:.0f} s at most"
        yield f"{path}.options.interval", message, "e.g. 30s, or 0 for none"
    try:
        parse_hours(trunk.hours)
    except HoursError as error:
        message = f"'{trunk.hours}' is no hours: character {error.column}: {error.message}"
        yield f"{path}.hours", message, error.suggestion or None
    for place, word in enumerate(trunk.failover):
        try:
            read_failover([word])
        except FailoverError as error:
            yield f"{path}.failover[{place}]", str(error), "e.g. [408, 500, 503, 504] or [408, 5xx]"


def _audio(config: Config, path: str, trunk: Trunk) -> Iterator[Finding]:
    """Audio that comes from elsewhere than it is sent to."""
    if not trunk.audio_from:
        return
    path = f"{path}.audio_from"
    if trunk.audio_from != "sdp" and not _is_address(trunk.audio_from):
        yield path, f"'{trunk.audio_from}' is neither sdp nor an IP address", "e.g. 192.0.2.11"
    if trunk.nat:
        yield path, "what a trunk with nat: true says in its SDP is not believed", "leave out one of the two"
    if config.media.plane == "rtpengine":
        message = "rtpengine takes audio either from where it sends to or from anybody"
        yield path, message, "leave it out, or media.plane: workers"


def takes_calls(trunk: Trunk) -> bool:
    """Whether calls can go out to it."""
    return trunk.to is not None or bool(trunk.gateways)


def _places(config: Config, path: str, trunk: Trunk) -> Iterator[Finding]:
    if trunk.to is not None and trunk.gateways:
        yield f"{path}.to", "a trunk has either to or gateways", "make it one of the gateways"
    if not trunk.from_ and not takes_calls(trunk):
        yield path, "a trunk needs from, to or gateways", "say where its calls come from, or where they go"
    if len(trunk.gateways) > MOST_GATEWAYS:
        yield f"{path}.gateways", f"a trunk has at most {MOST_GATEWAYS} gateways", None
    if trunk.to is not None:
        yield from _place(f"{path}.to", trunk.to)
    names = [gateway.name or str(place + 1) for place, gateway in enumerate(trunk.gateways)]
    yield from duplicates(f"{path}.gateways", "name", names)
    for place, gateway in enumerate(trunk.gateways):
        yield from _gateway(config, f"{path}.gateways[{place}]", gateway)


def _gateway(config: Config, path: str, gateway: Gateway) -> Iterator[Finding]:
    yield from _place(f"{path}.to", gateway.to)
    if gateway.transport is not None and gateway.transport not in {
        "any",
        *(one.transport for one in config.sip.listen),
    }:
        message = f"sip.listen has no {gateway.transport}, so it cannot be used with a carrier"
        yield f"{path}.transport", message, f"add an entry with transport: {gateway.transport}"
    if gateway.login is not None and not _USER.fullmatch(gateway.login.user):
        yield f"{path}.login.user", "the user of a login is one word", None


def _place(path: str, text: str) -> Iterator[Finding]:
    match = _PLACE.fullmatch(text)
    host = (match[1] or match[2]) if match is not None else ""
    literal = _is_address(host)
    if match is None or not (literal or (match[1] is None and _NAME.fullmatch(host))):
        yield path, f"'{text}' is not address:port, nor a name", "e.g. 192.0.2.10:5060 or sip.carrier.example"
    elif (literal and match[3] is None) or (not literal and re.fullmatch(r"[0-9.]+", host)):
        yield path, f"'{text}' is not address:port", "e.g. 192.0.2.10:5060"
    elif match[3] is not None and not 0 < int(match[3]) <= 65535:
        yield path, f"'{text}' has no valid port", "e.g. 192.0.2.10:5060"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _account(path: str, trunk: Trunk) -> Iterator[Finding]:
    if trunk.login is not None and not _USER.fullmatch(trunk.login.user):
        yield f"{path}.login.user", "the user of a login is one word", None
    if trunk.domain is not None and not (_NAME.fullmatch(trunk.domain) or _is_address(trunk.domain.strip("[]"))):
        yield f"{path}.domain", f"'{trunk.domain}' is no name of a host", "e.g. sip.carrier.example"
    if trunk.from_user is not None and not _USER.fullmatch(trunk.from_user):
        yield f"{path}.from_user", f"'{trunk.from_user}' is no user part of a SIP URI", None
    register = trunk.register
    if register is None:
        return
    if not takes_calls(trunk):
        yield f"{path}.register", "to register a trunk needs to or gateways", "say where its registrar is"
    if trunk.login is None and register.user is None:
        yield f"{path}.register", "to register a trunk needs login, or register.user", "login: {user: …, password: …}"
    for name in ("user", "contact"):
        text = getattr(register, name)
        if text is not None and not _USER.fullmatch(text):
            yield f"{path}.register.{name}", f"'{text}' is no user part of a SIP URI", None
    if not 10 <= register.expires <= 7 * 86400 or register.expires % 1:
        yield f"{path}.register.expires", "register.expires is 10s to 7d, in whole seconds", "e.g. 1h"
    if not 1 <= register.retry <= 1800:
        yield f"{path}.register.retry", "register.retry is 1s to 30m", "e.g. 30s"


def _rules(path: str, trunk: Trunk) -> Iterator[Finding]:
    for name in ("caller", "dialled", "shown", "called"):
        rules: tuple[NumberRule, ...] = getattr(trunk.numbers, name)
        if len(rules) > rewriting.MAX_RULES:
            yield f"{path}.numbers.{name}", f"there may be {rewriting.MAX_RULES} rules", None
        for place, rule in enumerate(rules):
            try:
                read_rule(rule.prefix, rule.match, rule.strip, rule.add, rule.replace)
            except RuleError as error:
                yield f"{path}.numbers.{name}[{place}]", str(error), 'e.g. {prefix: "0", strip: 1, add: "+86"}'


def _headers(config: Config, path: str, trunk: Trunk) -> Iterator[Finding]:
    directions: tuple[Direction, ...] = ("incoming", "outgoing")
    for direction in directions:
        rules: tuple[HeaderRule, ...] = getattr(trunk.headers, direction)
        if len(rules) > header_rules.MAX_RULES:
            yield f"{path}.headers.{direction}", f"there may be {header_rules.MAX_RULES} rules", None
        for place, rule in enumerate(rules):
            yield from _header(config, f"{path}.headers.{direction}[{place}]", rule, direction)


def _header(config: Config, path: str, rule: HeaderRule, direction: Direction) -> Iterator[Finding]:
    hint = 'e.g. {set: P-Asserted-Identity, to: "<sip:{shown}@{domain}>"}'
    try:
        made = header_rule(rule)
    except HeaderRuleError as error:
        yield path, str(error), hint
        return
    if direction == "incoming" and made.slots:
        yield f"{path}.to", f"{{{made.slots[0]}}} can only be filled in where a call goes out", None
    if direction == "outgoing" and made.name.lower() in SOURCED:
        yield from _numbers_shown(config, f"{path}.to", made.value)


def _numbers_shown(config: Config, path: str, value: str) -> Iterator[Finding]:
    """A number that stands for who calls must be one that may be shown."""
    hidden = {canonical_number(mask.real.reveal("compare")) for mask in config.masks if mask.real is not None}
    for found in _DIGITS.findall(value):
        number = canonical_number(found)
        if is_service(number):
            yield path, "400 and 800 numbers only take calls", "show a geographic or mobile number, or {shown}"
        elif number in hidden and is_public_number(number):
            yield path, "a hidden number of masks may not be shown", "write {shown}"


def header_rule(rule: HeaderRule) -> header_rules.HeaderRule:
    """The rule as calls follow it; HeaderRuleError when it is none."""
    given = [(action, name) for action, name in (("set", rule.set), ("add", rule.add), ("remove", rule.remove)) if name]
    if len(given) != 1:
        raise HeaderRuleError("a rule has exactly one of set, add and remove")
    action, name = given[0]
    assert action in ("set", "add", "remove")
    return read_header_rule(action, name or "", rule.to)  # type: ignore[arg-type]  # one of the three words above
