"""What types cannot say: values that must fit each other. Pure; yields (path, message, hint), worst first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from ipaddress import ip_network
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.addresses import address, concrete, host_port
from config.errors import suggestion
from config.findings import DIGITS, Finding, check_target, duplicates
from config.media_checks import media_findings
from config.queue_checks import queue_findings
from config.schema import Config, Mask, Outbound, Trunk
from config.sip_schema import Listen
from config.trunk_checks import takes_calls, trunk_findings

_PIN: Final = re.compile(r"[0-9]{4,8}")
_EXTENSION: Final = re.compile(r"\d{1,6}")
_FEATURE_CODE: Final = re.compile(r"[*#][0-9*#]{0,7}")
_PATH: Final = re.compile(r"/[^\s?#]*")
_ORIGIN: Final = re.compile(r"null|[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]*")
_DAY_SECONDS: Final = 86_400.0
_LEAST_SESSION: Final = 90
_MOST_COLLECTING: Final = 0.1
_LEAST_KEEP_ALIVE: Final = 5


def findings(config: Config) -> Iterator[Finding]:
    """Everything that does not fit, in the order of the file."""
    yield from _sip(config)
    yield from media_findings(config)
    yield from _limits(config)
    yield from _trunks(config)
    yield from _accounts(config)
    yield from _registrations(config)
    yield from _numbers(config)
    yield from _masks(config)
    if config.outbound is not None:
        yield from _outbound(config, config.outbound)
    yield from _parking(config)
    yield from queue_findings(config)
    yield from _blocklist(config)
    if not 1 <= config.overload.retry_after <= 3600:
        yield "overload.retry_after", "overload.retry_after must be between 1s and 1h", None
    yield from _dns(config)
    yield from _recording(config)
    yield from _calendar(config)
    yield from _http(config)


def _sip(config: Config) -> Iterator[Finding]:
    for index, listen in enumerate(config.sip.listen):
        yield from concrete(f"sip.listen[{index}].host", listen.host)
    yield from _listeners(config)
    if config.demo:
        for index, listen in enumerate(config.sip.listen):
            found = address(listen.host)
            if found is not None and not found.is_loopback:
                message = f"demo: true publishes sample passwords, and {listen.host} is not loopback"
                yield f"sip.listen[{index}].host", message, "listen on 127.0.0.1 or set demo: false"
    timers = config.sip.timers
    for name in ("t1", "t2", "t4", "d"):
        if getattr(timers, name) <= 0:
            yield f"sip.timers.{name}", f"sip.timers.{name} must be above zero", None
    if timers.t2 < timers.t1:
        yield "sip.timers.t2", "t2 is the ceiling of retransmissions and must not be below t1", None
    if config.sip.collect > _MOST_COLLECTING:
        yield "sip.collect", f"sip.collect is {_MOST_COLLECTING} seconds at most", "40ms suits most"
    interval, least = config.sip.session_expires, config.sip.min_se
    if least < _LEAST_SESSION or least % 1:
        yield "sip.min_se", f"min_se is {_LEAST_SESSION} seconds or more, in whole seconds (RFC 4028 §4)", None
    if interval and (interval < least or interval % 1):
        yield "sip.session_expires", "session_expires is min_se or more, in whole seconds, or 0", "e.g. 30m"
    for name, text in (("domain", config.sip.domain), ("user_agent", config.sip.user_agent)):
        if not text or not text.isprintable() or not text.isascii():
            yield f"sip.{name}", f"sip.{name} must be one line of plain characters", None


def _listeners(config: Config) -> Iterator[Finding]:
    """UDP first, then others, each once on IPv4 and on IPv6: so it is clear what we call ourselves on each."""
    listen = config.sip.listen
    ports = [f"{one.host}:{one.port}/{'udp' if one.transport == 'udp' else 'tcp'}" for one in listen]
    yield from duplicates("sip.listen", "port", ports)
    if listen[0].transport != "udp":
        yield "sip.listen[0].transport", "the first entry of sip.listen is that of UDP", "put it before the others"
    seen: set[tuple[str, bool]] = set()
    for index, one in enumerate(listen):
        where = f"sip.listen[{index}]"
        # Browsers come over either family to the one place that their page names.
        kind = one.transport, ":" in one.host and one.transport not in ("ws", "wss")
        if kind in seen:
            message = f"a switch has one SIP address on each transport, and this is the second on {one.transport}"
            hint = "leave one of them out" if kind[0] in ("ws", "wss") else "leave one out; IPv4 and IPv6 may be both"
            yield where, message, hint
        seen.add(kind)
        for name in ("certificate", "key", "client_ca"):
            given = getattr(one, name) is not None
            if given and one.transport not in ("tls", "wss"):
                yield f"{where}.{name}", f"{name} is for transport: tls or wss", "leave it out"
            elif not given and one.transport in ("tls", "wss") and name != "client_ca":
                yield where, f"transport: {one.transport} needs a {name}", f"name its PEM file: {name}: FILE"
        yield from _web(where, one)
    for name in ("connect", "idle", "ping"):
        if getattr(config.sip.connections, name) <= 0:
            yield f"sip.connections.{name}", f"sip.connections.{name} must be above zero", None
    for index, trunk in enumerate(config.trunks):
        if trunk.transport not in {"any", *(one.transport for one in listen)}:
            message = f"sip.listen has no {trunk.transport}, so it cannot be used with a carrier"
            yield f"trunks[{index}].transport", message, f"add an entry with transport: {trunk.transport}"


def _web(where: str, listen: Listen) -> Iterator[Finding]:
    """What only WebSockets have."""
    if listen.transport not in ("ws", "wss"):
        if listen.path != "/" or listen.origins:
            yield where, "path and origins are for transport: ws or wss", "leave them out"
        return
    if not _PATH.fullmatch(listen.path):
        yield f"{where}.path", "a path begins with / and has no query", "e.g. /sip"
    for index, origin in enumerate(listen.origins):
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            message = f"{origin!r} is not an origin: write scheme and host, with the port unless it is the default"
            yield f"{where}.origins[{index}]", message, "e.g. https://desk.example.com"


def _dns(config: Config) -> Iterator[Finding]:
    for index, server in enumerate(config.dns.servers):
        if address(server) is None and host_port(server) is None:
            yield f"dns.servers[{index}]", f"'{server}' is not an address", "e.g. 192.0.2.53 or 192.0.2.53:5353"
    if config.dns.timeout <= 0:
        yield "dns.timeout", "dns.timeout must be above zero", None


def _recording(config: Config) -> Iterator[Finding]:
    for name in ("keep", "keep_messages"):
        kept = getattr(config.recording, name)
        if kept is not None and kept < _DAY_SECONDS:
            yield f"recording.{name}", f"recording.{name} must be a day or more", "e.g. 180d"


def _limits(config: Config) -> Iterator[Finding]:
    for name in ("ring_timeout", "call_duration"):
        if getattr(config.limits, name) <= 0:
            yield f"limits.{name}", f"limits.{name} must be above zero", None


def _trunks(config: Config) -> Iterator[Finding]:
    yield from duplicates("trunks", "name", [trunk.name for trunk in config.trunks])
    taken: dict[str, str] = {}
    for index, trunk in enumerate(config.trunks):
        path = f"trunks[{index}]"
        if trunk.name == "phones":
            yield f"{path}.name", "'phones' is the name of the registered softphones", "choose another"
        yield from trunk_findings(config, index, trunk)
        for landing in trunk.landing:
            if not DIGITS.fullmatch(landing) or not DIGITS.fullmatch(trunk.landing[landing]):
                yield f"{path}.landing", f"'{landing}: {trunk.landing[landing]}' are not two numbers", None
        yield from _sources(path, trunk, taken)


def _sources(path: str, trunk: Trunk, taken: dict[str, str]) -> Iterator[Finding]:
    for index, source in enumerate(trunk.from_):
        place = f"{path}.from[{index}]"
        try:
            key = source if host_port(source) else str(ip_network(source))
        except ValueError:
            loose = _loose_network(source)
            hint = f"did you mean {loose}?" if loose else "e.g. 192.0.2.10, 192.0.2.10:5060 or 192.0.2.0/24"
            yield place, f"'{source}' is no address, address:port or network", hint
            continue
        if key in taken:
            yield place, f"{source} already belongs to trunk '{taken[key]}'", "a source names one trunk"
        taken[key] = trunk.name


def _blocklist(config: Config) -> Iterator[Finding]:
    for name in ("window", "silence"):
        if getattr(config.sources, name) <= 0:
            yield f"sources.{name}", f"sources.{name} must be above zero", None
    for index, text in enumerate(config.sources.block):
        try:
            ip_network(text)
        except ValueError:
            loose = _loose_network(text)
            hint = f"did you mean {loose}?" if loose else "e.g. 192.0.2.10 or 192.0.2.0/24"
            yield f"sources.block[{index}]", f"'{text}' is no address or network", hint


def _loose_network(text: str) -> str | None:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return None


def _accounts(config: Config) -> Iterator[Finding]:
    users = [account.user for account in config.accounts]
    yield from duplicates("accounts", "user", users)
    known = frozenset(users)
    for index, account in enumerate(config.accounts):
        if account.pin is not None and not _PIN.fullmatch(account.pin.reveal("check its form")):
            yield f"accounts[{index}].pin", "a PIN has 4 to 8 digits", "put it in quotes"
        if not account.digest or len(set(account.digest)) < len(account.digest):
            yield f"accounts[{index}].digest", "digest names one algorithm or both, each once", "digest: [md5]"
        for place, user in enumerate(account.watches):
            if user != "*" and user not in known:
                hint = suggestion(user, users) or "write the user of an account, or '*' for anybody's"
                yield f"accounts[{index}].watches[{place}]", f"no account is called '{user}'", hint


def _registrations(config: Config) -> Iterator[Finding]:
    settings = config.registrations
    for name in ("min_expires", "max_expires", "default_expires", "flow_timer"):
        if getattr(settings, name) % 1:
            yield f"registrations.{name}", f"registrations.{name} is in whole seconds", None
    if settings.min_expires <= 0:
        yield "registrations.min_expires", "registrations.min_expires must be above zero", None
    if not settings.min_expires <= settings.default_expires <= settings.max_expires:
        message = "registrations: min_expires, default_expires and max_expires must rise in this order"
        yield "registrations.default_expires", message, None
    if 0 < settings.keep_alive < _LEAST_KEEP_ALIVE:
        message = f"registrations.keep_alive is {_LEAST_KEEP_ALIVE} seconds or more, or 0"
        yield "registrations.keep_alive", message, "routers forget a phone after 30s or more"


def _numbers(config: Config) -> Iterator[Finding]:
    yield from duplicates("numbers", "number", [entry.number for entry in config.numbers])
    for index, entry in enumerate(config.numbers):
        path = f"numbers[{index}]"
        if not DIGITS.fullmatch(entry.number.removesuffix("*")):
            message = f"'{entry.number}' is neither a number of 3 to 20 digits nor a prefix followed by *"
            yield f"{path}.number", message, None
        if sum((entry.flow is not None, entry.target is not None, entry.mask, entry.group is not None)) != 1:
            message = f"number {entry.number} needs exactly one of flow, target, group and mask: true"
            yield path, message, "e.g. flow: extension"
        if entry.target is not None:
            yield from check_target(config, f"{path}.target", entry.target, extension=False)
        if entry.variables and entry.flow is None and not entry.failed:
            yield f"{path}.variables", "variables are for a flow", "give flow: NAME or failed: NAME as well"
        if entry.failed is not None and not entry.mask and entry.group is None:
            yield f"{path}.failed", "failed belongs to mask: true or a group", "a flow has exits for what goes wrong"


def _masks(config: Config) -> Iterator[Finding]:
    numbers = {entry.number for entry in config.numbers}
    beginnings = [number.removesuffix("*") for number in numbers if number.endswith("*")]
    spans: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
    for index, mask in enumerate(config.masks):
        path = f"masks[{index}]"
        if mask.number not in numbers and not any(mask.number.startswith(one) for one in beginnings):
            yield f"{path}.number", f"number {mask.number} is not under numbers", "add it there or correct it"
        if (mask.extension is None) == (mask.extensions is None):
            yield path, "a mask needs either extension or extensions", None
        elif mask.extension is not None and not _EXTENSION.fullmatch(mask.extension):
            yield f"{path}.extension", f"'{mask.extension}' is not an extension of 1 to 6 digits", None
        else:
            first, last, width = _span(mask)
            spans.setdefault((mask.number, width), []).append((first, last, index))
        yield from _destination(config, path, mask)
    for (number, width), found in spans.items():
        found.sort()
        for (_, end, one), (begin, _, other) in pairwise(found):
            if begin <= end:
                earlier = min(one, other)
                message = f"extension {begin:0{width}d} of {number} is already bound by masks[{earlier}]"
                yield f"masks[{max(one, other)}]", message, "an extension leads to one place"


def _span(mask: Mask) -> tuple[int, int, int]:
    if mask.extensions is not None:
        return mask.extensions.first, mask.extensions.last, mask.extensions.width
    extension = mask.extension or ""
    return int(extension), int(extension), len(extension)


def _destination(config: Config, path: str, mask: Mask) -> Iterator[Finding]:
    if (mask.target is None) == (mask.real is None):
        yield path, "a mask needs either target or real with trunk and shown", None
    elif mask.target is not None:
        if mask.trunk is not None or mask.shown is not None:
            yield path, "trunk and shown belong to real, not to target", None
        yield from check_target(config, f"{path}.target", mask.target, extension=True)
    elif mask.real is not None:
        if not DIGITS.fullmatch(mask.real.reveal("check its form")):
            yield f"{path}.real", "the real number must be 3 to 20 digits", None
        yield from _way_out(config, path, mask.trunk, mask.shown)


def _way_out(config: Config, path: str, name: str | None, shown: str | None) -> Iterator[Finding]:
    """The trunk that takes a real number, and the number shown to who is called."""
    trunk = next((one for one in config.trunks if one.name == name), None)
    if trunk is None:
        yield path, f"a real number needs one of the trunks, not '{name}'", "name it under trunks"
    elif not takes_calls(trunk):
        yield f"{path}.trunk", f"trunk '{trunk.name}' takes no calls", "give it to: address:port"
    if shown is None or not DIGITS.fullmatch(shown):
        yield path, "a real number needs shown: the number that the called party sees", None
    elif re.match(r"(?:\+?86)?[48]00\d{7}$", shown):
        yield f"{path}.shown", "400 and 800 numbers only take calls", "show a geographic or mobile number"


def _outbound(config: Config, outbound: Outbound) -> Iterator[Finding]:
    if not outbound.trunks:
        yield "outbound.trunk", "outbound needs a trunk, or several", "name one of trunks"
    for name in outbound.trunks:
        yield from _way_out(config, "outbound", name, outbound.shown)


def _parking(config: Config) -> Iterator[Finding]:
    prefix, path = config.parking.prefix, "parking.prefix"
    if config.parking.timeout <= 0:
        yield "parking.timeout", "timeout must be above zero", None
    if prefix and not _FEATURE_CODE.fullmatch(prefix):
        # No number under `numbers` begins so: none can be taken for a slot.
        yield path, f"'{prefix}' is no feature code", "a * or #, then up to 7 of 0-9, * and #; e.g. *71"


def _calendar(config: Config) -> Iterator[Finding]:
    try:
        ZoneInfo(config.calendar.zone)
    except (ZoneInfoNotFoundError, ValueError):
        yield "calendar.zone", f"'{config.calendar.zone}' is no time zone", "e.g. Asia/Shanghai"
    days = [(f"calendar.workdays[{i}]", day) for i, day in enumerate(config.calendar.workdays)]
    days += [("calendar.holidays", day) for day in config.calendar.holidays]
    for path, day in days:
        try:
            date.fromisoformat(day)
        except ValueError:
            yield path, f"'{day}' is no date", 'write it as "2026-10-08"'


def _http(config: Config) -> Iterator[Finding]:
    if config.http.enabled and address(config.http.host) is None:
        yield "http.host", f"'{config.http.host}' is not an IP address", "e.g. 127.0.0.1"
