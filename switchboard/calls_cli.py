"""`switchboard calls`: what calls were there, and all that is kept of one."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Optional

import msgspec
import typer

from routing.masks.secret import RealNumber, VaultError
from routing.numbers import canonical_number
from switchboard.archive.exporting import export
from switchboard.call_text import Found, about, describe
from switchboard.command_line import (
    ConfigOption,
    Format,
    FormatOption,
    LimitOption,
    Opened,
    columns,
    local_time,
    moment_us,
    opened,
    reason_of,
    refuse,
    show_json,
)
from switchboard.masks_cli.application import reached
from switchboard.remote_cli.commands import add_to
from switchboard.store.audit import AuditEntry, AuditLog
from switchboard.store.call_parts import agent_parts, talk_us
from switchboard.store.callbacks import CallbackRepository
from switchboard.store.calls import CallFilter, CallRepository
from switchboard.store.masks import MaskRepository
from switchboard.store.records import CallRecord, decode_record, decode_snapshot, utc_us
from switchboard.store.recovery import open_calls
from switchboard.store.segments import Kind, read_segment, segment_paths
from switchboard.store.store import JOURNAL_NAME

SHORTEST_ID: Final = 4

app = typer.Typer(
    name="calls",
    help="Calls: the records of ended ones, and the call bar for live ones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
add_to(app)

_LIST_HELP: Final = """List calls, newest first; numbers are masked.

\b
Examples:
  switchboard calls list
  switchboard calls list --since 2h --cause no_answer
  switchboard calls list --since "2026-11-01 09:00" --flow hotline --limit 100
  switchboard calls list --number 4008001234 --format json
  switchboard calls list --group support --agent 1001 --talked 60
  switchboard calls list --open
"""

_SHOW_HELP: Final = """Show the record of one call: legs, segments, keys, identity check, survey, recordings.

A call is named by its id, by the beginning of it, or as "last". Real numbers are masked; digits that were
keyed as a secret are kept nowhere.

\b
Examples:
  switchboard calls show last
  switchboard calls show 01997c3e-5a10-7b2c-8d55-0f6a1c2d3e4f
  switchboard calls show 01997c3e --format json
"""

_AUDIO_HELP: Final = """Write a recording of a call to a file, decrypted if need be; the audit log records it.

\b
Examples:
  switchboard calls audio last -o call.wav
  switchboard calls audio 01997c3e --number 2 -o second.wav
"""

_CALLBACKS_HELP: Final = """List callback requests, the longest waiting first; numbers are masked.

\b
Examples:
  switchboard calls callbacks
  switchboard calls callbacks --group support
  switchboard calls callbacks --all --format json
"""


@app.command(name="list", help=_LIST_HELP)
def list_calls(
    config: ConfigOption = None,
    since: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="TIME", help="Began at or after; 2026-12-31, '2026-12-31 18:00', or 30m, 2h, 7d ago."),
    ] = None,
    until: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="TIME", help="Began before."),
    ] = None,
    number: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NUMBER", help="The number that was called, or the caller's."),
    ] = None,
    flow: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME", help="The flow that answered."),
    ] = None,
    cause: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="CAUSE", help="How it ended: normal, busy, no_answer, …"),
    ] = None,
    group: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME", help="The group whose queue the caller was in."),
    ] = None,
    agent: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="ID", help="An agent who answered."),
    ] = None,
    talked: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="SECONDS", min=0, help="Talked at least this long; with --agent, that agent did."),
    ] = None,
    limit: LimitOption = 20,
    open_only: Annotated[
        bool, typer.Option("--open", help="Calls that are up now instead of those that have ended.")
    ] = False,
    form: FormatOption = "text",
) -> None:
    """List calls, newest first."""
    wanted = CallFilter(
        moment_us(since, "--since"),
        moment_us(until, "--until"),
        flow=flow,
        cause=cause,
        group=group,
        agent=agent,
        min_talk_us=None if talked is None else talked * 1_000_000,
    )
    with opened(config) as store:
        if number is not None:
            wanted = wanted._replace(either=(canonical_number(number), _fingerprint(store, number)))
        if open_only:
            records = [record for record in _open_records(store) if _fits(record, wanted)][:limit]
        else:
            records = CallRepository(store.database).search(wanted, limit)
    _print_list(records, form)


@app.command(help=_SHOW_HELP)
def show(
    call: Annotated[str, typer.Argument(metavar="ID", help="The id, the beginning of it, or 'last'.")],
    config: ConfigOption = None,
    form: FormatOption = "text",
) -> None:
    """Show all that is kept of one call."""
    with opened(config) as store:
        record = _find(store, call)
        found = Found(record, store.recordings, _binding(store, record))
    if form == "json":
        show_json(about(found))
        return
    for line in describe(found):
        typer.echo(line)


@app.command(help=_AUDIO_HELP)
def audio(
    call: Annotated[str, typer.Argument(metavar="ID", help="The id, the beginning of it, or 'last'.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")],
    number: Annotated[int, typer.Option(min=1, help="Which of the call's recordings.")] = 1,
    config: ConfigOption = None,
) -> None:
    """Write a recording of a call to a plain file."""
    with opened(config) as store:
        record = _find(store, call)
        if number > len(record.recordings):
            refuse(f"call {record.id} has {len(record.recordings)} recordings")
        recording = record.recordings[number - 1]
        entry = AuditEntry(
            utc_us(), getpass.getuser(), "system", "command line", "recording.heard", recording.id,
            detail=f"call {record.id}, written to a file",
        )  # fmt: skip
        AuditLog(store.database).append(entry)
        try:
            octets = export(store.recordings / recording.path, store.directory / "keys", output)
        except OSError as error:
            refuse(f"the recording cannot be written to {output} ({reason_of(error)})")
    typer.echo(f"{output}: {octets} octets, recording {recording.id} of call {record.id}")


@app.command(help=_CALLBACKS_HELP)
def callbacks(
    config: ConfigOption = None,
    group: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME", help="Requests to this group."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Include those that are done.")] = False,
    limit: LimitOption = 50,
    form: FormatOption = "text",
) -> None:
    """List requests to be called back."""
    with opened(config) as store:
        requests = CallbackRepository(store.database)
        found = requests.list_requests(group=group, only_open=not everything, limit=limit)
    rows = [
        (
            local_time(one.record.asked_us)[:19],
            one.record.id,
            one.record.group or "-",
            one.record.number_masked,
            one.state,
            str(one.attempts),
            one.reason or "-",
        )
        for one in found
    ]
    head = ("asked", "request", "group", "number", "state", "attempts", "reason")
    if form == "json":
        show_json([dict(zip(head, row, strict=True)) for row in rows])
        return
    for line in columns([head, *rows]) if rows else ["no requests"]:
        typer.echo(line)


def _fingerprint(store: Opened, number: str) -> bytes:
    try:
        return store.vault.fingerprint(RealNumber(number))
    except ValueError:
        refuse("--number: not a telephone number")


def _open_records(store: Opened) -> list[CallRecord]:
    """The calls that the journal tells open, newest first."""
    records = []
    for entry in open_calls(store.directory / JOURNAL_NAME):
        try:
            record = decode_snapshot(entry.payload).record
        except msgspec.MsgspecError:
            continue
        records.append(record)
    return sorted(records, key=lambda record: record.started_us, reverse=True)


def _fits(record: CallRecord, wanted: CallFilter) -> bool:
    numbers = (
        wanted.either is None or record.called == wanted.either[0] or record.caller_fingerprint == wanted.either[1]
    )
    return (
        numbers
        and (wanted.since_us is None or record.started_us >= wanted.since_us)
        and (wanted.until_us is None or record.started_us < wanted.until_us)
        and wanted.flow in (None, record.flow)
        and wanted.cause in (None, record.cause)
        and wanted.group in (None, record.group)
        and _talked(record, wanted)
    )


def _talked(record: CallRecord, wanted: CallFilter) -> bool:
    """Whether the agent that is wanted has answered, and the talk so far is long enough."""
    least = wanted.min_talk_us or 0
    if wanted.agent is None:
        return talk_us(record) >= least
    return any(agent == wanted.agent and talked >= least for agent, _, _, _, _, talked, _ in agent_parts(record))


def _find(store: Opened, call: str) -> CallRecord:
    calls = CallRepository(store.database)
    if call == "last":
        latest = calls.recent(1)
        if not latest:
            refuse("no call has ended yet")
        return latest[0]
    if len(call) < SHORTEST_ID:
        refuse(f"give at least {SHORTEST_ID} characters of an id")
    known = {call_id: call_id for call_id in calls.starting_with(call, 3)}
    fresh = {record.id: record for record in _journalled(store, call)}
    ids = list(known | fresh)
    if not ids:
        refuse(f"no call has the id {call}")
    if len(ids) > 1:
        refuse(f"several calls have an id that begins with {call}: {', '.join(ids[:3])}")
    return calls.get(ids[0]) or fresh[ids[0]]


def _journalled(store: Opened, start: str) -> Iterable[CallRecord]:
    """The calls with such an id that are open, or ended a moment ago and not in the database yet."""
    directory = store.directory / JOURNAL_NAME
    yield from (record for record in _open_records(store) if record.id.startswith(start))
    for path in segment_paths(directory):
        for entry in read_segment(path).entries({Kind.ENDED}):
            if entry.call_id.startswith(start):
                yield decode_record(entry.payload)


def _print_list(records: list[CallRecord], form: Format) -> None:
    if form == "json":
        show_json([_row(record) for record in records])
        return
    if not records:
        typer.echo("no calls")
        return
    head = ("began", "call", "caller", "called", "flow", "lasted", "outcome")
    rows = [
        (
            local_time(record.started_us)[:19],
            record.id,
            record.caller_masked or "-",
            f"{record.called},{record.extension}" if record.extension else record.called or "-",
            record.flow or "-",
            "up" if record.ended_us is None else f"{(record.ended_us - record.started_us) / 1e6:.0f} s",
            record.cause or "-",
        )
        for record in records
    ]
    for line in columns([head, *rows]):
        typer.echo(line)


def _row(record: CallRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "began": datetime.fromtimestamp(record.started_us / 1e6, UTC).isoformat(),
        "direction": record.direction,
        "trunk": record.trunk,
        "caller": record.caller_masked,
        "called": record.called,
        "extension": record.extension,
        "flow": record.flow,
        "group": record.group,
        "agent": record.agent,
        "answered": record.answered_us is not None,
        "seconds": None if record.ended_us is None else (record.ended_us - record.started_us) / 1e6,
        "ended_by": record.ended_by,
        "cause": record.cause,
        "sip_status": record.sip_status,
        "q850": record.q850,
    }


def _binding(store: Opened, record: CallRecord) -> str:
    """Whom the mask of a call leads to now, masked; empty when it was unbound meanwhile."""
    if not record.binding:
        return ""
    binding = MaskRepository(store.database).get(record.binding)
    try:
        return "" if binding is None else reached(binding, store.vault)
    except VaultError:
        return ""
