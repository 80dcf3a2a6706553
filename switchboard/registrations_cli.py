"""`switchboard registrations`: which phones are registered in the running switch, and taking one away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Optional

import msgspec
import typer

from switchboard.command_line import ConfigOption, FormatOption, LimitOption, asked, columns, refuse, show_json

app = typer.Typer(
    name="registrations",
    help="The phones registered with the running switch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_LIST_HELP: Final = """List the phones that are registered, by account.

\b
Examples:
  switchboard registrations list
  switchboard registrations list --limit 50 --after carol@switchboard.local
  switchboard registrations list --format json
"""

_SHOW_HELP: Final = """Show the phones of one account: where they are, through which proxies, for how long.

\b
Examples:
  switchboard registrations show alice
"""

_REMOVE_HELP: Final = """Remove the registration of a phone, or of all phones of an account.

It is not called any more. A phone that is still there comes back when it refreshes its registration; to keep it
away, change the password of its account.

\b
Examples:
  switchboard registrations remove alice
  switchboard registrations remove alice --contact sip:alice@192.0.2.9:5060
"""

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account: alice, or alice@switchboard.local.")]


class Phone(msgspec.Struct):
    """One phone, as the switch tells of it."""

    aor: str
    contact: str
    source: str
    transport: str
    expires_in: float
    q: float
    user_agent: str
    agent: str
    nat: bool
    path: list[str]


class Listing(msgspec.Struct):
    """Phones, and how many there are in all."""

    phones: list[Phone]
    accounts: int
    contacts: int


@app.command(name="list", help=_LIST_HELP)
def list_phones(
    limit: LimitOption = 100,
    after: Annotated[str, typer.Option("--after", metavar="AOR", help="Start after this one.")] = "",
    config: ConfigOption = None,
    form: FormatOption = "text",
) -> None:
    """List the phones that are registered."""
    found = _listing(config, limit, after)
    if form == "json":
        show_json(found.phones)
        return
    if not found.phones:
        typer.echo("no phone is registered")
        return
    rows = [
        (one.aor, f"{one.source}/{one.transport}", f"{one.expires_in:.0f} s", one.agent, one.user_agent)
        for one in found.phones
    ]
    typer.echo("\n".join(columns([("account", "from", "still", "agent", "phone"), *rows])))
    typer.echo(f"{found.contacts} phones of {found.accounts} accounts in all")


@app.command(help=_SHOW_HELP)
def show(account: Account, config: ConfigOption = None, form: FormatOption = "text") -> None:
    """Show the phones of one account."""
    found = msgspec.convert(asked(config, "registrations", account=account), Listing)
    if form == "json":
        show_json(found.phones)
        return
    if not found.phones:
        refuse(f"no phone of {account} is registered; see: switchboard registrations list")
    for one in found.phones:
        lines = [
            ("contact", one.contact),
            ("from", f"{one.source}/{one.transport}{' behind a NAT' if one.nat else ''}"),
            *(("path", hop) for hop in one.path),
            ("still", f"{one.expires_in:.0f} s"),
            ("q", f"{one.q:g}"),
            ("phone", one.user_agent),
            ("agent", one.agent),
        ]
        typer.echo("\n".join([one.aor, *(f"  {name:8} {value}" for name, value in lines if value)]))


@app.command(help=_REMOVE_HELP)
def remove(
    account: Account,
    contact: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--contact", metavar="URI", help="This one only; see: switchboard registrations show."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Remove the registration of a phone, or of all phones of an account."""
    count = asked(config, "remove-registration", account=account, contact=contact or "")
    if not count:
        refuse(f"no such phone of {account} is registered; see: switchboard registrations show {account}")
    typer.echo(f"{count} phone{'' if count == 1 else 's'} of {account} no longer registered")


def _listing(config: Path | None, limit: int, after: str) -> Listing:
    """So many accounts, asked for in pieces: the switch tells of few at once."""
    whole = msgspec.convert(asked(config, "registrations", most=limit, after=after), Listing)
    piece = whole.phones
    while piece and (left := limit - len({one.aor for one in whole.phones})) > 0:
        piece = msgspec.convert(asked(config, "registrations", most=left, after=piece[-1].aor), Listing).phones
        whole.phones += piece
    return whole
