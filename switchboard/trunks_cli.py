"""`switchboard trunks`: how the carriers of the running switch do, and switching them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
import typer

from switchboard.calls.carriers.report import Counted, GatewayReport, RegistrationReport, TrunkReport
from switchboard.command_line import ConfigOption, FormatOption, asked, columns, refuse, show_json

app = typer.Typer(
    name="trunks",
    help="The trunks of the running switch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_LIST_HELP: Final = """List the trunks: state, registration, calls and limits, how many attempts were answered.

\b
Examples:
  switchboard trunks list
  switchboard trunks list --format json
"""

_SHOW_HELP: Final = """Show one trunk with its gateways and registrations.

\b
Examples:
  switchboard trunks show north
"""

_DISABLE_HELP: Final = """Make no new calls through a trunk or one of its gateways, and take none from it.

Calls that are up go on. A registration there is taken back. It lasts until `enable`, or until the switch starts anew;
for good write disabled: true into the configuration.

\b
Examples:
  switchboard trunks disable north
  switchboard trunks disable north/b
"""

_ENABLE_HELP: Final = """Use a trunk or gateway again.

\b
Examples:
  switchboard trunks enable north
"""

_RELOAD_HELP: Final = """Read the trunks of the configuration file again; calls that are up go on.

A file with an error changes nothing. Only trunks and outbound are applied.

\b
Examples:
  switchboard trunks reload
"""

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A trunk, or TRUNK/GATEWAY.")]


@app.command(name="list", help=_LIST_HELP)
def list_trunks(config: ConfigOption = None, form: FormatOption = "text") -> None:
    """List the trunks."""
    trunks = msgspec.convert(asked(config, "trunks"), list[TrunkReport])
    if form == "json":
        show_json(trunks)
        return
    head = ("trunk", "state", "registered", "calls", "cps", "attempts", "answered", "last failure", "to")
    rows = [(one.name, one.state, _registered(one), *_counted(one.counted), one.to) for one in trunks]
    typer.echo("\n".join(columns([head, *rows])) if rows else "there are no trunks")


@app.command(help=_SHOW_HELP)
def show(name: NameArgument, config: ConfigOption = None, form: FormatOption = "text") -> None:
    """Show one trunk."""
    trunk = msgspec.convert(asked(config, "trunk", trunk=name.partition("/")[0]), TrunkReport)
    if form == "json":
        show_json(trunk)
        return
    counted = trunk.counted
    typer.echo(f"{trunk.name}: {trunk.state}")
    typer.echo(f"  calls {_of(counted.calls, counted.channels)}, received {counted.received}")
    for registration in trunk.registrations:
        typer.echo(f"  registration: {_registration(registration)}")
    head = ("gateway", "state", "order", "weight", "calls", "cps", "attempts", "answered", "last failure", "at")
    rows = [_gateway(one) for one in trunk.gateways]
    if rows:
        typer.echo("\n".join(columns([head, *rows], "  ")))


@app.command(help=_DISABLE_HELP)
def disable(name: NameArgument, config: ConfigOption = None) -> None:
    """Make no new calls through a trunk or gateway."""
    asked(config, "switch-trunk", trunk=name, on=False)
    typer.echo(f"{name} is disabled; calls that are up go on")


@app.command(help=_ENABLE_HELP)
def enable(name: NameArgument, config: ConfigOption = None) -> None:
    """Use a trunk or gateway again."""
    asked(config, "switch-trunk", trunk=name, on=True)
    typer.echo(f"{name} is enabled")


@app.command(help=_RELOAD_HELP)
def reload(config: ConfigOption = None) -> None:
    """Read the trunks of the configuration file again."""
    done = msgspec.convert(asked(config, "reload-trunks"), dict[str, list[str]])
    if faults := done.get("refused"):
        refuse("\n".join([*faults, "nothing has changed"]))
    told = [f"{word} {', '.join(done[word])}" for word in ("added", "changed", "removed") if done[word]]
    typer.echo("; ".join(told) or "nothing has changed")
    if waiting := done["waiting"]:
        typer.echo(f"also changed, but applied only when the switch is restarted: {', '.join(waiting)}")


def _counted(counted: Counted) -> tuple[str, ...]:
    share = f"{counted.answered} ({counted.asr:.0%})" if counted.asr is not None else str(counted.answered)
    failed = f"{counted.failed_status}, {counted.failed_ago:.0f} s ago" if counted.failed_ago is not None else "-"
    cps = _of(counted.rate, counted.cps) if counted.cps else "-"
    return _of(counted.calls, counted.channels), cps, str(counted.attempts), share, failed


def _of(count: int, limit: int) -> str:
    return f"{count}/{limit}" if limit else str(count)


def _registered(trunk: TrunkReport) -> str:
    if not trunk.registrations:
        return "-"
    held = [one.at for one in trunk.registrations if one.at]
    return f"at {', '.join(held)}" if held else trunk.registrations[0].reason or trunk.registrations[0].state


def _registration(one: RegistrationReport) -> str:
    until = f" at {one.at}, {one.expires_in:.0f} s left" if one.expires_in is not None else ""
    return f"{one.state}{until}" + (f" (last failure: {one.reason})" if one.reason else "")


def _gateway(one: GatewayReport) -> tuple[str, ...]:
    registered = ", registered" if one.registered else ""
    where = ", ".join(one.addresses) or "unknown"
    at = where if one.to in one.addresses else f"{one.to} ({where})"
    return one.name, one.state + registered, str(one.order), str(one.weight), *_counted(one.counted), at
