"""`switchboard trace`: the ladder of a call."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from switchboard.api.types import TraceView
from switchboard.client import Client
from switchboard.command_line import FormatOption, reason_of, refuse, show_json
from switchboard.remote_cli.connection import ConfigOption, UrlOption, ask, live_call
from switchboard.trace.pcap import Packet, capture
from switchboard.trace.text import ladder_lines

HELP: Final = """Show all SIP messages of a live or ended call, with times, while the switch has them in memory.

Numbers, passwords and keys are masked; --reveal shows them to admins, and the audit log says so.
Dotted arrows are retransmissions.

\b
Examples:
  switchboard trace last
  switchboard trace 01997c3e --sdp
  switchboard trace last --pcap call.pcap
"""
_ID_LENGTH: Final = 36
_RECENT: Final = 200


def trace(
    call: Annotated[str, typer.Argument(metavar="CALL", help="The id, a part of it, or 'last'.")],
    sdp: Annotated[bool, typer.Option("--sdp", help="Show SDP offers and answers too.")] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Mask nothing; admins only, and it is logged.")] = False,
    pcap: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="FILE", help="Also write the messages to a capture file."),
    ] = None,
    url: UrlOption = None,
    config: ConfigOption = None,
    form: FormatOption = "text",
) -> None:
    """Show all SIP messages of a call."""

    async def work(client: Client) -> TraceView:
        return await client.records.trace(await _named(client, call), reveal=reveal, wire=pcap is not None)

    found = ask(url, config, work)
    if pcap is not None:
        try:
            pcap.write_bytes(capture(packets(found)))
        except OSError as error:
            refuse(f"{pcap} cannot be written ({reason_of(error)})")
    if form == "json":
        show_json(found)
        return
    for line in ladder_lines(found, sdp=sdp):
        typer.echo(line)


def packets(view: TraceView) -> list[Packet]:
    """The messages as datagrams between their addresses."""
    began = round(view.began.timestamp() * 1e6)
    switch = _address(view.switch)
    found = []
    for step in view.messages:
        ends = (_address(step.peer), switch) if step.direction == "in" else (switch, _address(step.peer))
        found.append(Packet(began + round(step.ms * 1000), *ends, base64.b64decode(step.wire)))
    return found


def _address(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


async def _named(client: Client, call: str) -> str:
    """The id of a call named by a part of it, or as "last": the one that ended last, or else is up."""
    if len(call) == _ID_LENGTH:
        return call
    ended = [row.id for row in (await client.records.search(limit=1 if call == "last" else _RECENT)).items]
    if call == "last":
        found = ended or [one.id for one in (await client.calls.list(limit=1)).items]
        return found[0] if found else refuse("there has been no call yet")
    found = [one for one in ended if len(call) >= 4 and (one.startswith(call) or one.endswith(call))]
    if len(found) > 1:
        refuse(f"several calls match {call}: {', '.join(found[:3])}")
    return found[0] if found else await live_call(client, call, "live or recent call")
