"""Keys as tones in the audio of a gateway that changes its source in mid-call: SIPp replays two captures."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from tests.support.sipp import Caller, carry, need_sipp
from tests.support.sounds import keyed, tone, write_capture
from tests.support.switch import running_switch

FLOW = """
flow: typed
answer: now
start: ask
nodes:
  ask: {type: collect, into: digits, min: 4, max: 4, first_timeout: 6s, digit_timeout: 4s, next: bye,
        on_timeout: wrong, on_invalid: wrong}
  bye: {type: hangup}
  wrong: {type: hangup, cause: failed}
"""
_HEAD = 24
_RECORD = struct.Struct("<IIII")


def one_behind_the_other(path: Path, first: Path, second: Path, seconds: float) -> Path:
    """A capture that goes on with another one after so many seconds, as that is: with its source and its numbers."""
    one, other = first.read_bytes(), bytearray(second.read_bytes())
    at = _HEAD
    while at < len(other):
        whole, micros, size, length = _RECORD.unpack_from(other, at)
        whole, micros = divmod(whole * 1_000_000 + micros + round(seconds * 1e6), 1_000_000)
        _RECORD.pack_into(other, at, whole, micros, size, length)
        at += _RECORD.size + size
    path.write_bytes(one + other[_HEAD:])
    return path


async def test_keys_are_heard_from_another_source_as_well(tmp_path: Path) -> None:
    """Its numbers begin anew, behind those of the first: none of its packets is late."""
    need_sipp()
    flow = tmp_path / "typed.yaml"
    flow.write_text(FLOW)
    first = write_capture(tmp_path / "first.pcap", np.concatenate([tone(1.0), keyed("47")]), stream=1)
    second = write_capture(tmp_path / "second.pcap", np.concatenate([keyed("11"), tone(1.0)]), stream=2)
    audio = one_behind_the_other(tmp_path / "both.pcap", first, second, 1.6)
    numbers = [{"number": "4010", "flow": "typed"}]
    with running_switch(tmp_path, numbers=numbers, masks=[], flows=[str(flow)]) as switch:
        caller = Caller("13911110010", "", 9000, 100, audio=audio, events=False)
        await carry(caller, switch.target, tmp_path, "4010")
        await switch.records(1)
        (record,) = switch.rows("select cause, ended_by from calls")
        assert (record["cause"], record["ended_by"]) == ("normal", "switch")
