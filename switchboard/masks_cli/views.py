"""`switchboard masks show`, `list` and `log`: what is bound, and who changed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Optional

import typer

from config.schema import Mask
from routing.masks import Binding, Policy, RealNumber, Vault, VaultError
from routing.numbers import canonical_number
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
)
from switchboard.masks_cli.application import ExtensionArgument, NameArgument, app, binding_id, reached, said
from switchboard.store.configured_masks import binding_for, configured_binding, configured_masks
from switchboard.store.mask_log import changes
from switchboard.store.mask_rows import binding_of
from switchboard.store.masks import MaskFilter, MaskRepository
from switchboard.store.records import utc_us

_SHOW_HELP: Final = """Show one binding; a real number is shown masked.

\b
Examples:
  switchboard masks show 4008001234 123456
  switchboard masks show 4008001234,123456
  switchboard masks show axb-1f0c9d5e2a7b4433 --config my.yaml
"""

_LIST_HELP: Final = """List bindings, those of extensions first, in the order of numbers; real numbers are masked.

Those of the configuration come last, a range of extensions as one; what is stored for an extension rules.

\b
Examples:
  switchboard masks list --number 4008001234 --limit 100
  switchboard masks list --number 4008001234 --limit 100 --offset 100
  switchboard masks list --kind axb --state disabled
  switchboard masks list --person 13900001111
  switchboard masks list --label "Flat 3" --format json
"""

_LOG_HELP: Final = """Show the log of changes, newest first; a person is always the same #xxxxxxxx in it.

\b
Examples:
  switchboard masks log
  switchboard masks log 4008001234 123456
  switchboard masks log --action reveal
"""


@app.command(help=_SHOW_HELP)
def show(name: NameArgument, extension: ExtensionArgument = None, config: ConfigOption = None) -> None:
    """Show one binding."""
    binding_name = binding_id(name, extension)
    with opened(config) as store:
        binding, origin = MaskRepository(store.database).get(binding_name), "stored"
        if binding is None:
            binding, origin = _configured(store, binding_name), "configuration"
        if binding is None:
            refuse(f"{said(binding_name)}: not bound")
        try:
            for line in _describe(binding, store.vault, origin):
                typer.echo(line)
        except VaultError as error:
            refuse(f"{said(binding_name)}: {error}")


def _configured(store: Opened, name: str) -> Binding | None:
    try:
        return configured_binding(store.config.masks, store.vault, name)
    except ValueError as error:
        refuse(f"masks in the configuration: {error}")


def _describe(binding: Binding, vault: Vault, origin: str) -> Iterator[str]:
    yield said(binding.key) if binding.kind == "extension" else f"{binding.number} {binding.kind} {binding.id}"
    facts = [("target" if binding.kind == "extension" else "leads to", reached(binding, vault))]
    facts.append(("state", _state(binding)))
    if origin == "stored":
        facts.append(("since", local_time(binding.created_us)))
    if binding.updated_us > binding.created_us:
        facts.append(("changed", local_time(binding.updated_us)))
    if binding.expires_us is not None:
        facts.append(("until", local_time(binding.expires_us)))
    facts += _rules(binding.policy)
    facts.append(("label", binding.label))
    facts.append(("origin", origin))
    for name, text in facts:
        if text:
            yield f"  {name:<8} {text}"


def _state(binding: Binding) -> str:
    state = binding.state(utc_us())
    if state == "disabled":
        return f"disabled since {local_time(binding.updated_us)}"
    if state == "expired":
        ends = [end for end in (binding.expires_us, binding.idle_us) if end is not None]
        return f"expired since {local_time(min(ends))}"
    return "active"


def _rules(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.direction != "both":
        yield "open", policy.direction.replace("_", " ")
    if policy.idle is not None:
        yield "idle", f"ends {policy.idle:.0f} s after the last call"
    if policy.limit is not None:
        yield "limit", f"{policy.limit:.0f} s of talk" + (", the last minute is announced" if policy.warn else "")
    if policy.record:
        yield "recorded", "after consent" if policy.consent else "yes"
    shown = [f"{who} sees {number}" for who, number in (("A", policy.shown_to_a), ("B", policy.shown_to_b)) if number]
    yield "shown", ", ".join(shown)
    if policy.callback is not None:
        rule = policy.callback
        window = "" if rule.window is None else f" within {rule.window:.0f} s"
        yield "back", f"calls back {'any number of times' if rule.times is None else f'{rule.times} times'}{window}"
    yield "trunk", policy.trunk
    yield "city", policy.city
    yield "store", policy.store


@app.command(name="list", help=_LIST_HELP)
def list_bindings(
    config: ConfigOption = None,
    number: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="NUMBER", help="Bindings on this number."),
    ] = None,
    kind: Annotated[
        Optional[Literal["extension", "axb", "axn", "axg", "ax"]],  # noqa: UP045
        typer.Option(help="Bindings of this kind."),
    ] = None,
    state: Annotated[
        Optional[Literal["active", "disabled", "expired"]],  # noqa: UP045
        typer.Option(help="Bindings in this state; idle expiry is not considered."),
    ] = None,
    person: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NUMBER", help="Bindings of somebody's real number; - asks for it."),
    ] = None,
    label: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="TEXT", help="Bindings whose label contains this."),
    ] = None,
    limit: LimitOption = 50,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Skip this many.")] = 0,
    form: FormatOption = "text",
) -> None:
    """List bindings."""
    now_us = utc_us()
    with opened(config) as store:
        party = None if person is None else _fingerprint(store, person)
        wanted = MaskFilter(None if number is None else canonical_number(number), kind, party, label, state)
        masks = MaskRepository(store.database)
        rows = masks.search(wanted, limit, offset, now_us=now_us)
        total = masks.count(wanted, now_us=now_us)
        configured = configured_masks(store.config.masks, store.vault, masks, wanted)
        more = _bindings(store, configured[max(offset - total, 0) :][: limit - len(rows)])
        total += len(configured)
        found = [(binding := binding_of(row), _reached(binding, store.vault), "stored") for row in rows]
        found += [(binding, _reached(binding, store.vault), "configuration") for binding in more]
    if form == "json":
        show_json([_object(binding, to, origin, now_us) for binding, to, origin in found])
        return
    if not found:
        typer.echo("no bindings")
        return
    lines = [
        (binding.key, binding.number, binding.kind, to, binding.state(now_us), origin, binding.label)
        for binding, to, origin in found
    ]
    for line in columns([("binding", "number", "kind", "leads to", "state", "origin", "label"), *lines]):
        typer.echo(line)
    if total > len(found):
        typer.echo(f"{offset + 1} to {offset + len(found)} of {total}; --offset {offset + len(found)} shows the next")


def _bindings(store: Opened, masks: Sequence[Mask]) -> list[Binding]:
    try:
        return [binding_for(mask, store.vault) for mask in masks]
    except ValueError as error:
        refuse(f"masks in the configuration: {error}")


def _fingerprint(store: Opened, person: str) -> bytes:
    if person == "-":
        person = typer.prompt("number", hide_input=True)
    try:
        return store.vault.fingerprint(RealNumber(person))
    except ValueError:
        refuse("--person: not a telephone number")


def _reached(binding: Binding, vault: Vault) -> str:
    try:
        return reached(binding, vault)
    except VaultError:
        return "cannot be opened"


def _object(binding: Binding, to: str, origin: str, now_us: int) -> dict[str, object]:
    until = binding.expires_us
    return {
        "id": binding.key,
        "number": binding.number,
        "extension": binding.extension,
        "kind": binding.kind,
        "leads_to": to,
        "group": binding.group,
        "state": binding.state(now_us),
        "origin": origin,
        "expires": None if until is None else datetime.fromtimestamp(until / 1e6, UTC).isoformat(),
        "label": binding.label,
        "policy": binding.policy,
    }


@app.command(help=_LOG_HELP)
def log(
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[BINDING]", help="Changes of one binding, by id or number."),
    ] = None,
    extension: ExtensionArgument = None,
    config: ConfigOption = None,
    action: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="ACTION", help="bind, unbind, disable, enable, import, reveal, pool-add, …"),
    ] = None,
    limit: LimitOption = 50,
    form: FormatOption = "text",
) -> None:
    """Show the log of changes."""
    with opened(config) as store:
        binding = None if name is None else binding_id(name, extension)
        found = changes(store.database, binding=binding, action=action, limit=limit)
    if form == "json":
        show_json([change._asdict() for change in found])
        return
    rows = [
        (local_time(change.at_us)[:19], change.who, change.action, change.binding or "-", change.detail, change.reason)
        for change in found
    ]
    for line in columns([("when", "who", "did", "binding", "what", "why"), *rows]) if rows else ["no changes"]:
        typer.echo(line)
