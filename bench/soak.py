"""A soak: calls of all kinds for long, over a network that loses, doubles, delays and reorders.

SIPp makes most calls: straight to an agent (4001), keyed digits (4002), a queue (4003), music (4004), recorded
(4005). A twentieth is made by the bench's own phones: extensions keyed in the audio, hold by re-INVITE and by the API,
transfers by the API, callers who give up, agents who refuse; six desk phones refresh their registrations all along.
Signalling of both goes through relays of `bench.chaos`, the audio of the phones too. In the end nothing may be left of
any call, each must have exactly one complete record, memory and CPU a call must be as they were when the switch was
warm, and the log must hold no error.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console

from bench import report
from bench.api import Api, first_account
from bench.chaos import Chaos, Faces, Faults
from bench.errors import BenchError
from bench.load import Result, progress_bar, wide
from bench.own import own_switch
from bench.sipp import SCENARIOS, Sipp, Totals
from bench.soak_figures import Made, Samples, judge
from bench.soak_phones import DESKS, Phones
from bench.target import Target

SHARES: Final = {"direct": 0.55, "queue": 0.2, "music": 0.1, "digits": 0.05, "recorded": 0.05}
"""Of all calls, those that SIPp makes; the rest are the phones'."""
NUMBERS: Final = {"direct": "4001", "digits": "4002", "queue": "4003", "music": "4004", "recorded": "4005"}
SECONDS: Final = {"direct": 1.5, "digits": 6.0, "queue": 2.0, "music": 5.0, "recorded": 4.0}
"""How long each lasts after its answer."""
SIGNALS: Final = Faults(loss=0.02, burst=1.5, duplicate=0.02, delay=0.002, jitter=0.01, reorder=0.01, mercy=3)
"""For SIPp, which takes a message in another order for a fault of the call."""
ROUGH: Final = Faults(loss=0.08, burst=1.5, duplicate=0.08, delay=0.005, jitter=0.02, reorder=0.05, hold=0.04, mercy=3)
AUDIO: Final = Faults(loss=0.03, burst=2, duplicate=0.03, delay=0.01, jitter=0.03, reorder=0.05)
_BUFFER: Final = "1048576"
_SIP_PORT, _HTTP_PORT, _DATABASE = 5560, 5580, "store/switchboard.db"


@dataclass(frozen=True, slots=True)
class Soak:
    """How much, for how long, and where everybody is."""

    seconds: float = 1800.0
    rate: float = 50.0
    """Calls a second in all."""
    agent_port: int = 5190
    """SIPp's agent, then its callers, one port each."""
    media_port: int = 30000
    """Where SIPp's audio begins; ports up to 10,000 above are sent from."""
    media_ports: str = "10000-16999"
    mass: Faces = field(default_factory=lambda: Faces("127.8.9.2", "127.8.9.4", "127.8.9.3"))
    phones: Faces = field(default_factory=lambda: Faces("127.9.9.2", "127.9.9.4", "127.9.9.3"))
    seed: int = 1


def configuration(soak: Soak, sip_port: int, http_port: int, store: str) -> dict[str, object]:
    """A switch for a soak: SIPp's agent behind one relay, the phones behind the other."""
    agent = f"sip:agent@{soak.mass.outer}:{soak.agent_port}"
    desks = {f"desk{place}": f"aor:{user}" for place, user in enumerate(DESKS)}
    return {
        # Calls that SIPp has given up without a word would keep their ports for a quarter of an hour.
        "sip": {"listen": [{"host": "127.0.0.1", "port": sip_port}], "session_expires": "90s"},
        # Who hears of no response gives up no sooner than Timer B ends, and must not meet this timeout then.
        "limits": {"ring_timeout": "60s"},
        # SIPp keeps silent, which would be found out and hung up.
        "media": {"workers": 1, "ports": soak.media_ports, "silence": "1h"},
        # A machine that does other things as well must not be taken for a crowd of callers.
        "overload": {"delay": "0s"},
        # What is kept of messages is bounded; with this bound it is full when the comparison of memory begins.
        "trace": {"megabytes": 1},
        "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"]}],
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in DESKS],
        "numbers": [
            {"number": "4001", "target": agent},
            {"number": "4005", "target": agent, "record": True},
            {"number": "4002", "flow": "soak_digits"},
            {"number": "4003", "group": "mass"},
            {"number": "4004", "flow": "hold_music"},
            {"number": "4008001234", "flow": "extension"},
            *({"number": f"410{place}", "target": f"aor:{user}", "record": True} for place, user in enumerate(DESKS)),
            {"number": "4200", "group": "desks"},
        ],
        "masks": [{"number": "4008001234", "extension": "112233", "target": f"aor:{DESKS[0]}"}],
        "flows": ["flows"],
        "groups": [
            {"name": "mass", "announcements": {"music": []}, "no_answer_state": "idle"},
            {"name": "desks", "no_answer_state": "idle"},
        ],
        "agents": [
            {"id": "mass", "phone": agent, "count": round(20 + soak.rate * 4), "groups": {"mass": 1}, "always": True},
            *(
                {"id": desk, "phone": phone, "groups": {"desks": 1} if place == 4 else {}, "always": True}
                for place, (desk, phone) in enumerate(desks.items())
            ),
        ],
        "recording": {"directory": f"{store}/recordings"},
        "store": {"directory": store, "fresh": True},
        "http": {"host": "127.0.0.1", "port": http_port},
        "log": {"level": "warning"},
    }  # fmt: skip


def write_flow(directory: Path, soak: Soak) -> None:
    """The flow of 4002: four digits, then SIPp's agent; a caller who keys nothing is let go."""
    (directory / "flows").mkdir(exist_ok=True)
    collect = {
        "type": "collect", "into": "digits", "prompts": ["zh/enter_digits"], "min": 4, "max": 4, "first_timeout": "8s",
        "digit_timeout": "5s", "next": "connect", "on_timeout": "bye", "on_invalid": "bye",
    }  # fmt: skip
    agent = f"sip:agent@{soak.mass.outer}:{soak.agent_port}"
    connect = {"type": "dial", "target": agent, "next": "bye", "on": {"other": "bye"}}
    nodes = {"digits": collect, "connect": connect, "bye": {"type": "hangup", "cause": "normal"}}
    flow = {"flow": "soak_digits", "answer": "now", "start": "digits", "nodes": nodes}
    (directory / "flows" / "soak_digits.yaml").write_text(yaml.safe_dump(flow))


@dataclass(slots=True)
class Mass:
    """SIPp's callers and their agent."""

    agent: Sipp
    callers: dict[str, Sipp]
    wanted: dict[str, int]

    @property
    def over(self) -> bool:
        """Whether all calls have been made."""
        return all(caller.over for caller in self.callers.values())

    def stop(self) -> None:
        """End what still runs."""
        for sipp in (*self.callers.values(), self.agent):
            sipp.stop()

    def totals(self) -> dict[str, Totals]:
        """What each caller has counted."""
        return {kind: caller.totals() for kind, caller in self.callers.items()}


def _mass(soak: Soak, relay: Chaos, directory: Path) -> Mass:
    """One SIPp for each kind of call, and one that answers all; none has begun."""
    for name in ("agent", "caller", "caller_digits"):
        shutil.copy(SCENARIOS / f"{name}.xml", directory)
    (directory / "digits.csv").write_text("SEQUENTIAL\n1234;\n")
    common = ("-buff_size", _BUFFER, "-default_behaviors", "all,-abortunexp")
    agent = Sipp(directory / "agent.xml", directory, soak.agent_port, soak.media_port, "", common, host=soak.mass.peer)
    callers, wanted = {}, {}
    for place, (kind, share) in enumerate(SHARES.items(), start=1):
        total = max(1, round(soak.seconds * soak.rate * share))
        wanted[NUMBERS[kind]] = total
        period = max(1, round(1000 / (soak.rate * share)))
        arguments = ["-s", NUMBERS[kind], "-r", "1", "-rp", str(period), "-m", str(total)]
        # What is not answered is given up, or one call that went wrong would be waited for without end.
        arguments += ["-d", str(round(SECONDS[kind] * 1000)), "-l", "5000", "-recv_timeout", "30000", *common]
        if kind == "digits":
            arguments += ["-inf", "digits.csv"]
        scenario = directory / ("caller_digits.xml" if kind == "digits" else "caller.xml")
        media = soak.media_port + 20 * place
        remote = f"{relay.target[0]}:{relay.target[1]}"
        callers[kind] = Sipp(
            scenario, directory, soak.agent_port + place, media, remote, arguments, host=soak.mass.peer
        )
    return Mass(agent, callers, wanted)


async def measure(
    soak: Soak, target: Target, api: Api, web: str, database: Path, directory: Path, log: Path, console: Console
) -> Result:
    """Let it run, wait until all is over, and judge; `web` is where the metrics are."""
    port, samples = target.address[1], Samples(target, web)
    async with AsyncExitStack() as stack:
        near = stack.enter_context(
            Chaos(soak.mass, port, sip=SIGNALS, seed=soak.seed, media=False, phones=(soak.agent_port,))
        )
        far = stack.enter_context(Chaos(soak.phones, port, sip=ROUGH, rtp=AUDIO, seed=soak.seed + 1))
        phones = await stack.enter_async_context(Phones(far, api, soak.rate * (1 - sum(SHARES.values()))))
        mass = _mass(soak, near, directory)
        stack.callback(mass.stop)
        mass.agent.start()
        # One call of each kind, so that what is loaded at first use is there; then the idle switch is looked at.
        await phones.rehearse()
        await asyncio.to_thread(samples.settle)
        for caller in mass.callers.values():
            caller.start()
        until = time.monotonic() + soak.seconds
        playing = asyncio.create_task(phones.play(until))
        await _watch(soak, mass, samples, until, console)
        await playing
        await asyncio.to_thread(samples.end)
        lost = {"sip": near.counts("sip") + far.counts("sip"), "rtp": far.counts("rtp")}
    made = Made({NUMBERS[kind]: total for kind, total in mass.totals().items()}, mass.wanted, phones.outcome)
    return judge(soak.seconds, samples, made, database, log, lost)


async def _watch(soak: Soak, mass: Mass, samples: Samples, until: float, console: Console) -> None:
    """Look at the switch again and again, until the last call is over."""
    with progress_bar(console, "soak", round(soak.seconds)) as show:
        while not mass.over:
            left = until - time.monotonic()
            if left < -90:
                raise BenchError("calls hang: they have not ended a minute and a half after the last was made")
            await asyncio.to_thread(samples.look)
            show(round(min(soak.seconds, soak.seconds - left)), samples.told())
            await asyncio.sleep(samples.every(soak.seconds))


@contextmanager
def _surroundings(soak: Soak, cpus: str) -> Iterator[tuple[Target, Api, Path, Path, Path]]:
    """A switch of its own, its API, its database, a directory, its output."""
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as place, ExitStack() as stack:
        directory = Path(place)
        write_flow(directory, soak)
        file = directory / "soak.yaml"
        sections = configuration(soak, _SIP_PORT, _HTTP_PORT, f"{directory}/store")
        file.write_text(yaml.safe_dump({**sections, "flows": [str(directory / "flows")]}), "utf-8")
        own = stack.enter_context(own_switch(file, cpus))
        api = stack.enter_context(Api(("127.0.0.1", _HTTP_PORT)))
        api.sign_in(*first_account(own.output()))
        yield own.target, api, directory / _DATABASE, directory, own.log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m bench soak`."""
    known = Soak()
    parser.add_argument("--minutes", type=float, default=known.seconds / 60, help="for how long calls are made")
    parser.add_argument("--rate", type=float, default=known.rate, help="calls a second in all")
    parser.add_argument("--seed", type=int, default=known.seed, help="the same dice again")
    parser.add_argument("--cpus", default="", help="CPUs for the switch; all unless given")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def run(options: argparse.Namespace) -> int:
    """Start a switch, soak it, print what was found, return the exit status."""
    console = wide(Console(highlight=False))
    soak = Soak(seconds=options.minutes * 60, rate=options.rate, seed=options.seed)
    crowded = report.busy()
    if crowded:
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    results, failure = {}, ""
    try:
        with _surroundings(soak, options.cpus) as (target, api, database, directory, log):
            web = f"http://127.0.0.1:{_HTTP_PORT}"
            results["soak"] = asyncio.run(measure(soak, target, api, web, database, directory, log, console))
    except BenchError as error:
        failure = str(error)
    return report.conclude(console, results, failure, f"127.0.0.1:{_SIP_PORT}", options.json, crowded)
