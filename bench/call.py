"""The demonstration call: a carrier dials, keys an extension, talks to a registered softphone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console
from rich.table import Table

from bench.ladder import Ladder
from bench.load import wide
from bench.phone import Answer, Call, Phone, PhoneError
from bench.rtp import KeyedDigit, Stats, share
from bench.target import listens, parse_address

_CONFIG: Final = Path(__file__).parent.parent / "config" / "default.yaml"
_CARRIER_HZ, _AGENT_HZ, _RINGBACK_HZ = 440, 880, 450


@dataclass(slots=True)
class Outcome:
    """What the call showed, and what was wrong with it."""

    wrong: list[str] = field(default_factory=list)
    post_dial_delay: float | None = None
    from_last_packet: float | None = None
    from_first_packet: float | None = None
    carrier: Stats | None = None
    agent: Stats | None = None
    cdr: dict[str, object] = field(default_factory=dict)
    cdr_legs: list[dict[str, object]] = field(default_factory=list)

    def check(self, good: bool, otherwise: str) -> None:
        """Note a fault unless all is well."""
        if not good:
            self.wrong.append(otherwise)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m bench call`."""
    parser.add_argument("--target", default="127.0.0.1:5060", help="the switch's SIP address")
    parser.add_argument("--number", default="4008001234", help="number the carrier dials")
    parser.add_argument("--extension", default="800001", help="digits the caller keys")
    parser.add_argument("--caller", default="13800138000", help="the caller's number")
    parser.add_argument("--carrier", default="127.0.0.1:5070", help="address the carrier sends from")
    parser.add_argument("--user", default="alice", help="softphone that registers and answers")
    parser.add_argument("--password", help="its password; otherwise looked up in --config")
    parser.add_argument("--config", type=Path, default=Path("config/default.yaml"), help="where accounts are read")
    parser.add_argument("--database", type=Path, default=Path("var/switchboard.db"), help="where the CDR is read")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long both sides talk")
    parser.add_argument("--no-cdr", action="store_true", help="do not look for the CDR")


def run(options: argparse.Namespace) -> int:
    """Make the call, print what happened, return the exit status."""
    console = wide(Console(highlight=False))
    started_us = time.time_ns() // 1000
    try:
        password = options.password or account_password(options.config, options.user)
        outcome = asyncio.run(_demonstrate(options, password, console))
    except PhoneError as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    if not options.no_cdr and outcome.agent:
        _read_cdr(options, started_us, outcome)
    _summary(outcome, console)
    return 1 if outcome.wrong else 0


def account_password(config: Path, user: str) -> str:
    """The password of a softphone account in a configuration file."""
    try:
        accounts = yaml.safe_load(config.read_text("utf-8")).get("accounts") or []
    except OSError as error:
        raise PhoneError(f"{config}: {error.strerror}; name the switch's configuration by --config") from error
    for account in accounts:
        if account.get("user") == user:
            return str(account["password"])
    raise PhoneError(f"{config}: no account {user!r}; choose one by --user or give --password")


async def _demonstrate(options: argparse.Namespace, password: str, console: Console) -> Outcome:
    """Open both phones and make the call."""
    target = parse_address(options.target)
    if not listens(target):
        raise PhoneError(f"nothing listens at {options.target}: start the switch by `make run` first")
    host, port = parse_address(options.carrier)
    outcome = Outcome()
    async with (
        await Phone.open(options.caller, host=host, port=port, target=target) as carrier,
        await Phone.open(options.user, host=host, target=target, password=password) as agent,
    ):
        ladder = Ladder(["carrier", "switchboard", options.user], console)
        ladder.watch(carrier.endpoint, 0, 1)
        ladder.watch(agent.endpoint, 2, 1)
        ladder.head()
        try:
            await _register(agent, outcome)
            await _call(options, carrier, agent, ladder, outcome)
        except PhoneError as error:
            outcome.wrong.append(str(error))
        _check_wire(options, carrier, agent, outcome)
        await _leave(agent)
    return outcome


async def _leave(agent: Phone) -> None:
    """Register no more, or the next call would ring at a phone that is gone."""
    agent.endpoint.watchers.clear()
    with contextlib.suppress(PhoneError):
        await agent.register(expires=0)


async def _register(agent: Phone, outcome: Outcome) -> None:
    """Register the softphone, which must be challenged."""
    await agent.register()
    outcome.check(bool(agent.received("SIP/2.0 401")), "REGISTER was accepted without a challenge")


async def _call(options: argparse.Namespace, carrier: Phone, agent: Phone, ladder: Ladder, outcome: Outcome) -> None:
    """Dial, key, talk, hang up."""
    agent.behaviour = Answer(after=0.5)
    call = await carrier.dial(options.number)
    await call.answered()
    outcome.post_dial_delay = call.times.get("progress", call.times["answered"]) - call.times["invite"]
    call.rtp.play()
    await _prompt(call, ladder)
    ladder.note(f"the caller keys {options.extension} by RFC 4733")
    keying = asyncio.ensure_future(call.rtp.key(options.extension))
    far = await agent.next_call(within=5 + 0.2 * len(options.extension))
    keyed = await keying
    _transfer(far, keyed, outcome)
    await far.confirmed()
    ladder.note(f"{_CARRIER_HZ} Hz from the caller, {_AGENT_HZ} Hz from {options.user}, {options.seconds:g} s")
    await _talk(options.seconds, call, far, outcome)
    ladder.note("the caller hangs up")
    await call.hang_up()
    await far.ended(within=2)
    outcome.check(
        far.ended_by is not None and far.ended_by.method == "BYE",
        f"{options.user} got no BYE when the caller hung up",
    )
    outcome.carrier, outcome.agent = call.rtp.stats(), far.rtp.stats()
    for name, stats in ((options.user, outcome.agent), ("the carrier", outcome.carrier)):
        outcome.check(stats.lost == 0, f"{stats.lost} RTP packets to {name} were lost")
    ringback = call.rtp.between(far.times["invite"], far.times["answered"])
    outcome.check(share(ringback, _RINGBACK_HZ) > 0.5, "the caller heard no ringing tone")


async def _prompt(call: Call, ladder: Ladder) -> None:
    """Wait until the caller has heard half a second of something that is not silence."""
    deadline = time.monotonic() + 5
    while call.rtp.loudness(0.5) < 100:
        if time.monotonic() > deadline:
            raise PhoneError(f"the caller heard no prompt within 5 s ({call.rtp.stats()})")
        await asyncio.sleep(0.05)
    first = (call.rtp.stats().first_at or 0) - call.times["answered"]
    ladder.note(f"the caller hears the prompt, {first * 1000:.1f} ms after the answer")


def _transfer(far: Call, keyed: list[KeyedDigit], outcome: Outcome) -> None:
    """How long the INVITE to the softphone took."""
    outcome.from_last_packet = far.times["invite"] - keyed[-1].last_at
    outcome.from_first_packet = far.times["invite"] - keyed[-1].first_at


async def _talk(seconds: float, call: Call, far: Call, outcome: Outcome) -> None:
    """Tones both ways; each must be heard at the other end and nothing else with it."""
    call.rtp.play(_CARRIER_HZ)
    far.rtp.play(_AGENT_HZ)
    await asyncio.sleep(seconds)
    heard = min(1.0, seconds / 2)
    outcome.check(far.rtp.hears(_CARRIER_HZ, heard), f"the softphone did not hear {_CARRIER_HZ} Hz")
    outcome.check(call.rtp.hears(_AGENT_HZ, heard), f"the carrier did not hear {_AGENT_HZ} Hz")
    call.rtp.stop()
    far.rtp.stop()
    await asyncio.sleep(0.1)
    for name, rtp in (("the softphone", far.rtp), ("the carrier", call.rtp)):
        packets = sum(p.payload_type in (0, 8) for p in rtp.received)
        wanted = round(seconds * 50 * 0.95)
        outcome.check(packets >= wanted, f"{name} got {packets} audio packets, fewer than {wanted}")


def _check_wire(options: argparse.Namespace, carrier: Phone, agent: Phone, outcome: Outcome) -> None:
    """Neither side may learn the other's number or address, and both must have been spoken to properly."""
    outcome.check(options.caller.encode() not in agent.received_bytes(), f"{options.user} was told the caller's number")
    secret = f"{agent.address[0]}:{agent.address[1]}".encode()
    outcome.check(secret not in carrier.received_bytes(), f"the carrier was told {options.user}'s address")
    for name, phone in (("the carrier", carrier), (options.user, agent)):
        outcome.wrong += [f"{name} was sent: {complaint}" for complaint in phone.complaints]


def _read_cdr(options: argparse.Namespace, started_us: int, outcome: Outcome) -> None:
    """Wait for the call's record in the database (up to five seconds) and compare it with what happened."""
    if not options.database.exists():
        outcome.wrong.append(f"{options.database}: no such file; name the switch's database by --database")
        return
    deadline = time.monotonic() + 5
    while not outcome.cdr and time.monotonic() < deadline:
        time.sleep(0.1)
        try:
            _query_cdr(options, started_us, outcome)
        except sqlite3.Error as error:
            outcome.wrong.append(f"{options.database}: {error}")
            return
    if not outcome.cdr:
        outcome.wrong.append(f"{options.database}: no record of the ended call within 5 s")
        return
    cdr = outcome.cdr
    outcome.check(cdr["extension"] == options.extension, f"the CDR has the extension {cdr['extension']!r}")
    outcome.check(cdr["answered_us"] is not None, "the CDR says the call was not answered")
    outcome.check(options.caller not in str(cdr["caller_masked"]), "the CDR shows the caller's number in clear text")
    outcome.check(len(outcome.cdr_legs) == 2, f"the CDR has {len(outcome.cdr_legs)} legs")


def _query_cdr(options: argparse.Namespace, started_us: int, outcome: Outcome) -> None:
    """Read the newest ended call to the number since the demonstration began."""
    place = f"file:{options.database}?mode=ro"
    with contextlib.closing(sqlite3.connect(place, uri=True, timeout=2)) as database:
        database.row_factory = sqlite3.Row
        row = database.execute(
            "SELECT * FROM calls WHERE called = ? AND started_us >= ? AND ended_us IS NOT NULL"
            " ORDER BY started_us DESC LIMIT 1",
            (options.number, started_us - 1_000_000),
        ).fetchone()
        if row is not None:
            legs = database.execute("SELECT * FROM legs WHERE call_id = ? ORDER BY place", (row["id"],))
            outcome.cdr_legs = [dict(leg) for leg in legs]
            outcome.cdr = dict(row)


def _milliseconds(seconds: float | None) -> str:
    """A duration as it is printed."""
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def _summary(outcome: Outcome, console: Console) -> None:
    """Print the figures, the CDR and what was wrong."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("post-dial delay", _milliseconds(outcome.post_dial_delay), "INVITE to the first 18x or 200")
    last, first = outcome.from_last_packet, outcome.from_first_packet
    when = "before the digit ended" if last is not None and last < 0 else "after the digit ended"
    table.add_row("transfer latency", _milliseconds(first), "last digit's first packet to INVITE at the agent")
    table.add_row("", _milliseconds(last), f"from its last packet; the INVITE came {when}")
    for way, sender, receiver in (
        ("caller to agent", outcome.carrier, outcome.agent),
        ("agent to caller", outcome.agent, outcome.carrier),
    ):
        if sender and receiver:
            table.add_row(
                way,
                f"{receiver.received} packets",
                f"{receiver.lost} lost, jitter {receiver.jitter_ms:.2f} ms ({sender.sent} sent)",
            )
    console.print()
    console.print(table)
    if outcome.cdr:
        _print_cdr(outcome, console)
    console.print()
    for fault in outcome.wrong:
        console.print(f"[bold red]wrong:[/] {fault}", soft_wrap=True)
    if not outcome.wrong:
        console.print("[bold green]The call was right in every respect.[/]")


def _print_cdr(outcome: Outcome, console: Console) -> None:
    """Print the call record and its legs, sealed fields left out."""
    cdr = outcome.cdr
    table = Table(title="call detail record", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    hidden = ("caller_sealed", "caller_fingerprint", "version")
    for name, value in cdr.items():
        if name not in hidden and value not in (None, ""):
            table.add_row(name, _field(name, value))
    console.print()
    console.print(table)
    names = ("role", "peer", "codec", "received", "sent", "lost", "jitter_ms", "sip_status", "cause")
    legs = Table("leg", *names, box=None, padding=(0, 2, 0, 0))
    for leg in outcome.cdr_legs:
        legs.add_row(str(leg["place"]), *(_field(name, leg.get(name)) for name in names))
    console.print(legs)


def _field(name: str, value: object) -> str:
    """A record's field as people read it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int) and name.endswith("_us"):
        if value < 10**12:
            return f"{value / 1000:.1f} ms"
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value / 1e6)) + f".{value % 10**6:06d}"
    return str(value)
