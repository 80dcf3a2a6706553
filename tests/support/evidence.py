"""All that there is to be seen of a switch, and how digits that must not be there are looked for in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import NamedTuple

import msgspec

from bench.capture import Packet
from switchboard.store.database import Database
from switchboard.store.keys import load_vault
from switchboard.store.records import decode_record, decode_snapshot
from switchboard.store.segments import Kind, read_segment, segment_paths
from tests.support.command import command
from tests.support.marked import files, forms
from tests.support.processes import processes
from tests.support.sounds import Sound, read_wav
from tests.support.switch import RunningSwitch

TYPED_TEXT = re.compile(r'"(?:digit|digits|key|keys|signal|dtmf)": *"?[0-9]')


class Evidence(NamedTuple):
    """What was found where, and the sounds in recordings."""

    places: dict[str, bytes]
    sounds: dict[str, Sound]


async def evidence(switch: RunningSwitch) -> Evidence:
    """The files, logs, pages, processes and commands of a switch, and what is inside of its journal."""
    names = "\n".join(str(path.relative_to(switch.directory)) for path in switch.directory.rglob("*"))
    found = {
        "output": switch.output.read_bytes(),
        "log": (switch.directory / "switch.log").read_bytes(),
        "names": names.encode(),
        **files(switch.store),
        **{path: switch.get(path) for path in ("/metrics", "/health")},
        **{f"cmdline of {name}": "\0".join(p.cmdline()).encode() for name, p in processes(switch).items()},
        **{f"switchboard {' '.join(words)}": told.encode() for words, told in await commands(switch)},
    }
    recordings = (switch.store / "recordings").rglob("*.wav")
    return Evidence(found, {path.name: read_wav(path) for path in recordings if ".part" not in path.name})


async def commands(switch: RunningSwitch) -> list[tuple[tuple[str, ...], str]]:
    """What an operator is told who may not see numbers."""
    asked: list[tuple[str, ...]] = [
        ("calls", "list", "--format", "json"), ("calls", "callbacks", "--format", "json"),
        ("masks", "list", "--format", "json"), ("masks", "log", "--format", "json"), ("masks", "export"),
        ("voicemail", "list", "--format", "json"),
    ]  # fmt: skip
    asked += [("calls", "show", row["id"], "--format", "json") for row in switch.rows("select id from calls")]
    asked += [("masks", "show", row["id"]) for row in switch.rows("select id from mask_lines")]
    extensions = switch.rows("select number, extension from mask_bindings")
    asked += [("masks", "show", row["number"], row["extension"]) for row in extensions]
    return [(words, await command(switch, *words)) for words in asked]


def opened_journal(switch: RunningSwitch) -> dict[str, bytes]:
    """Each record of the journal as JSON, sealed states opened: what a restart would know."""
    database = Database(switch.store / "switchboard.db")
    found: dict[str, bytes] = {}
    states = 0
    with closing(database):
        vault = load_vault(switch.store, database)
        for segment in segment_paths(switch.store / "journal"):
            for place, entry in enumerate(read_segment(segment)):
                told: list[object] = [entry.call_id]
                if entry.kind in (Kind.OPENED, Kind.CHANGED):
                    snapshot = decode_snapshot(entry.payload)
                    told.append(snapshot.record)
                    if snapshot.state:
                        told.append(msgspec.msgpack.decode(vault.open_state(snapshot.state)))
                        states += 1
                elif entry.kind == Kind.ENDED:
                    told.append(decode_record(entry.payload))
                found[f"journal {segment.name} {place}, opened"] = msgspec.json.encode(told)
    assert states > 0, "there is a state to be opened"
    return found


def typed(secrets: Iterable[str], places: Mapping[str, bytes]) -> list[str]:
    """Where secret digits stand: in any form of a number, or key by key."""
    found = []
    for secret in secrets:
        for name, needle in {**key_by_key(secret), **(forms(secret) if len(secret) > 8 else {})}.items():
            found += [f"{secret} ({name}) in {place}" for place, data in places.items() if needle in data]
    return found


def key_by_key(digits: str) -> dict[str, bytes]:
    """How a run of keys may have been written down, if not as one text."""
    numbers = bytes(int(digit) for digit in digits)
    return {
        "msgpack texts": b"".join(b"\xa1" + digit.encode() for digit in digits),
        "JSON texts": ",".join(f'"{digit}"' for digit in digits).encode(),
        "spaced JSON texts": ", ".join(f'"{digit}"' for digit in digits).encode(),
        **({"octets": numbers} if len(digits) > 8 else {}),
        **{f"with {separator!r} between": separator.join(digits).encode() for separator in (",", ", ", "\n")},
        "with ' ' between": " ".join(digits).encode(),
    }


def words(secrets: Iterable[str], places: Mapping[str, bytes]) -> list[str]:
    """Where a few digits stand for themselves, neither in a longer number nor in an identifier."""
    return [
        f"{secret} in {place}: {hit!r}"
        for secret in secrets
        for place, data in places.items()
        for hit in re.findall(rf".{{0,20}}(?<![\w.:+-]){secret}(?![\w.:-]).{{0,20}}".encode(), data)
    ]


def sent_to(packets: Iterable[Packet], host: str) -> dict[str, bytes]:
    """Everything on the wire to one side."""
    return {f"wire to {host}": b"\0".join(packet.payload for packet in packets if packet.destination[0] == host)}


def is_text(place: str) -> bool:
    """Whether digits stand there to be read, rather than anywhere in a sea of octets."""
    return not place.startswith(("file", "wire"))


def places_without_states(places: Mapping[str, bytes]) -> dict[str, bytes]:
    """Without what was opened by the key of the store, where the caller's own number may stand."""
    return {place: data for place, data in places.items() if not place.endswith("opened")}
