"""`switchboard agents`: who works, and what they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Optional

import typer

from routing.acd.model import ChosenState, State
from switchboard.api.types import AgentView
from switchboard.client import Client
from switchboard.command_line import FormatOption, columns, show_json
from switchboard.remote_cli.connection import ConfigOption, UrlOption, agent_or_own, ask
from switchboard.remote_cli.words import ago

app = typer.Typer(
    name="agents",
    help="Agents: who is signed in, and in which state.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
AgentArgument = Annotated[str, typer.Argument(metavar="[AGENT]", help="The agent; default: yourself.")]

_LIST_HELP: Final = """List agents with their states.

\b
Examples:
  switchboard agents list
  switchboard agents list --group support --state idle
  switchboard agents list --format json
"""

_STATE_HELP: Final = """Choose a state: idle, busy, break or meeting. During a call it takes effect when the call ends.

\b
Examples:
  switchboard agents state break --reason lunch --lasts 30m
  switchboard agents state idle
  switchboard agents state meeting --agent lin
"""

_SIGN_IN_HELP: Final = """Sign in: idle as soon as the phone is registered.

\b
Examples:
  switchboard agents sign-in
  switchboard agents sign-in lin
"""

_SIGN_OUT_HELP: Final = """Sign out; a call that is up goes on.

\b
Examples:
  switchboard agents sign-out
  switchboard agents sign-out lin --reason "shift is over"
"""

_DONE_HELP: Final = """End wrap-up: the work after the call is done.

\b
Example:
  switchboard agents done
"""


@app.command(name="list", help=_LIST_HELP)
def list_agents(
    group: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="NAME", help="Those of a group."),
    ] = None,
    state: Annotated[
        Optional[State],  # noqa: UP045
        typer.Option(help="Those in a state."),
    ] = None,
    url: UrlOption = None,
    config: ConfigOption = None,
    form: FormatOption = "text",
) -> None:
    """List agents."""
    found = ask(url, config, lambda client: _all(client, group, state))
    if form == "json":
        show_json(found)
        return
    for line in agent_lines(found):
        typer.echo(line)


@app.command(name="state", help=_STATE_HELP)
def set_state(
    state: Annotated[ChosenState, typer.Argument(help="idle, busy, break or meeting.")],
    agent: Annotated[str, typer.Option(metavar="AGENT", help="Another agent than yourself.")] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    lasts: Annotated[str, typer.Option(metavar="LENGTH", help="Idle again after 90s, 30m or 2h.")] = "",
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Choose a state."""
    seconds = _seconds(lasts)

    async def work(client: Client) -> AgentView:
        return await client.agents.set_state(await agent_or_own(client, agent), state, reason, seconds)

    _show(ask(url, config, work))


@app.command(name="sign-in", help=_SIGN_IN_HELP)
def sign_in(agent: AgentArgument = "", url: UrlOption = None, config: ConfigOption = None) -> None:
    """Begin to work."""

    async def work(client: Client) -> AgentView:
        return await client.agents.sign_in(await agent_or_own(client, agent))

    _show(ask(url, config, work))


@app.command(name="sign-out", help=_SIGN_OUT_HELP)
def sign_out(
    agent: AgentArgument = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Go home."""

    async def work(client: Client) -> AgentView:
        return await client.agents.sign_out(await agent_or_own(client, agent), reason)

    _show(ask(url, config, work))


@app.command(name="done", help=_DONE_HELP)
def wrap_up_done(agent: AgentArgument = "", url: UrlOption = None, config: ConfigOption = None) -> None:
    """The work after the call is done."""

    async def work(client: Client) -> AgentView:
        return await client.agents.wrap_up_done(await agent_or_own(client, agent))

    _show(ask(url, config, work))


def agent_lines(agents: Sequence[AgentView]) -> list[str]:
    """Agents under each other."""
    if not agents:
        return ["no agents"]
    rows = [
        (
            agent.id,
            agent.name,
            agent.state,
            ago(agent.since),
            "up" if agent.phone_up else "gone",
            ", ".join(agent.groups),
            agent.reason,
        )
        for agent in agents
    ]
    return columns([("agent", "name", "state", "for", "phone", "groups", "reason"), *rows])


async def _all(client: Client, group: str | None, state: str | None) -> list[AgentView]:
    found: list[AgentView] = []
    cursor: str | None = None
    while True:
        page = await client.agents.list(group=group, state=state, cursor=cursor, limit=200)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def _show(agent: AgentView) -> None:
    phone = "" if agent.phone_up or agent.state != "offline" else " (the phone is not registered)"
    typer.echo(f"{agent.id}: {agent.state}{f', {agent.reason}' if agent.reason else ''}{phone}")


def _seconds(text: str) -> float | None:
    from switchboard.remote_cli.words import seconds_of

    return seconds_of(text, "--lasts") if text else None
