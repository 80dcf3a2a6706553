"""What the commands share: where the switch is, the session, and errors in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, Optional, TypeVar

import typer

from config.errors import ConfigError
from config.loader import load_config
from switchboard.client import (
    ApiError,
    Client,
    ForbiddenError,
    NotReachedError,
    NotSignedInError,
    StreamLostError,
    UnauthorizedError,
)
from switchboard.command_line import reason_of, refuse
from switchboard.remote_cli.token_file import TokenFile

T = TypeVar("T")

UrlOption = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option(
        "--url",
        envvar="SWITCHBOARD_URL",
        metavar="URL",
        help="Where the switch is; default: as the configuration says.",
    ),
]
ConfigOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--config", "-c", metavar="FILE", help="Configuration that tells where the switch is."),
]
WIDTH: Final = 80
SHORTEST: Final = 4
"""Characters by which the id of a call is known; a number with fewer is a slot."""


def url_of(url: str | None, config: Path | None) -> str:
    """The address of the API."""
    if url:
        scheme, named, _ = url.rpartition("://")
        if scheme not in ("", "http", "https"):
            refuse(f"{url}: the address of the API begins with http:// or https://")
        return url if named else f"http://{url}"
    try:
        http = load_config(config).http
    except ConfigError as error:
        refuse(str(error))
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - is compared, not bound
    return f"http://[{host}]:{http.port}" if ":" in host else f"http://{host}:{http.port}"


def ask(url: str | None, config: Path | None, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Do something over the API with the session of `switchboard login`; an error ends the command with its reason."""
    address = url_of(url, config)

    async def connected() -> T:
        async with Client(address, store=TokenFile(address)) as client:
            return await work(client)

    return told(address, lambda: asyncio.run(connected()))


def told(address: str, work: Callable[[], T]) -> T:
    """Do something; whatever goes wrong is one line, and exit status 1."""
    try:
        return work()
    except NotReachedError as error:
        refuse(f"{error}; is it running there? (switchboard run, --url)")
    except NotSignedInError:
        refuse(f"not logged in at {address}; run: switchboard login NAME --url {address}")
    except UnauthorizedError as error:
        refuse(f"{error}")
    except ForbiddenError as error:
        refuse(f"not allowed: {error}")
    except ApiError as error:
        faults = [f"\n  {fault.pointer or fault.parameter or ''}: {fault.detail}" for fault in error.problem.errors]
        refuse(f"{error}{''.join(faults)}")
    except StreamLostError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"the token file cannot be used ({reason_of(error)})")


async def agent_or_own(client: Client, agent: str) -> str:
    """An agent that was named, or the account's own."""
    if agent:
        return agent
    me = await client.session.me()
    if not me.agent:
        refuse("this account belongs to no agent; name one")
    return me.agent


async def live_call(client: Client, call: str, kind: str = "live call") -> str:
    """The id of a live call that was named by the beginning of it, or as "mine"; `kind` is what there is none of."""
    if len(call) == 36:
        return call
    if call == "mine":
        own = await agent_or_own(client, "")
        found = [one.id for one in (await client.calls.list(agent=own)).items]
        if len(found) != 1:
            refuse("you are not in a call" if not found else f"you are in several calls: {', '.join(found)}")
        return found[0]
    if len(call) < SHORTEST:
        refuse(f"give at least {SHORTEST} characters of an id")
    cursor: str | None = None
    found = []
    while True:
        page = await client.calls.list(cursor=cursor, limit=200)
        found += [one.id for one in page.items if one.id.startswith(call) or one.id.endswith(call)]
        cursor = page.next
        if cursor is None:
            break
    if len(found) != 1:
        refuse(f"no {kind} has the id {call}" if not found else f"several calls match {call}: {', '.join(found[:3])}")
    return found[0]
