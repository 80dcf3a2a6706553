"""A surge: thousands of callers within a minute for a few agents, by real SIP, and what becomes of every one of them.

While the callers come the agents talk to the first of them, so that nearly all wait at once. Then the agents talk for a
second or two each, until nobody waits any more. A third of the callers press 1 (SIP INFO) while they wait, are let go,
and are called back by the trunk when their turn comes, the agent first. Those who came first hear music and their
positions by RTP; for the others the switch runs on a plane that carries no packets (`media.plane: none`,
`media.carried`). SIPp plays callers, agents and those who are called back; order is judged from the switch's records
and from the INVITEs seen on the trunk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console

from bench import report
from bench.api import Api, Poll, first_account
from bench.capture import Capture, Ports
from bench.cpu import command_of, descendants, resident_mb, short_name
from bench.errors import BenchError
from bench.listener import Listener
from bench.load import Load, Result, loading, progress_bar, wide
from bench.own import own_switch
from bench.served import Service, read
from bench.surge_figures import Seen, Wire, api, audio, cost, faults, order, wire
from bench.surge_parties import Parties, Surge

SHOWN: Final = "01088880000"
_SIP_PORT: Final = 5560
_HTTP_PORT: Final = 5580
_DATABASE: Final = "store/switchboard.db"
_KEPT: Final = 700


def configuration(surge: Surge, sip_port: int, http_port: int, store: str) -> dict[str, object]:
    """A switch for this surge: one group, its agents at one address, a trunk back to the callers."""
    host = "127.0.0.1"
    announcements = {"first": "10s", "every": "20s", "position": True, "callback_offer": "20s"}
    return {
        "sip": {"listen": [{"host": host, "port": sip_port}]},
        # Nobody speaks, which would be found out and hung up.
        "media": {"ports": "10000-29999", "plane": "none", "carried": surge.listening + surge.agents, "silence": "1h"},
        "limits": {"calls": 2 * surge.callers},
        "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"], "to": f"{host}:{surge.trunk_port}"}],
        "outbound": {"trunk": "carrier", "shown": SHOWN},
        "numbers": [{"number": surge.number, "group": surge.group}],
        "groups": [{"name": surge.group, "no_answer_state": "idle", "announcements": announcements}],
        "agents": [
            {
                "id": "agent",
                "phone": f"sip:agent@{host}:{surge.agent_port}",
                "count": surge.agents,
                "groups": {surge.group: 1},
                "always": True,
            }
        ],
        "store": {"directory": store, "fresh": True},
        "http": {"host": host, "port": http_port},
        "log": {"level": "warning"},
    }


def write_configuration(file: Path, surge: Surge, sip_port: int, http_port: int, store: str) -> Path:
    """The same as a file."""
    file.write_text(yaml.safe_dump(configuration(surge, sip_port, http_port, store)), "utf-8")
    return file


def paths(surge: Surge) -> tuple[str, ...]:
    """What a board of the group asks the API for; the first of them tells how many wait."""
    return (f"/api/v1/groups/{surge.group}", "/health", f"/api/v1/groups/{surge.group}/queue")


def measure(load: Load, surge: Surge, poll: Poll, database: Path, seed: int = 0) -> Result:
    """Let them come, see them all served, and judge; raises BenchError when that takes too long."""
    result, parties = Result("surge"), Parties(load, surge, seed)
    with ExitStack() as stack:
        listener = stack.enter_context(Listener(surge.listener_port, load.cpus))
        capture = stack.enter_context(Capture((Ports(surge.agent_port, surge.trunk_port, _KEPT),)))
        stack.callback(parties.stop)
        parties.agents.start()
        parties.called.start()
        stack.enter_context(poll)
        seen = Seen(time.time() + 1.0, surge.within)
        _look(load, seen, 0)
        time.sleep(max(0.0, seen.began - time.time()))
        parties.callers.start()
        _watch(load, surge, parties, poll, seen)
        parties.stop()
    service = _records(surge, database)
    faults(result, [(f"{party.scenario.stem}-{party.port}", calls, party.totals()) for party, calls in parties.wanted])
    order(result, service, surge.callers)
    wire(result, Wire(list(capture.packets()), surge.agent_port, surge.trunk_port), parties.pressers)
    audio(result, listener.audio, seen)
    cost(result, seen)
    api(result, poll, seen.began)
    if capture.dropped:
        result.notes.append(f"the capture itself missed {capture.dropped} packets")
    result.details += _told(surge)
    result.figures["seconds"] = seen.looks[-1].at - seen.began
    return result


def _look(load: Load, seen: Seen, waiting: int) -> None:
    pids = load.target.pids
    cpu: dict[str, float] = {}
    for pid, process in descendants(pids).items():
        name = short_name(command_of(pid))
        cpu[name] = cpu.get(name, 0.0) + process.seconds
    seen.look(waiting, max(resident_mb(pids).values(), default=0.0), cpu)


def _watch(load: Load, surge: Surge, parties: Parties, poll: Poll, seen: Seen) -> None:
    """Look every second until everybody has been served."""
    until = seen.began + surge.longest
    with progress_bar(load.console, f"surge, {surge.callers} for {surge.agents} agents", surge.callers) as show:
        while not parties.done():
            if time.time() > until:
                raise BenchError(f"not everybody was served within {surge.longest:.0f} s")
            if time.time() >= seen.began + parties.late:
                parties.begin_asking()
            waiting = int(str(poll.newest.get(poll.paths[0], {}).get("waiting", 0)))
            _look(load, seen, waiting)
            called = parties.called.so_far()
            show(parties.callers.so_far() + called, f"{waiting} waiting, {called} called back")
            time.sleep(1.0)


def _records(surge: Surge, database: Path) -> Service:
    """What the records say, once all of them are in the database; ten seconds after the last call at most."""
    for _ in range(50):
        service = read(database, surge.number)
        if len(service.served) >= surge.callers:
            break
        time.sleep(0.2)
    return service


def _told(surge: Surge) -> list[str]:
    asking = f"{surge.pressing} of them press 1 within {surge.press_within:g} s; " if surge.pressing else ""
    return [
        f"{surge.callers} callers within {surge.within:g} s, evenly spaced; {asking}{surge.agents} agents, free from "
        f"{surge.opens:.0f} s on, talk {surge.talk[0]:g} to {surge.talk[1]:g} s each",
        f"the first {surge.listening} hear by RTP, the others are on a plane that carries no packets",
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m bench surge`."""
    known = Surge()
    parser.add_argument("--callers", type=int, default=known.callers, help="callers in all")
    parser.add_argument("--within", type=float, default=known.within, metavar="SECONDS", help="time in which they come")
    parser.add_argument("--agents", type=int, default=known.agents, help="agents of the group")
    parser.add_argument(
        "--listening", type=int, default=known.listening, help="callers who hear by RTP, the first ones"
    )
    parser.add_argument("--pressing", type=int, default=known.pressing, help="callers who want to be called back")
    parser.add_argument("--cpus", default="", help="CPUs for the switch; all unless given")
    parser.add_argument("--seed", type=int, default=0, help="the same numbers and times again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def run(options: argparse.Namespace) -> int:
    """Start a switch for a surge, let it come, print the table, return the exit status."""
    console = wide(Console(highlight=False))
    names = ("callers", "within", "agents", "listening", "pressing")
    surge = Surge(**{name: getattr(options, name) for name in names})
    results: dict[str, Result] = {}
    failure, crowded = "", report.busy()
    if crowded:
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="bench-surge-") as directory:
        file = write_configuration(Path(directory, "surge.yaml"), surge, _SIP_PORT, _HTTP_PORT, f"{directory}/store")
        try:
            with ExitStack() as stack:
                own = stack.enter_context(own_switch(file, options.cpus))
                load = stack.enter_context(loading(own.target, console))
                client = stack.enter_context(Api(("127.0.0.1", _HTTP_PORT)))
                client.sign_in(*first_account(own.output()))
                poll = Poll(client, paths(surge))
                results["surge"] = measure(load, surge, poll, Path(directory, _DATABASE), options.seed)
                own.note_memory()
                results["switch"] = own.result
        except BenchError as error:
            failure = str(error)
    return report.conclude(console, results, failure, f"127.0.0.1:{_SIP_PORT}", options.json, crowded)
