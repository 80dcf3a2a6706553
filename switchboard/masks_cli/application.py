"""What the commands under `switchboard masks` share: the application, names of bindings, and the running switch."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Optional

import msgspec
import typer

from routing.masks import AorTarget, Binding, NumberTarget, Party, SipTarget, Vault
from routing.masks.binding import extension_id
from routing.numbers import canonical_number, fold_digits
from switchboard.command_line import CONTROL_SECONDS, NO_ANSWER, Opened
from switchboard.ops.control_client import NotRunning, Refused, ask
from switchboard.store.mask_allotment import Allotment
from switchboard.store.masks import MOST_IDS
from switchboard.store.store import CONTROL_NAME

app: Final = typer.Typer(
    name="masks",
    help="Masked numbers: who is behind an extension of a 400 number, or an X number.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ByOption = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--by", metavar="NAME", help="Who makes the change, for its log; default: your login name."),
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the log of changes.")]
NameArgument = Annotated[
    str, typer.Argument(metavar="BINDING", help="The id of a binding, or the number of an extension.")
]
ExtensionArgument = Annotated[
    Optional[str],  # noqa: UP045
    typer.Argument(metavar="[EXTENSION]", help="The extension, when a number was given."),
]
MAX_NAME: Final = 64
SHOWN_NUMBERS: Final = 5


def who(by: str | None) -> str:
    """Who stands in the log of changes."""
    if by:
        return by[:MAX_NAME]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def binding_id(name: str, extension: str | None) -> str:
    """The id of the binding that was named, in the one form of its number."""
    number, comma, rest = name.partition(",")
    if extension is None and not comma:
        return name.strip()
    return extension_id(canonical_number(number), fold_digits(extension if extension is not None else rest).strip())


def said(binding: str) -> str:
    """A binding as people say it."""
    number, comma, extension = binding.partition(",")
    return f"{number} extension {extension}" if comma else f"binding {binding}"


def allotment(store: Opened) -> Allotment:
    """Completes and checks what is written about bindings."""
    return Allotment(store.config, store.database, store.vault)


def warn_of(store: Opened, numbers: Iterable[str]) -> None:
    """Say, on standard error, which numbers of bindings nobody can call."""
    unserved = allotment(store).unserved(numbers)
    if unserved:
        told = ", ".join(unserved[:SHOWN_NUMBERS]) + (" …" if len(unserved) > SHOWN_NUMBERS else "")
        advice = "give them one in numbers, with mask: true, or put them into a pool"
        typer.echo(f"warning: no line of the configuration leads to {told}: {advice}", err=True)


def reached(binding: Binding, vault: Vault) -> str:
    """Whom a binding leads to, in words and masked; raises `VaultError`."""
    match binding.target:
        case SipTarget(uri):
            return uri
        case AorTarget(aor):
            return f"softphone {aor}"
        case NumberTarget(secret, trunk, shown):
            return f"{vault.open(secret)} by trunk {trunk}, showing {shown or 'no number'}"
    people = [masked(party, vault) for party in (binding.a, binding.b or binding.n) if party is not None]
    if binding.group:
        people.append(f"group {binding.group}")
    return " and ".join(people)


def masked(party: Party, vault: Vault) -> str:
    """A party's number as it may be shown."""
    return str(vault.open(party.sealed))


def tell_of(directory: Path, bindings: Sequence[str]) -> str:
    """Tell the running switch which bindings changed, or to read all when they are many; what came of it."""
    if len(bindings) <= MOST_IDS:
        answer = tell_switch(directory, "masks-changed", bindings=list(bindings))
        if "unknown command" not in answer:
            return answer
    return tell_switch(directory, "reload-masks")


def tell_of_pools(directory: Path) -> str:
    """Tell the running switch that pools changed; what came of it."""
    return tell_switch(directory, "masks-changed", pools=True)


def tell_switch(directory: Path, command: str, *, seconds: float = CONTROL_SECONDS, **values: Any) -> str:
    """Send a command to the switch that runs on this store; what came of it, in words."""
    try:
        answer = ask(directory / CONTROL_NAME, command, timeout=seconds, **values)
        known = msgspec.convert(answer or {}, dict[str, object]).get("bindings", "unknown")
    except NotRunning:
        return "no switch is running on this store; the next start reads them"
    except Refused as problem:
        return f"the running switch did not take them: {problem}"
    except msgspec.MsgspecError:
        return f"the running switch could not be told ({NO_ANSWER}); it reads them at its next start"
    return f"the running switch uses them now ({known} bindings in all)"
