"""`switchboard keys`: the keys under which stored numbers and secrets are sealed."""

from __future__ import annotations

import json
from typing import Final

import typer

from switchboard.command_line import ConfigOption, FormatOption, opened, refuse, told
from switchboard.store.keys import KeyFileError, add_encryption_key, load_vault
from switchboard.store.rotation import reseal as reseal_all
from switchboard.store.rotation import sealed_under

app = typer.Typer(
    name="keys",
    help="Keys under which stored numbers and secrets are sealed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_LIST_HELP: Final = """List the keys, how much is sealed under each, and which one seals now.

\b
Examples:
  switchboard keys list
  switchboard keys list --format json
"""

_ADD_HELP: Final = """Add a key, which seals from now on, in the running switch too.

What was sealed before stays readable: the older keys are kept. Make a backup of the key files afterwards.

\b
Examples:
  switchboard keys add
"""

_RESEAL_HELP: Final = """Encrypt all that is stored under the newest key; the switch may be running.

It goes by small steps and may be stopped and begun again.

\b
Examples:
  switchboard keys reseal
"""


@app.command(name="list", help=_LIST_HELP)
def list_keys(config: ConfigOption = None, form: FormatOption = "text") -> None:
    """List the keys."""
    with opened(config) as store:
        active = store.vault.active_key
        keys: list[dict[str, object]] = [
            {"id": key, "sealed": sealed_under(store.database, key), "active": key == active}
            for key in store.vault.key_ids
        ]
    if form == "json":
        typer.echo(json.dumps(keys))
        return
    for key in keys:
        typer.echo(f"{key['id']}  {key['sealed']} sealed" + ("  seals now" if key["active"] else ""))


@app.command(help=_ADD_HELP)
def add(config: ConfigOption = None) -> None:
    """Add a key."""
    with opened(config) as store:
        try:
            key = add_encryption_key(store.directory)
            load_vault(store.directory, store.database)
        except KeyFileError as error:
            refuse(str(error))
        problem = told(store.directory, "keys-changed")
    typer.echo(f"key {key} seals from now on; make a backup of {store.directory / 'keys'}")
    if problem:
        refuse(f"the running switch could not be told ({problem}); it seals under the old one until it starts again")


@app.command(help=_RESEAL_HELP)
def reseal(config: ConfigOption = None) -> None:
    """Bring all under the newest key."""
    with opened(config) as store:
        count = reseal_all(store.database, store.vault)
        typer.echo(f"{count} numbers and secrets are sealed under key {store.vault.active_key}")
