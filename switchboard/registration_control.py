"""What the control socket says of registered phones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from switchboard.calls.exchange import Exchange
from switchboard.calls.registered import MOST, registered, unregister
from switchboard.ops.control import Command, CommandError


def registration_commands(
    x: Exchange, run: Callable[[Callable[[float], None]], None], clock: Callable[[], float]
) -> dict[str, Command]:
    """`registrations` and `remove-registration`; `run` brings a step into the loop's order of events."""

    def listing(request: Mapping[str, object]) -> dict[str, object]:
        account, after = _text(request, "account"), _text(request, "after")
        most = request.get("most")
        phones = registered(x, clock(), account=account, after=after, most=most if isinstance(most, int) else MOST)
        return {"phones": msgspec.to_builtins(phones), "accounts": len(x.registrar), "contacts": x.registrar.total}

    def remove(request: Mapping[str, object]) -> int:
        account, contact = _text(request, "account"), _text(request, "contact")
        if not account:
            raise CommandError("account: is missing")
        removed: list[int] = []
        run(lambda now: removed.append(unregister(x, account, contact, now)))
        return sum(removed)

    return {"registrations": listing, "remove-registration": remove}


def _text(request: Mapping[str, object], name: str) -> str:
    value = request.get(name, "")
    return value if isinstance(value, str) else ""
