"""Call records for the tests of the store."""

from __future__ import annotations

from switchboard.store.records import CallRecord, LegRecord, MediaRecord, SegmentRecord

BEGAN_US = 1_760_000_000_000_000


def call_record(number: int, *, ended: bool = True) -> CallRecord:
    """The record of a call with every field set; while it is open its end is missing."""
    began = BEGAN_US + number * 1_000_000
    end = began + 30_000_000 if ended else None
    return CallRecord(
        id=f"00000000-0000-7000-8000-{number:012d}",
        trunk="carrier",
        called="4008001234",
        extension="123456",
        flow="extension",
        caller_masked="139****1234",
        caller_sealed=b"\x00\x01sealed",
        caller_fingerprint=number.to_bytes(16, "big"),
        started_us=began,
        answered_us=began + 1000,
        ended_us=end,
        ended_by="caller" if ended else "",
        cause="normal" if ended else "",
        sip_status=200 if ended else None,
        q850=16 if ended else None,
        post_dial_delay_us=2_000_000,
        transfer_latency_us=900,
        legs=[
            LegRecord(
                id=f"leg-{number}-a",
                role="caller",
                peer="139****1234",
                invited_us=began,
                answered_us=began + 1000,
                ended_us=end,
                sip_status=200,
                cause="normal",
                codec="PCMA",
                media=MediaRecord(received=1500, sent=1490, lost=3, jitter_ms=1.25, strangers=1),
            ),
            LegRecord(id=f"leg-{number}-b", role="agent", peer="alice", invited_us=began + 5, ended_us=end),
        ],
        segments=[
            SegmentRecord(kind="ivr", started_us=began, ended_us=began + 5, detail="extension"),
            SegmentRecord(kind="talk", started_us=began + 5, ended_us=end),
        ],
    )
