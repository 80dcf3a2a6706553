"""Metrics as a scrape shows them, and the health report."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from switchboard.ops.health import Health
from switchboard.ops.loop_lag import LoopLag
from switchboard.ops.metrics import MOST_VALUES, Metrics
from switchboard.store.records import MediaRecord

Samples = dict[tuple[str, tuple[str, ...]], float]


def scrape(metrics: Metrics) -> Samples:
    """All samples by name and label values, read by a parser that is not ours."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


def test_what_happened_is_counted() -> None:
    """Calls by cause, errors by place, packets, and both delays in their buckets."""
    metrics = Metrics()
    metrics.call_ended("normal")
    metrics.call_ended("normal")
    metrics.call_ended("busy")
    metrics.error("datagram")
    metrics.rtp(500, 2)
    metrics.rtp(100, -1)  # duplicates may make the loss of RFC 3550 negative
    metrics.transfer_latency(0.0008)
    metrics.post_dial_delay(0.03)
    samples = scrape(metrics)
    assert samples["switchboard_calls_total", ("normal",)] == 2
    assert samples["switchboard_calls_total", ("busy",)] == 1
    assert samples["switchboard_errors_total", ("datagram",)] == 1
    assert samples["switchboard_rtp_packets_total", ()] == 600
    assert samples["switchboard_rtp_lost_total", ()] == 2
    assert samples["switchboard_transfer_latency_seconds_bucket", ("0.0005",)] == 0
    assert samples["switchboard_transfer_latency_seconds_bucket", ("0.001",)] == 1
    assert samples["switchboard_post_dial_delay_seconds_bucket", ("0.025",)] == 0
    assert samples["switchboard_post_dial_delay_seconds_bucket", ("0.05",)] == 1


def test_how_good_the_audio_was_by_trunk() -> None:
    """Opinion, loss, jitter and round trip of each direction, as cumulative buckets; legs that were silent."""
    metrics = Metrics()
    metrics.leg("carrier", MediaRecord(received=980, sent=1000, lost=20, jitter_ms=4.0, mos_in=4.1))
    metrics.leg(
        "carrier",
        MediaRecord(received=1000, sent=1000, peer_lost=50, peer_jitter_ms=1.5, round_trip_ms=80.0, mos_in=4.37,
                    mos_out=3.9),
    )  # fmt: skip
    metrics.leg("phones", MediaRecord(sent=500, silent=True))
    samples = scrape(metrics)
    mos = {
        labels[1]: value
        for (name, labels), value in samples.items()
        if name == "switchboard_leg_mos_bucket" and (labels[0], labels[2]) == ("in", "carrier")
    }
    assert (mos["4.0"], mos["4.2"], mos["4.3"], mos["4.5"], mos["+Inf"]) == (0, 1, 1, 2, 2)
    assert samples["switchboard_leg_mos_sum", ("in", "carrier")] == pytest.approx(8.47)
    assert samples["switchboard_leg_mos_count", ("out", "carrier")] == 1
    assert samples["switchboard_leg_loss_ratio_sum", ("in", "carrier")] == pytest.approx(0.02)
    assert samples["switchboard_leg_loss_ratio_bucket", ("out", "0.05", "carrier")] == 1
    assert samples["switchboard_leg_loss_ratio_bucket", ("out", "0.03", "carrier")] == 0
    assert samples["switchboard_leg_jitter_seconds_sum", ("in", "carrier")] == pytest.approx(0.004)
    assert samples["switchboard_leg_jitter_seconds_sum", ("out", "carrier")] == pytest.approx(0.0015)
    assert samples["switchboard_leg_round_trip_seconds_sum", ("both", "carrier")] == pytest.approx(0.08)
    assert samples["switchboard_legs_silent_total", ("phones",)] == 1
    assert not [name for name, labels in samples if "leg_" in name and "phones" in labels], "it was not heard"


def test_trunks_without_end_are_one() -> None:
    """Names beyond the limit are counted together."""
    metrics = Metrics()
    for number in range(3 * MOST_VALUES):
        metrics.leg(f"trunk {number}", MediaRecord(received=1, mos_in=4.0, silent=True))
    samples = scrape(metrics)
    legs = {labels: v for (name, labels), v in samples.items() if name == "switchboard_leg_mos_count"}
    silent = {labels: v for (name, labels), v in samples.items() if name == "switchboard_legs_silent_total"}
    assert len(legs) <= 2 * MOST_VALUES + 1
    assert len(silent) == MOST_VALUES + 1
    assert sum(legs.values()) == sum(silent.values()) == 3 * MOST_VALUES


def test_peers_cannot_invent_labels() -> None:
    """No label grows without bound."""
    metrics = Metrics()
    for number in range(10 * MOST_VALUES):
        metrics.call_ended(f"cause {number}")
    samples = scrape(metrics)
    causes = {labels: v for (sample, labels), v in samples.items() if sample == "switchboard_calls_total"}
    assert len(causes) == MOST_VALUES + 1
    assert sum(causes.values()) == 10 * MOST_VALUES


def test_state_is_read_at_the_scrape() -> None:
    """Gauges show the present, not what was when they were registered."""
    metrics = Metrics()
    held = {"calls": 1, "legs": 2}
    metrics.state(lambda: held)
    metrics.gauge("switchboard_answer", "Of everything.", lambda: held["calls"] * 42)
    metrics.counter("switchboard_journal_failures_total", "Writes that failed.", lambda: 3)
    held["calls"] = 2
    samples = scrape(metrics)
    assert samples["switchboard_calls", ()] == 2
    assert samples["switchboard_legs", ()] == 2
    assert samples["switchboard_answer", ()] == 84
    assert samples["switchboard_journal_failures_total", ()] == 3


def test_a_broken_reading_does_not_break_the_scrape() -> None:
    """The others are still there, and the failure is counted."""
    metrics = Metrics()
    metrics.gauge("switchboard_broken", "Fails.", lambda: 1 / 0)
    metrics.gauge("switchboard_fine", "Works.", lambda: 1)
    first, second = scrape(metrics), scrape(metrics)
    assert ("switchboard_broken", ()) not in first
    assert first["switchboard_fine", ()] == 1
    assert second["switchboard_metrics_failures_total", ()] >= 1


def test_metrics_of_two_switches_do_not_meet() -> None:
    """Each has a registry of its own."""
    one, other = Metrics(), Metrics()
    one.call_ended("normal")
    assert ("switchboard_calls_total", ("normal",)) not in scrape(other)


class _Loop:
    """A loop whose clock is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.scheduled: list[tuple[float, object, tuple[object, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: object, *arguments: object) -> asyncio.TimerHandle:
        self.scheduled.append((when, callback, arguments))
        return _Handle()  # type: ignore[return-value]

    def run_late(self, by: float) -> None:
        """Run what is scheduled, later than it wanted."""
        when, callback, arguments = self.scheduled.pop()
        self.now = when + by
        callback(*arguments)  # type: ignore[operator]


class _Handle:
    cancelled = False

    def cancel(self) -> None:
        _Handle.cancelled = True


def test_loop_lag_is_the_longest_delay_since_it_was_taken() -> None:
    """The watchdog reports the worst callback of the interval, then starts anew."""
    loop, lag = _Loop(), LoopLag()
    lag.start(loop)  # type: ignore[arg-type]
    for late in (0.001, 0.25, 0.002):
        loop.run_late(late)
    assert round(lag.take(), 6) == 0.25
    assert lag.take() == 0.0
    loop.run_late(0.004)
    assert round(lag.take(), 6) == 0.004
    lag.stop()
    assert _Handle.cancelled


def test_health_is_ok_without_reasons() -> None:
    """A switch whose checks are content is ok and shows its facts."""
    health = Health()
    health.check("workers", lambda: None)
    health.fact("workers", lambda: [{"id": 0, "state": "up"}])
    report = health.report()
    assert (report.status, report.http_status, report.reasons) == ("ok", 200, [])
    assert report.facts == {"workers": [{"id": 0, "state": "up"}]}


def test_health_names_what_is_wrong() -> None:
    """One bad check makes it degraded with 503; a check that raises is a reason as well."""
    health = Health()
    health.draining = True
    health.check("workers", lambda: "worker 0 is lost")
    health.check("journal", lambda: str(1 / 0))
    health.fact("disk", lambda: 1 / 0)
    report = health.report()
    assert (report.status, report.http_status) == ("degraded", 503)
    assert report.reasons == [
        "workers: worker 0 is lost",
        "journal: cannot be read (ZeroDivisionError)",
        "disk: cannot be read (ZeroDivisionError)",
    ]


def test_draining_is_said_and_not_an_alarm() -> None:
    """A switch that is being stopped says so with status 200."""
    health = Health()
    health.draining = True
    report = health.report()
    assert (report.status, report.http_status) == ("draining", 200)
