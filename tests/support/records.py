"""Call records for the tests of the store."""

from __future__ import annotations

from switchboard.store.records import (
    CallbackRecord,
    CallRecord,
    IdentityRecord,
    LegRecord,
    MediaRecord,
    MessageRecord,
    RecordingRecord,
    SegmentRecord,
    TrailRecord,
)

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
                media=MediaRecord(
                    received=1500,
                    sent=1490,
                    lost=3,
                    jitter_ms=1.25,
                    strangers=1,
                    peer_lost=15,
                    peer_jitter_ms=2.5,
                    round_trip_ms=41.5,
                    mos_in=4.36,
                    mos_out=4.2,
                    silent=True,
                ),
            ),
            LegRecord(
                id=f"leg-{number}-b",
                role="agent",
                peer="alice",
                invited_us=began + 5,
                answered_us=began + 6,
                ended_us=end,
                agent="1001",
            ),
        ],
        segments=[
            SegmentRecord(kind="ivr", started_us=began, ended_us=began + 5, detail="extension"),
            SegmentRecord(kind="talk", started_us=began + 6, ended_us=end, agent="1001", group="support"),
        ],
        trail=[
            TrailRecord(flow="extension", node="main", key="2", at_us=began + 2),
            TrailRecord(flow="extension", node="order", key="4 digits", at_us=began + 3),
        ],
        identity=IdentityRecord(
            status="verified", method="phone", subject="S-17", attempts=2, asked_us=began + 1, took_us=400
        ),
        survey={"solved": "1", "rating": "5"},
        recordings=[RecordingRecord(id=f"rec-{number}", path=f"a/{number}.wav", started_us=began + 5, seconds=2.5)],
        binding="binding-1",
        flow_version="v1",
        consent="given",
        path=["welcome", "main", "order"],
        group="support",
        agent="1001",
        queued_us=4,
        hold_us=3,
        consult_us=2,
        transfers=1,
        province="江苏",
        city="常州",
        carrier="中国移动",
    )


def message_record(number: int, *, box: str = "sales") -> MessageRecord:
    """A message in a box, with every field set."""
    return MessageRecord(
        id=f"message-{number}",
        box=box,
        path=f"voicemail/{number}.wav",
        left_us=BEGAN_US + number * 1_000_000,
        seconds=4.5,
        call_id=call_record(number).id,
        caller_masked="139****1234",
        caller_sealed=b"\x00\x01sealed",
        caller_fingerprint=number.to_bytes(16, "big"),
    )


def callback_record(number: int, *, person: int = 1, group: str = "support") -> CallbackRecord:
    """A request of a person to be called back, with every field set."""
    return CallbackRecord(
        id=f"request-{number}",
        group=group,
        asked_us=BEGAN_US + number * 1_000_000,
        number_masked="139****1234",
        number_sealed=b"\x00\x01sealed",
        number_fingerprint=person.to_bytes(16, "big"),
        call_id=call_record(number).id,
        since_us=BEGAN_US + number * 1_000_000 - 60_000_000,
        priority=2,
        vip=1,
        requirement="en>=3",
    )
