"""`switchboard login` and `logout`: a session for the commands that ask the running switch."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Final, Optional

import typer

from switchboard.client import ApiError, Client, Tokens, UnauthorizedError
from switchboard.command_line import refuse
from switchboard.remote_cli.connection import ConfigOption, UrlOption, ask, told, url_of
from switchboard.remote_cli.token_file import TokenFile

TOTP: Final = "/docs#totp-required"

LOGIN_HELP: Final = """Sign in at the running switch, for the commands agents, queues, calls, transfer and top.

The password is asked for; when the input is no terminal it is the first line of it. Tokens, never the password, are
kept in a file of the user's state directory that nobody else may read. A password that was given to you is changed
at the first login.

\b
Examples:
  switchboard login anna
  switchboard login admin --url http://10.0.0.5:8080
  switchboard login bot < password-file
"""

LOGOUT_HELP: Final = """End the session of `switchboard login`; its tokens are void from then on.

\b
Example:
  switchboard logout
"""


def login(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the account.")],
    url: UrlOption = None,
    config: ConfigOption = None,
    code: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="CODE", help="The code of the second factor; asked for when needed."),
    ] = None,
) -> None:
    """Sign in at the running switch."""
    address = url_of(url, config)
    password = _secret("password")
    tokens = told(address, lambda: asyncio.run(_sign_in(address, name, password, code or "")))
    told(address, lambda: TokenFile(address).save(tokens))
    typer.echo(f"logged in at {address} as {name}")


def logout(url: UrlOption = None, config: ConfigOption = None) -> None:
    """End the session."""
    address = url_of(url, config)
    if told(address, TokenFile(address).load) is None:
        refuse(f"not logged in at {address}")
    ask(url, config, lambda client: client.session.sign_out())
    typer.echo(f"logged out at {address}")


async def _sign_in(address: str, name: str, password: str, code: str) -> Tokens:
    async with Client(address, name=name, password=password) as client:
        try:
            tokens = await client.session.sign_in(code)
        except UnauthorizedError as error:
            if error.problem.type != TOTP or code or not sys.stdin.isatty():
                raise
            tokens = await client.session.sign_in(_secret("code"))
        if client.session.must_change:
            tokens = await _change(client, password)
        return tokens


async def _change(client: Client, password: str) -> Tokens:
    typer.echo("this password was generated for you; choose your own", err=True)
    while True:
        new = _secret("new password", again=True)
        try:
            await client.session.change_password(password, new)
        except ApiError as error:
            if not sys.stdin.isatty():
                raise
            typer.echo(str(error), err=True)
            continue
        assert client.session.tokens is not None
        return client.session.tokens


def _secret(what: str, *, again: bool = False) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, confirmation_prompt=again))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        refuse(f"the {what} is missing")
    return line
