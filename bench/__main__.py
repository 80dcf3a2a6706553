"""A demonstration call and backend, and any SIP server under SIPp's load."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from bench import (
    acd,
    call,
    compare,
    even,
    extension,
    highest,
    ivr,
    masks,
    music,
    profile_call,
    prompts,
    queues,
    recording,
    register,
    relay,
    report,
    signalling,
    soak,
    suite,
    surge,
)
from bench.errors import BenchError
from bench.load import Calls, Load, Result, loading, wide
from bench.own import add_server, own_switch
from bench.target import Target

_EXAMPLES: Final = """\
examples:
  python -m bench call                   one call through the switch that `make run` started
  python -m bench all --self             start the switch on config/bench.yaml, measure all five times (make bench)
  python -m bench all --self --quick     all of it once, briefly, to see that it works
  python -m bench all --self --runs 3 --only short,signalling,queue --beside Asterisk 127.0.0.1:5070 4711
  python -m bench compare                has a call become dearer since bench/results.json? 40 s (make bench-check)
  python -m bench signalling --target 127.0.0.1:5060 --pid 4711 --json var/other.json
                                         any SIP server whose 4001 leads to sip:agent@127.0.0.1:5190
  python -m bench relay --self --calls 20 --hold 5
  python -m bench extension --self --rate 10 --background 200
  python -m bench ivr --target 127.0.0.1:5060 --pid 4711     Asterisk: Answer, Read(digits,prompt,4), Dial at 4002
  python -m bench soak                   mixed calls for half an hour over a network that loses and reorders
  python -m bench register               10,000 phones register at once, then 500 a second refresh: a minute
  python -m bench surge                  3,000 callers within a minute for 50 agents: about four minutes
  python -m bench backend --behaviour slow --seconds 5       the server that library/hotline.yaml asks

The server under load must send 4001 to sip:agent@127.0.0.1:5190 and 4008001234 with six digits (RFC 4733,
100000-299999) to sip:DIGITS@127.0.0.1:5190; 4002 plays a prompt and leads to the agent after four digits, 4003 is a
queue of 200 agents at that address, 4005 is 4001 recorded, 4006 plays, takes the last four digits of the caller's
number, and hangs up with Reason: Q.850;cause=16.
The load takes UDP 5190-5193 and 30000-32767; all but `signalling` and `prompts` need root to capture packets on lo or
to send audio. --pid is the server's main process: its children count too.
"""

Measure = Callable[[Load, argparse.Namespace], Result]


def _signalling(load: Load, options: argparse.Namespace) -> Result:
    rate = options.rate or 200
    return signalling.measure(load, Calls(options.calls or rate * 20, rate, _or(options.hold, 0.3)))


def _relay(load: Load, options: argparse.Namespace) -> Result:
    return relay.measure(load, Calls(options.calls or 100, options.rate or 20, _or(options.hold, 25.0)))


def _extension(load: Load, options: argparse.Namespace) -> Result:
    rate = options.rate or 20
    calls = Calls(options.calls or rate * 20, rate, _or(options.hold, extension.KEYING))
    return extension.measure(
        load, calls, idle_calls=options.idle_calls, background=options.background, seed=options.seed
    )


def _ivr(load: Load, options: argparse.Namespace) -> Result:
    rate = options.rate or 20
    return ivr.measure(load, Calls(options.calls or rate * 15, rate, _or(options.hold, ivr.KEYING)))


def _prompts(load: Load, options: argparse.Namespace) -> Result:
    callers, rate = options.callers, options.rate or 50
    return prompts.measure(load, Calls(callers, rate, _or(options.hold, callers / rate + 21.0)))


def _queue(load: Load, options: argparse.Namespace) -> Result:
    rate = options.rate or 50
    return queues.measure(load, Calls(options.calls or rate * 20, rate, _or(options.hold, 3.0)))


def _recording(load: Load, options: argparse.Namespace) -> Result:
    directory = options.recordings or (recording.recordings_in(options.config) if options.self else None)
    calls = Calls(options.calls or 100, options.rate or 20, _or(options.hold, 15.0))
    return recording.measure(load, calls, directory)


def _even(load: Load, options: argparse.Namespace) -> Result:
    return even.measure(load, Calls(options.calls or 800, options.rate or 80, _or(options.hold, 15.0)))


def _music(load: Load, options: argparse.Namespace) -> Result:
    calls, rate = options.calls or 500, options.rate or 50
    return music.measure(load, Calls(calls, rate, _or(options.hold, calls / rate + 15.0)))


def _highest(load: Load, options: argparse.Namespace) -> Result:
    return highest.measure(load, options.first, options.seconds)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


MEASURES: Final[dict[str, Measure]] = {
    "signalling": _signalling,
    "relay": _relay,
    "even": _even,
    "music": _music,
    "highest": _highest,
    "extension": _extension,
    "ivr": _ivr,
    "prompts": _prompts,
    "recording": _recording,
    "queue": _queue,
}
_HELP: Final = {
    "signalling": "masked calls to 4001 without audio: CPU a call, failures, retransmissions",
    "relay": "calls to 4001 with audio both ways: losses, delay, jitter, CPU a second of call",
    "extension": "calls to 4008001234 that key an extension: who is reached, and how quickly",
    "ivr": "calls to 4002 that hear a prompt, key four digits and reach the agent: CPU a call, digits lost, latency",
    "prompts": "500 callers at once inside a flow that plays to them: cadence, packets and digits lost, CPU",
    "recording": "calls to 4005, recorded in stereo: CPU a second of call, packets lost, recordings read back",
    "queue": "calls to 4003, a group of 200 agents: CPU a call, failures, from a caller's INVITE to the agent's",
    "even": "800 calls to 4001 whose packets come evenly spaced: losses, delay, jitter, CPU a second of call",
    "music": "500 callers of 4004 at once: CPU a second of call, cadence, packets lost",
    "highest": "more and more calls a second to 4001 until one fails",
}

_MODULES: Final = {
    "call": (call, "one call, shown as it happens"),
    "surge": (surge, "thousands of callers for a few agents"),
    "soak": (soak, "mixed calls for long over a bad network"),
    "register": (register, "10,000 phones at once, and refreshes"),
    "masks": (masks, "a million masked numbers: memory, look-ups"),
    "acd": (acd, "the queue engine: the time of an event, memory"),
    "all": (suite, "all, several times over"),
    "compare": (compare, "has a call become dearer?"),
    "profile": (profile_call, "where a call's CPU goes"),
}
"""Those with options of their own: what adds these and runs them, and what they are for."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    shape = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(prog="python -m bench", description=__doc__, epilog=_EXAMPLES, formatter_class=shape)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in _MODULES.items():
        one = commands.add_parser(name, help=text, description=module.__doc__)
        module.add_arguments(one)
        one.set_defaults(run=module.run)
    server = commands.add_parser("backend", help="the server that flows ask in demonstrations and tests")
    _add_backend(server)
    server.set_defaults(run=_backend)
    for name, text in _HELP.items():
        under = commands.add_parser(name, help=text, description=text, epilog=_EXAMPLES, formatter_class=shape)
        add_server(under)
        _add_outcome(under)
        if name == "highest":
            highest.add_arguments(under)
        else:
            under.add_argument("--rate", type=int, help="calls a second")
            under.add_argument("--hold", type=float, metavar="SECONDS", help="from the answer to the BYE")
            if name != "prompts":
                under.add_argument("--calls", type=int, help="calls in all")
        if name == "extension":
            _add_extension(under)
        if name == "prompts":
            under.add_argument("--callers", type=int, default=500, help="callers at once inside the IVR")
        if name == "recording":
            under.add_argument("--recordings", type=Path, metavar="DIR", help="where they are; known for --self")
        under.set_defaults(run=run, measures=[name])
    return top


def _add_backend(under: argparse.ArgumentParser) -> None:
    """Options of the demonstration backend."""
    under.add_argument("--host", default="127.0.0.1", help="address to listen on")
    under.add_argument("--port", type=int, default=8090, help="port to listen on")
    kinds = ("well", "slow", "failing", "lying", "dead")
    under.add_argument("--behaviour", choices=kinds, default="well", help="how it answers; PUT /control changes it")
    under.add_argument("--seconds", type=float, default=5.0, help="how late a slow one is")
    under.add_argument("--only", default="", metavar="PATH", help="behave so only where the path begins with this")
    under.add_argument("--supervisor-fd", type=int, help=argparse.SUPPRESS)
    under.add_argument("--who", metavar="NUMBER", help="say what this caller has to key, and serve nothing")


def _backend(options: argparse.Namespace) -> int:
    """Serve flows until stopped."""
    from bench import backend  # brings an HTTP server along, which the others do without

    return backend.run(options)


def _add_outcome(under: argparse.ArgumentParser) -> None:
    """Options that say what becomes of the figures."""
    under.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    under.add_argument("--check", action="store_true", help="fail when a bound is broken (--self always does)")


def _add_extension(under: argparse.ArgumentParser) -> None:
    """Options of the extension measurement."""
    under.add_argument("--idle-calls", type=int, default=10, help="calls at one a second before the load")
    under.add_argument("--background", type=int, default=0, metavar="RATE", help="4001 calls a second beside it")
    under.add_argument("--seed", type=int, default=0, help="choose the same extensions again")


@contextmanager
def _targets(options: argparse.Namespace) -> Iterator[tuple[Target, Result | None, Callable[[], None]]]:
    """The target, how it started where we start it, and what to do after the load."""
    if not options.self:
        yield Target(options.target, tuple(options.pid)), None, lambda: None
        return
    with own_switch(options.config, options.cpus) as own:
        yield own.target, own.result, own.note_memory


def run(options: argparse.Namespace) -> int:
    """Measure, print the table, return the exit status."""
    console = wide(Console(highlight=False))
    results: dict[str, Result] = {}
    failure, address = "", ""
    if crowded := report.busy():
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    try:
        with _targets(options) as (target, started, after):
            address = target.text
            if started:
                results[started.name] = started
            for name in options.measures:
                with loading(target, console) as load:
                    results[name] = MEASURES[name](load, options)
            after()
    except BenchError as error:
        failure = str(error)
    measured = results if results.keys() - {"switch"} else {}
    judged = options.self or options.check
    return report.conclude(console, measured, failure, address, options.json, crowded, judged=judged)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        return 130
    return status


def _terminated(number: int, frame: FrameType | None) -> None:
    """SIGTERM: leave as by an error, so that SIPp and the switch are stopped as well."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(main())
