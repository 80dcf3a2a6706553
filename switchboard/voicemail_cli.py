"""`switchboard voicemail`: the messages that callers left."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Optional

import typer

from media.recording_files import find, forms
from switchboard.archive.exporting import export
from switchboard.command_line import (
    ConfigOption,
    FormatOption,
    LimitOption,
    Opened,
    columns,
    local_time,
    opened,
    reason_of,
    refuse,
    show_json,
    told,
)
from switchboard.store.records import MessageState, utc_us
from switchboard.store.voicemail import Message, MessageRepository

BY: Final = "command line"
PLAYERS: Final = (("play", "-q"), ("aplay", "-q"), ("afplay",))
"""Programs that play a wav file, the first one that is there is taken."""

MARGIN_SECONDS: Final = 30.0

app = typer.Typer(
    name="voicemail",
    help="The messages that callers have left.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
MessageArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of a message, or the beginning of it.")]

_LIST_HELP: Final = """List messages, newest first; callers are shown masked.

\b
Examples:
  switchboard voicemail list
  switchboard voicemail list sales --state new
  switchboard voicemail list sales --format json
"""

_PLAY_HELP: Final = """Print the path of a message's file, and play it if sox or alsa-utils is installed.

A message that was played to its end counts as heard.

\b
Examples:
  switchboard voicemail play 01997c3e
  switchboard voicemail play 01997c3e --only-path
"""

_HEARD_HELP: Final = """Mark a message as heard, or as new again.

\b
Examples:
  switchboard voicemail heard 01997c3e
  switchboard voicemail heard 01997c3e --new
"""

_DELETE_HELP: Final = """Delete a message: its audio and who left it are gone for good.

\b
Examples:
  switchboard voicemail delete 01997c3e
  switchboard voicemail delete 01997c3e --yes
"""


@app.command(name="list", help=_LIST_HELP)
def list_messages(
    box: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Argument(metavar="[BOX]", help="One mailbox; default: all."),
    ] = None,
    config: ConfigOption = None,
    state: Annotated[
        Optional[Literal["new", "heard", "deleted"]],  # noqa: UP045
        typer.Option(help="Only messages in this state; default: all but deleted ones."),
    ] = None,
    limit: LimitOption = 50,
    form: FormatOption = "text",
) -> None:
    """List messages, newest first."""
    with opened(config) as store:
        repository = MessageRepository(store.database)
        found = repository.list_box(box, state=state, limit=limit)
        counts = {name: waiting for name, waiting in repository.counts().items() if box in (None, name)}
        recordings = store.recordings
    if form == "json":
        show_json([_object(message, recordings) for message in found])
        return
    rows = [
        (
            local_time(message.record.left_us)[:19],
            message.record.id,
            message.record.box,
            message.record.caller_masked or "-",
            f"{message.record.seconds:.0f} s",
            message.state,
        )
        for message in found
    ]
    for line in columns([("left", "message", "box", "caller", "length", "state"), *rows]) if rows else ["no messages"]:
        typer.echo(line)
    for name, waiting in sorted(counts.items()):
        typer.echo(f"{name}: {waiting.new} new, {waiting.heard} heard")


@app.command(help=_PLAY_HELP)
def play(
    message: MessageArgument,
    config: ConfigOption = None,
    only_path: Annotated[bool, typer.Option("--only-path", help="Print the path and play nothing.")] = False,
) -> None:
    """Print the path of a message's file, and play it."""
    with opened(config) as store:
        found = _find(store, message)
        path = store.recordings / found.record.path
        file = find(path)
        if file is None:
            refuse(f"{path}: the file of this message is not there")
        typer.echo(str(file))
        if only_path:
            return
        with _plain(path, file, store.directory / "keys") as playable:
            played = _played(playable, found.record.seconds)
        if played:
            _mark(store, found, "heard")


@app.command(help=_HEARD_HELP)
def heard(
    message: MessageArgument,
    config: ConfigOption = None,
    new: Annotated[bool, typer.Option("--new", help="Mark it as new again.")] = False,
) -> None:
    """Mark a message as heard, or as new again."""
    with opened(config) as store:
        found = _find(store, message)
        _mark(store, found, "new" if new else "heard")


@app.command(help=_DELETE_HELP)
def delete(
    message: MessageArgument,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a message."""
    with opened(config) as store:
        found = _find(store, message)
        record = found.record
        if not yes:
            asked = f"delete the message of {record.caller_masked or 'an unknown caller'} in {record.box}?"
            if not typer.confirm(asked):
                refuse("nothing was deleted")
        path = store.recordings / record.path
        for file in (*forms(path), path.with_suffix(".json")):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                refuse(f"{file}: cannot be deleted ({reason_of(error)})")
        _mark(store, found, "deleted")


def _find(store: Opened, start: str) -> Message:
    found = [message for message in MessageRepository(store.database).find(start, 3) if message.state != "deleted"]
    if not start or not found:
        refuse(f"no message has the id {start}" if start else "an id is missing")
    if len(found) > 1:
        refuse(f"several messages have an id that begins with {start}")
    return found[0]


def _mark(store: Opened, message: Message, state: MessageState) -> None:
    record = message.record
    if not MessageRepository(store.database).mark(record.id, state, utc_us(), BY):
        typer.echo(f"message {record.id} was {state} already")
        return
    typer.echo(f"message {record.id} in {record.box} is {state} now")
    if problem := told(store.directory, "voicemail-changed", messages={record.id: state}):
        typer.echo(f"the running switch did not apply this ({problem}); it will at its next start", err=True)


@contextlib.contextmanager
def _plain(path: Path, file: Path, keys: Path) -> Iterator[Path]:
    """The file as players understand it; of a sealed one a copy for as long as it plays."""
    if file == path:
        yield path
        return
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, path.name)
        try:
            export(path, keys, copy)
        except OSError as error:
            refuse(f"{file}: cannot be read ({reason_of(error)})")
        yield copy


def _played(path: Path, seconds: float) -> bool:
    for name, *options in PLAYERS:
        program = shutil.which(name)
        if program is None:
            continue
        try:
            done = subprocess.run(  # noqa: S603 - a player that was found on the path, and a file of ours
                [program, *options, str(path)], check=False, stdin=subprocess.DEVNULL, timeout=seconds + MARGIN_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            refuse(f"{name} could not play it ({type(error).__name__})")
        if done.returncode != 0:
            refuse(f"{name} could not play it (exit status {done.returncode})")
        return True
    typer.echo("no program to play it: install sox or alsa-utils, or open the file yourself", err=True)
    return False


def _object(message: Message, recordings: Path) -> dict[str, object]:
    record = message.record
    return {
        "id": record.id,
        "box": record.box,
        "left": datetime.fromtimestamp(record.left_us / 1e6, UTC).isoformat(),
        "seconds": record.seconds,
        "caller": record.caller_masked,
        "call": record.call_id,
        "state": message.state,
        "file": str(find(recordings / record.path) or recordings / record.path),
    }
