"""`switchboard calls live|hold|…` and `switchboard transfer`: the call bar on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from switchboard.api.types import CallView, LegView
from switchboard.calls import commands
from switchboard.calls.commands import Command, Done
from switchboard.client import Client
from switchboard.command_line import FormatOption, columns, show_json
from switchboard.remote_cli.connection import SHORTEST, ConfigOption, UrlOption, ask, live_call
from switchboard.remote_cli.words import ago, place

CallArgument = Annotated[
    str, typer.Argument(metavar="[CALL]", help="The id of a live call, its beginning or end; default: your own.")
]
ToArgument = Annotated[
    str,
    typer.Argument(
        metavar="TO", help="agent:ID, group:NAME, flow:NAME, number:DIGITS, extension:NUMBER,EXT or aor:USER."
    ),
]

_LIVE_HELP: Final = """List calls that are up, the oldest first; numbers are masked.

\b
Examples:
  switchboard calls live
  switchboard calls live --agent lin
  switchboard calls live --group support --format json
"""

TRANSFER_HELP: Final = """Transfer the caller of a live call.

A transfer to an agent is complete when the target answers; with --blind you leave at once.

\b
Examples:
  switchboard transfer mine agent:zhao
  switchboard transfer 01997c3e group:billing
  switchboard transfer mine number:01088880001 --blind
"""


def add_to(app: typer.Typer) -> None:
    """Put the commands of live calls beside those of ended ones."""
    app.command(name="live", help=_LIVE_HELP)(live)
    app.command(name="transfer", help=TRANSFER_HELP.replace("switchboard transfer", "switchboard calls transfer"))(
        transfer
    )
    for name, (command, text) in _SIMPLE.items():
        _add_simple(app, name, command, text)
    app.command(name="consult", help=_help("Consult somebody while the caller hears music.", "consult agent:zhao"))(
        consult
    )
    app.command(name="add", help=_help("Add a party to the conference.", "add agent:zhao"))(add)
    app.command(name="mute", help=_help("Mute the agent.", "mute", "mute --off"))(mute)
    app.command(name="digits", help=_help("Send keys to the other party.", "digits 1234"))(digits)
    app.command(name="unpark", help=_help("Take a parked call on your phone.", "unpark 1", "unpark 01997c3e"))(unpark)
    app.command(name="pick", help=_help("Take a waiting caller out of turn.", "pick 01997c3e"))(pick)
    app.command(
        name="supervise",
        help=_help("Listen to a call, whisper to its agent or barge in.", "supervise 01997c3e --mode whisper"),
    )(supervise)
    app.command(name="dial", help=_help("Click to call: your phone rings first.", "dial number:01088880001"))(dial)


_SIMPLE: Final[dict[str, tuple[Callable[[], Command], str]]] = {
    "hold": (commands.Hold, "Hold: the other party hears music until resume."),
    "resume": (commands.Resume, "Resume a call on hold."),
    "complete": (commands.Complete, "Transfer the caller to the party consulted and leave."),
    "back": (commands.Back, "End the consultation and go back to the caller."),
    "merge": (commands.Merge, "Join caller, agent and the party consulted."),
    "cancel-transfer": (commands.CancelTransfer, "Cancel a transfer whose target is still ringing."),
    "park": (commands.Park, "Park the caller in a slot, with music."),
    "survey": (commands.ToSurvey, "Send the caller to the survey; the agent leaves."),
    "rate": (commands.InviteRating, "Ask the caller for a rating when the agent hangs up."),
    "hangup": (commands.HangUp, "Hang up your leg; a supervisor ends the call."),
}


def _help(text: str, *examples: str) -> str:
    lines = "\n".join(f"  switchboard calls {example}" for example in examples)
    return f"{text}\n\n\b\nExamples:\n{lines}\n"


def _add_simple(app: typer.Typer, name: str, make: Callable[[], Command], text: str) -> None:
    @app.command(name=name, help=_help(text, name, f"{name} 01997c3e"))
    def run(call: CallArgument = "mine", url: UrlOption = None, config: ConfigOption = None) -> None:
        _send(url, config, call, make())


def live(
    agent: Annotated[str, typer.Option(metavar="AGENT", help="Calls on this agent's phone.")] = "",
    group: Annotated[str, typer.Option(metavar="NAME", help="Calls for a group.")] = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    form: FormatOption = "text",
) -> None:
    """List calls that are up."""

    async def work(client: Client) -> list[CallView]:
        found: list[CallView] = []
        cursor: str | None = None
        while True:
            page = await client.calls.list(agent=agent or None, group=group or None, cursor=cursor, limit=200)
            found += page.items
            cursor = page.next
            if cursor is None:
                return found

    calls = ask(url, config, work)
    if form == "json":
        show_json(calls)
        return
    for line in call_lines(calls):
        typer.echo(line)


def transfer(
    call: Annotated[str, typer.Argument(metavar="CALL", help="The id of a live call, its beginning or end, or mine.")],
    to: ToArgument,
    blind: Annotated[bool, typer.Option("--blind", help="Leave at once, whether the target answers or not.")] = False,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Transfer the caller of a live call."""
    _send(url, config, call, commands.Transfer(to=to, blind=blind))


def consult(to: ToArgument, call: CallArgument = "mine", url: UrlOption = None, config: ConfigOption = None) -> None:
    """Consult somebody while the caller hears music."""
    _send(url, config, call, commands.Consult(to=to))


def add(to: ToArgument, call: CallArgument = "mine", url: UrlOption = None, config: ConfigOption = None) -> None:
    """Add a party to the conference."""
    _send(url, config, call, commands.Add(to=to))


def mute(
    call: CallArgument = "mine",
    off: Annotated[bool, typer.Option("--off", help="Unmute.")] = False,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Mute the agent, or no longer."""
    _send(url, config, call, commands.Mute(on=not off))


def digits(
    keys: Annotated[str, typer.Argument(metavar="DIGITS", help="0-9 * # A-D.")],
    call: CallArgument = "mine",
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Send keys to the other party."""
    _send(url, config, call, commands.SendDigits(digits=keys))


def unpark(
    call: Annotated[str, typer.Argument(metavar="SLOT", help="The slot that park has printed, or the id of the call.")],
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Take a parked call on your phone."""
    if not call.isdigit() or len(call) >= SHORTEST:
        _send(url, config, call, commands.Unpark())
    else:
        _done(ask(url, config, lambda client: client.calls.take_parked(call)), "unpark")


def pick(
    call: Annotated[str, typer.Argument(metavar="CALL", help="The waiting call.")],
    agent: Annotated[str, typer.Option(metavar="AGENT", help="For another agent.")] = "",
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Take a waiting caller out of turn."""
    _send(url, config, call, commands.Pick(agent=agent))


def supervise(
    call: Annotated[str, typer.Argument(metavar="CALL", help="The call.")],
    mode: Annotated[
        Literal["listen", "whisper", "barge"], typer.Option(help="Who hears you: nobody, the agent, everybody.")
    ] = "listen",
    stop: Annotated[bool, typer.Option("--stop", help="Stop supervising.")] = False,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Listen to a call, whisper to its agent or barge in."""
    _send(url, config, call, commands.StopSupervising() if stop else commands.Supervise(mode=mode))


def dial(
    to: ToArgument,
    agent: Annotated[str, typer.Option(metavar="AGENT", help="From another agent's phone.")] = "",
    shown: Annotated[str, typer.Option(metavar="NUMBER", help="The number to show.")] = "",
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Click to call."""
    _done(ask(url, config, lambda client: client.calls.dial(to, agent=agent, shown=shown)), "dial")


def call_lines(calls: Sequence[CallView]) -> list[str]:
    """Live calls under each other."""
    if not calls:
        return ["no calls"]
    rows = [
        (
            call.id,
            ago(call.started),
            call.phase,
            call.caller or "-",
            place(call.region),
            call.called,
            call.group or call.flow or "-",
            ", ".join(_party(leg) for leg in call.legs if leg.role == "agent" and leg.state != "ended") or "-",
            f"slot {call.slot}" if call.slot else "conference" if call.mixed else "",
        )
        for call in calls
    ]
    return columns([("call", "for", "phase", "caller", "region", "called", "group", "with", ""), *rows])


def _party(leg: LegView) -> str:
    name = leg.agent or leg.peer or leg.purpose
    marks = [leg.mode or ("rings" if leg.state in ("invited", "early") else ""), "held" if leg.held else "",
             "muted" if leg.muted else ""]  # fmt: skip
    told = " ".join(mark for mark in marks if mark)
    return f"{name} ({told})" if told else name


def _send(url: str | None, config: Path | None, call: str, command: Command) -> None:
    async def work(client: Client) -> Done:
        return await client.calls.command(await live_call(client, call), command)

    name = type(command).__struct_config__.tag
    _done(ask(url, config, work), str(name))


def _done(done: Done, name: str) -> None:
    slot = f", slot {done.slot}" if done.slot else ""
    typer.echo(f"{name.replace('_', ' ')}: call {done.call}{slot}")
