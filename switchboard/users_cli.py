"""`switchboard users`: the accounts of those who use the API. A password is asked for or read, never an argument."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple, NoReturn, Optional

import pyotp
import typer

from switchboard.command_line import (
    ConfigOption,
    FormatOption,
    LimitOption,
    Opened,
    columns,
    local_time,
    opened,
    refuse,
    show_json,
    told,
)
from switchboard.passwords import LONGEST, hash_password, new_password, password_fault
from switchboard.store.audit import AuditEntry, AuditLog
from switchboard.store.records import utc_us
from switchboard.store.users import (
    Changes,
    LastAdminError,
    NameTakenError,
    Role,
    UserRepository,
    UserRow,
    login_name,
    seal_totp,
)

ISSUER: Final = "switchboard"

app = typer.Typer(
    name="users",
    help="The accounts of people and programs that use the API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name of the account.")]
OneTimeOption = Annotated[
    bool, typer.Option("--one-time", help="Generate a password and print it; it must be changed at the first sign-in.")
]

_ADD_HELP: Final = """Add an account.

The password is asked for; when the input is no terminal it is the first line of it. An agent's account names the
agent, whose calls and state are then "mine".

\b
Examples:
  switchboard users add ben --role agent --agent 1001 --one-time
  switchboard users add chen --role supervisor
  printf '%s\\n' "$PASSWORD" | switchboard users add reports --role auditor
"""

_LIST_HELP: Final = """List accounts by name.

\b
Examples:
  switchboard users list
  switchboard users list --role admin --format json
"""

_CHANGE_HELP: Final = """Set a new password; whoever is signed in with the old one is signed out.

Locks by wrong passwords end, one by hand stays.

\b
Examples:
  switchboard users passwd ben
  switchboard users passwd ben --one-time
"""

_ROLE_HELP: Final = """Give an account another role, another agent, or both; it is signed out.

\b
Examples:
  switchboard users role ben supervisor
  switchboard users role ben agent --agent 1002
"""

_LOCK_HELP: Final = """Lock an account until it is unlocked; it is signed out.

\b
Examples:
  switchboard users lock ben
"""

_UNLOCK_HELP: Final = """Unlock an account, whether it was locked by hand or by wrong passwords.

\b
Examples:
  switchboard users unlock ben
"""

_DELETE_HELP: Final = """Delete an account; what it did stays in the audit log.

\b
Examples:
  switchboard users delete ben
  switchboard users delete ben --yes
"""

_TOTP_HELP: Final = """Ask an account for codes of an authenticator app (RFC 6238), or with --off no longer.

The secret is printed once, for the app; a lost phone is answered with --off, or with a new secret. The account is
signed out.

\b
Examples:
  switchboard users totp ben
  switchboard users totp ben --off
"""


class Desk(NamedTuple):
    """The store and its accounts."""

    store: Opened
    users: UserRepository

    def find(self, name: str) -> UserRow:
        """The account of a name; ends the command when there is none."""
        found = self.users.by_name(name)
        if found is None:
            refuse(f"no account has the name {name}")
        return found

    def change(self, user: UserRow, action: str, detail: str, changes: Changes) -> UserRow:
        """Change an account, note it, and tell the running switch."""
        changed = self.users.update(user.id, now_us=utc_us(), **changes)
        if changed is None:
            _gone(user)
        self.note(action, user.name, detail)
        self.tell(user, pardoned="locked_until_us" in changes)
        return changed

    def note(self, action: str, name: str, detail: str = "") -> None:
        """Write a line of the audit log."""
        entry = AuditEntry(utc_us(), _who(), "system", "command line", action, name, detail=detail)
        AuditLog(self.store.database).append(entry)

    def tell(self, user: UserRow, *, pardoned: bool = False) -> None:
        """Have the running switch end what the account is signed in to, and forget wrong passwords of one let in again.

        It needs no telling of anything else.
        """
        names = [user.name] if pardoned else []
        if problem := told(self.store.directory, "users-changed", users=[user.id], pardoned=names):
            words = f"the running switch could not be told ({problem}); who is signed in stays so for some minutes"
            typer.echo(words, err=True)


@contextmanager
def desk(config: ConfigOption) -> Iterator[Desk]:
    """The accounts of a configuration; refusals of the store end the command with one line."""
    with opened(config) as store:
        try:
            yield Desk(store, UserRepository(store.database))
        except NameTakenError as error:
            refuse(f"another account has the name {error}")
        except LastAdminError:
            refuse("nobody would be left who may manage accounts; make another admin first")


@app.command(help=_ADD_HELP)
def add(
    name: NameArgument,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    config: ConfigOption = None,
    agent: Annotated[str, typer.Option(metavar="ID", help="The agent it belongs to.")] = "",
    one_time: OneTimeOption = False,
) -> None:
    """Add an account."""
    try:
        login = login_name(name)
    except ValueError as error:
        refuse(str(error))
    with desk(config) as open_desk:
        if open_desk.users.by_name(login) is not None:
            raise NameTakenError(login)
        password = _password(login, one_time)
        try:
            user = open_desk.users.create(
                login, role, hash_password(password), now_us=utc_us(), agent=agent, must_change=one_time
            )
        except ValueError as error:
            refuse(str(error))
        open_desk.note("user.add", user.name, f"role {role}, agent {agent or '-'}")
    typer.echo(f"{user.name} is {_article(role)} now" + (f", as agent {agent}" if agent else ""))
    _print_password(password, one_time)


@app.command(name="list", help=_LIST_HELP)
def list_users(
    config: ConfigOption = None,
    role: Annotated[Optional[Role], typer.Option(help="Only this role.")] = None,  # noqa: UP045
    limit: LimitOption = 100,
    form: FormatOption = "text",
) -> None:
    """List accounts by name."""
    with desk(config) as open_desk:
        found = open_desk.users.page(role=role, limit=limit)
    if form == "json":
        show_json([_object(user) for user in found])
        return
    head = ("name", "role", "agent", "second factor", "state", "signed in last")
    rows = [
        (
            user.name,
            user.role,
            user.agent or "-",
            "yes" if user.has_totp else "no",
            _state(user),
            "never" if user.signed_in_us is None else local_time(user.signed_in_us)[:19],
        )
        for user in found
    ]
    for line in columns([head, *rows]) if rows else ["no accounts"]:
        typer.echo(line)


@app.command(help=_CHANGE_HELP)
def passwd(name: NameArgument, config: ConfigOption = None, one_time: OneTimeOption = False) -> None:
    """Set another password."""
    with desk(config) as open_desk:
        user = open_desk.find(name)
        password = _password(user.name, one_time)
        changes = Changes(password_hash=hash_password(password), must_change=one_time, locked_until_us=0, failed=0)
        open_desk.change(user, "user.password", "one-time" if one_time else "", changes)
    typer.echo(f"{user.name} has a new password")
    _print_password(password, one_time)


@app.command(name="role", help=_ROLE_HELP)
def set_role(
    name: NameArgument,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="agent, supervisor, admin or auditor.")],
    config: ConfigOption = None,
    agent: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="ID", help="The agent it belongs to, '' for none; default: unchanged."),
    ] = None,
) -> None:
    """Give an account another role."""
    with desk(config) as open_desk:
        user = open_desk.find(name)
        changes = Changes(role=role, agent=user.agent if agent is None else agent)
        changed = open_desk.change(user, "user.change", f"role {role}, agent {changes['agent'] or '-'}", changes)
    typer.echo(f"{user.name} is {_article(role)} now" + (f", as agent {changed.agent}" if changed.agent else ""))


@app.command(help=_LOCK_HELP)
def lock(name: NameArgument, config: ConfigOption = None) -> None:
    """Lock an account."""
    with desk(config) as open_desk:
        user = open_desk.find(name)
        open_desk.change(user, "user.change", "locked", Changes(locked=True))
    typer.echo(f"{user.name} is locked now")


@app.command(help=_UNLOCK_HELP)
def unlock(name: NameArgument, config: ConfigOption = None) -> None:
    """Unlock an account."""
    with desk(config) as open_desk:
        user = open_desk.find(name)
        changes = Changes(locked=False, locked_until_us=0, failed=0)
        open_desk.change(user, "user.change", "unlocked", changes)
    typer.echo(f"{user.name} may sign in now")


@app.command(help=_DELETE_HELP)
def delete(
    name: NameArgument,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete an account."""
    with desk(config) as open_desk:
        user = open_desk.find(name)
        if not yes and not typer.confirm(f"delete {user.name}, {_article(user.role)}?"):
            refuse("nothing was deleted")
        if not open_desk.users.delete(user.id):
            _gone(user)
        open_desk.note("user.delete", user.name)
        open_desk.tell(user)
    typer.echo(f"{user.name} is deleted")


@app.command(help=_TOTP_HELP)
def totp(
    name: NameArgument,
    config: ConfigOption = None,
    off: Annotated[bool, typer.Option("--off", help="Stop asking for codes.")] = False,
) -> None:
    """Ask an account for codes, or no more."""
    with desk(config) as open_desk:
        user = open_desk.find(name)
        if off:
            if not user.has_totp:
                refuse(f"{user.name} has no second factor")
            open_desk.change(user, "user.change", "totp off", Changes(totp_sealed=b"", totp_step=0))
            typer.echo(f"{user.name} is no longer asked for codes")
            return
        secret = pyotp.random_base32()
        changes = Changes(totp_sealed=seal_totp(open_desk.store.vault, secret), totp_step=0)
        open_desk.change(user, "user.change", "totp on", changes)
    typer.echo(f"{user.name} is asked for codes now; the secret for the app, shown only once:")
    typer.echo(f"  {secret}")
    typer.echo(f"  {pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name=ISSUER)}")


def _password(name: str, one_time: bool) -> str:
    """A drawn password, or the one that is typed twice or stands in the first line of the input."""
    if one_time:
        return new_password()
    if _interactive():
        password: str = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline(LONGEST + 2).rstrip("\r\n")
    fault = password_fault(password, name)
    if fault:
        refuse(f"{fault[:1].lower()}{fault[1:].removesuffix('.')}")
    return password


def _interactive() -> bool:
    return sys.stdin.isatty()


def _print_password(password: str, one_time: bool) -> None:
    if one_time:
        typer.echo(f"password, shown only once and to be changed at the first sign-in: {password}")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _gone(user: UserRow) -> NoReturn:
    refuse(f"{user.name} was deleted by somebody else meanwhile")


def _article(role: Role) -> str:
    return f"{'a' if role == 'supervisor' else 'an'} {role}"


def _state(user: UserRow) -> str:
    if user.locked:
        return "locked"
    if user.locked_until_us > utc_us():
        return f"locked until {local_time(user.locked_until_us)[11:19]}"
    return "must change password" if user.must_change else "active"


def _object(user: UserRow) -> dict[str, object]:
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "agent": user.agent,
        "totp": user.has_totp,
        "state": _state(user),
        "must_change": user.must_change,
        "signed_in": None if user.signed_in_us is None else _iso(user.signed_in_us),
        "created": _iso(user.created_us),
        "changed": _iso(user.changed_us),
    }


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat()
