"""`switchboard flows try`."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from ivr_flows.errors import FlowError
from ivr_flows.loader import TESTS
from ivr_flows.model import Flow
from ivr_flows.testing.files import read_tests
from ivr_flows.testing.runner import Bench
from ivr_flows.testing.world import Given, Moment, Reply
from ivr_flows.trying import Walk
from switchboard.command_line import ConfigOption, refuse
from switchboard.flows_cli.application import FlowFile, app, configured, flow_places, line_of, misused
from switchboard.flows_cli.sounds import PromptFiles

_TRY_HELP: Final = """Walk through a flow in the terminal, the keyboard as keypad.

What the caller hears is printed, with the texts of the prompts; digits of a
secret entry are shown as •. Time passes as in a call; t skips what is left
of a prompt or of a wait. Servers are not asked: their answers are those of
'backend:' in NAME.test.yaml beside the flow, or of one of its tests.

\b
Keys:
  0-9 * # A-D  the telephone's
  t            let the time pass until something happens
  c b n u e f  the one who was called: talk over, busy, no answer, not
               registered, group empty, failed
  s            stop speaking into a mailbox
  h            hang up
  q            quit

When the input is no terminal, each key waits until it means something, and
no time is lost.

\b
Examples:
  switchboard flows try hotline.yaml
  switchboard flows try hotline.yaml --caller 13800000000 --at "2026-10-01 20:00"
  switchboard flows try hotline.yaml --test "foreign phone" --var group=vip
  printf '1 7391 1 0 c' | switchboard flows try hotline.yaml
"""

_CTRL_C: Final = "\x03"
_CTRL_D: Final = "\x04"


@app.command(name="try", help=_TRY_HELP)
def try_flow(
    file: FlowFile,
    caller: Annotated[Optional[str], typer.Option(help="The calling number.")] = None,  # noqa: UP045
    called: Annotated[Optional[str], typer.Option(help="The number that was dialled.")] = None,  # noqa: UP045
    extension: Annotated[Optional[str], typer.Option(help="The extension dialled with it.")] = None,  # noqa: UP045
    variables: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--var", metavar="NAME=VALUE", help="A variable; may be given several times."),
    ] = None,
    at: Annotated[str, typer.Option("--at", metavar="'DATE TIME'", help="When the call begins; default: now.")] = "",
    test: Annotated[
        str, typer.Option("--test", metavar="TEXT", help="Start like the test whose name contains this.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Walk a flow in the terminal."""
    loaded = configured(config)
    given, replies = _prepared(file, test)
    stated = Given(caller=caller, called=called, extension=extension, variables=_variables(variables or []))
    given = stated.over(given)
    try:
        flow: Flow = Bench(flow_places(loaded)).flow(file)
        moment = Moment(at) if at else given.clock or Moment(datetime.now().strftime("%Y-%m-%d %H:%M"))  # noqa: DTZ005
    except FlowError as error:
        refuse("\n".join(map(line_of, error.all)))
    except ValueError as error:
        misused(f"--at: {error}")
    sounds = PromptFiles([path for path in map(Path, loaded.media.prompts) if path.is_dir()])
    walk = Walk(flow, Given(clock=moment).over(given), replies, sounds.text, typer.echo)
    if sys.stdin.isatty():
        with _keyboard():
            typer.echo(f"({walk.hint()})", err=True)
            _live(walk)
    else:
        for char in sys.stdin.read():
            if not char.isspace() and not walk.over and not walk.patient_key(char):
                typer.echo(f"'{char}' means nothing here", err=True)
        walk.run_out()


def _prepared(file: Path, wanted: str) -> tuple[Given, tuple[Reply, ...]]:
    """Return what the tests beside a flow give to all, or to one of them."""
    beside = file.with_name(file.name.removesuffix(".yaml") + TESTS)
    if not beside.is_file():
        if wanted:
            misused(f"--test: there is no {beside}")
        return Given(), ()
    try:
        tests, _ = read_tests(beside)
    except FlowError as error:
        refuse("\n".join(map(line_of, error.all)))
    if not wanted:
        return tests.given, tests.backend
    found = [case for case in tests.tests if wanted.lower() in case.name.lower()]
    if not found:
        misused(f"--test: no test's name holds '{wanted}'; there are: {'; '.join(case.name for case in tests.tests)}")
    return found[0].given.over(tests.given), (*found[0].backend, *tests.backend)


def _variables(pairs: list[str]) -> dict[str, str | int]:
    variables: dict[str, str | int] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            misused(f"--var: write NAME=VALUE, not '{pair}'")
        variables[name] = value
    return variables


@contextlib.contextmanager
def _keyboard() -> Iterator[None]:
    """Keys come one by one and are not echoed, while the block runs."""
    kept = termios.tcgetattr(sys.stdin)
    try:
        # What was typed already is not thrown away.
        tty.setcbreak(sys.stdin, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, kept)


def _live(walk: Walk) -> None:
    """Let time pass as it does, and keys come as they are pressed; `t` moves the call's time ahead."""
    begun = time.monotonic()
    try:
        while not walk.over:
            due = walk.call.next_at()
            wait = None if due is None else max(begun + due - time.monotonic(), 0.0)
            readable, _, _ = select.select([sys.stdin], [], [], wait)
            walk.advance(time.monotonic() - begun)
            if readable and not walk.over:
                char = os.read(sys.stdin.fileno(), 1).decode("ascii", "replace")
                if char in ("q", _CTRL_C, _CTRL_D, ""):
                    return
                if not walk.key(char):
                    typer.echo(f"({walk.hint()})", err=True)
                begun = time.monotonic() - walk.call.now
    except KeyboardInterrupt:
        return
