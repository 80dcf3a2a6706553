"""`switchboard masks refuse`, `accept` and `refusals`: customers who want no calls back through X."""

from __future__ import annotations

from typing import Annotated, Final, Optional

import typer

from switchboard.command_line import ConfigOption, local_time, opened, refuse
from switchboard.masks_cli.application import ByOption, ReasonOption, app, tell_switch, who
from switchboard.store.mask_refusals import MaskRefusals, Refusal

SHOWN: Final = 100

_REFUSE_HELP: Final = """Let nobody call a customer back through X any more, as when the customer says so in a flow.

Calls of the customer are not concerned. A number written as - is asked for.

\b
Examples:
  switchboard masks refuse - --reason "asked for it by mail"
  switchboard masks refuse 13900001111
"""
_ACCEPT_HELP: Final = """Allow calls back to a customer again.

\b
Examples:
  switchboard masks accept - --reason "ticket 4711"
"""
_REFUSALS_HELP: Final = """Show who refuses calls back, newest first, or whether one number does.

\b
Examples:
  switchboard masks refusals
  switchboard masks refusals -
"""
NumberArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="The customer's number, or - to be asked.")]


@app.command(name="refuse", help=_REFUSE_HELP)
def refuse_calls(
    number: NumberArgument, config: ConfigOption = None, reason: ReasonOption = "", by: ByOption = None
) -> None:
    """Let nobody call a customer back."""
    _tell(number, config, reason, by, withdrawn=False)


@app.command(help=_ACCEPT_HELP)
def accept(number: NumberArgument, config: ConfigOption = None, reason: ReasonOption = "", by: ByOption = None) -> None:
    """Take a refusal back."""
    _tell(number, config, reason, by, withdrawn=True)


@app.command(help=_REFUSALS_HELP)
def refusals(
    number: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Argument(metavar="[NUMBER]", help="The customer's number, or - to be asked; all without."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show who wants no calls back."""
    with opened(config) as store:
        kept = MaskRefusals(store.database, store.vault, "")
        if number is None:
            found = kept.latest(SHOWN)
        else:
            try:
                one = kept.find(_asked(number))
            except ValueError as error:
                refuse(str(error))
            found = [] if one is None else [one]
        if not found:
            typer.echo("nobody refuses calls back" if number is None else "does not refuse calls back")
        for refusal in found:
            typer.echo(_line(refusal))


def _line(refusal: Refusal) -> str:
    said = f"in call {refusal.call_id}" if refusal.call_id else "told by an operator"
    return f"{refusal.customer}  refuses calls back since {local_time(refusal.refused_us)[:19]}, {said}"


def _asked(number: str) -> str:
    answer: str = typer.prompt("number", hide_input=True) if number == "-" else number
    return answer


def _tell(number: str, config: ConfigOption, reason: str, by: str | None, *, withdrawn: bool) -> None:
    with opened(config) as store:
        kept = MaskRefusals(store.database, store.vault, who(by))
        try:
            done = (kept.accept if withdrawn else kept.refuse)(_asked(number), reason)
        except ValueError as error:
            refuse(str(error))
        state = "takes calls back" if withdrawn else "refuses calls back"
        if not done.changed:
            typer.echo(f"the customer {state} already, nothing changed")
            return
        typer.echo(f"the customer {state}")
        typer.echo(tell_switch(store.directory, "masks-changed", refusals=[(done.customer.hex(), withdrawn)]))
