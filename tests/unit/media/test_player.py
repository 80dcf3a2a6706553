"""Prompts as a sequence of frames, and the cadence that sends them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.prompts import Prompt
from media.worker.player import MAX_BEHIND, PERIOD, TICK, Cadence, Playback


def prompt(*frames: str) -> Prompt:
    """A prompt whose frames say what they are."""
    return Prompt({codec: tuple(f"{codec}-{frame}".encode() for frame in frames) for codec in ("PCMA", "PCMU")})


def played(playback: Playback, count: int, codec: str = "PCMA") -> list[str | None]:
    """The next frames."""
    frames = [playback.next(codec) for _ in range(count)]
    return [None if frame is None else frame.decode().partition("-")[2] for frame in frames]


class TestPlayback:
    """Playback."""

    def test_prompts_follow_one_another(self) -> None:
        """In order, without a gap, to the end and not beyond."""
        playback = Playback(1, [prompt("a", "b"), prompt(), prompt("c")], False, "PCMA")
        assert played(playback, 5) == ["a", "b", "c", None, None]

    def test_a_loop_begins_again(self) -> None:
        """With all its prompts, empty ones skipped."""
        playback = Playback(1, [prompt("a"), prompt(), prompt("b")], True, "PCMA")
        assert played(playback, 5) == ["a", "b", "a", "b", "a"]

    @pytest.mark.parametrize("prompts", [[], [prompt()], [prompt(), prompt()]])
    def test_a_loop_of_nothing_ends(self, prompts: list[Prompt]) -> None:
        """Nothing to be played is over at once, even again and again."""
        assert Playback(1, prompts, True, "PCMA").next("PCMA") is None

    def test_the_codec_may_change_on_the_way(self) -> None:
        """The place is kept."""
        playback = Playback(1, [prompt("a", "b", "c")], False, "PCMA")
        assert playback.next("PCMA") == b"PCMA-a"
        playback.use("PCMU")
        assert playback.next("PCMU") == b"PCMU-b"

    def test_a_change_of_codec_with_nothing_to_play_is_harmless(self) -> None:
        """There is no prompt to go on with."""
        playback = Playback(1, [], False, "PCMA")
        playback.use("PCMU")
        assert playback.next("PCMU") is None

    def test_a_codec_without_frames_is_over_at_once(self) -> None:
        """What is only relayed cannot be played."""
        playback = Playback(1, [prompt("a")], True, "G729")
        assert playback.next("G729") is None


class Recorder:
    """A sender that notes when it was served, for `count` times."""

    def __init__(self, count: int = 1_000_000) -> None:
        self.times: list[float] = []
        self._count = count

    def step(self, now: float) -> bool:
        """One packet."""
        self.times.append(now)
        return len(self.times) < self._count


def drive(cadence: Cadence, until: float, oversleep: float = 0.0) -> None:
    """Runs the cadence as the loop does: sleeping until it is due."""
    while (due := cadence.next_due()) is not None and due <= until:
        cadence.run(due + 1e-7 + oversleep)


class TestCadence:
    """Cadence."""

    def test_idle_it_is_never_due(self) -> None:
        """An idle worker sleeps."""
        cadence = Cadence()
        cadence.run(5.0)
        assert cadence.next_due() is None
        assert len(cadence) == 0

    @given(st.floats(1.0, 1000.0), st.floats(0.0, 0.005))
    def test_a_second_holds_fifty_packets_whatever_the_oversleep(self, start: float, oversleep: float) -> None:
        """Waking late each time delays packets but never adds up."""
        cadence, sender = Cadence(), Recorder()
        cadence.add(sender, start)
        drive(cadence, start + 10.0, oversleep)
        assert 499 <= len(sender.times) <= 501
        for n, at in enumerate(sender.times):
            assert -TICK <= at - oversleep - (start + n * 0.02) <= 2 * TICK

    def test_the_first_packet_leaves_within_a_tick(self) -> None:
        """Nobody waits for a slot to come round."""
        cadence, sender = Cadence(), Recorder()
        cadence.add(sender, 100.0004)
        drive(cadence, 100.0004 + TICK)
        assert len(sender.times) == 1

    def test_a_stall_is_not_made_up_for_by_a_burst(self) -> None:
        """After half a second of standstill at most a few packets come together, then 20 ms apart again."""
        cadence, senders = Cadence(), [Recorder() for _ in range(5)]
        for n, sender in enumerate(senders):
            cadence.add(sender, 50.0 + n * 0.003)
            cadence.run(50.0 + n * 0.003 + 0.002)
        cadence.run(50.5)
        for sender in senders:
            assert len(sender.times) <= 1 + MAX_BEHIND // PERIOD + 1
        before = [len(sender.times) for sender in senders]
        drive(cadence, 51.5)
        assert all(49 <= len(s.times) - n <= 51 for s, n in zip(senders, before, strict=True))
        assert cadence.late_max == pytest.approx(0.5, abs=0.03)

    def test_one_added_after_a_stall_owes_nothing(self) -> None:
        """A newcomer is not made to catch up for the others' stall."""
        cadence, old, new = Cadence(), Recorder(), Recorder()
        cadence.add(old, 10.0)
        cadence.add(new, 10.5)
        cadence.run(10.5)
        assert new.times == []
        drive(cadence, 10.5 + TICK)
        assert len(new.times) == 1

    def test_a_sender_that_has_finished_is_served_no_more(self) -> None:
        """And the cadence is idle again."""
        cadence, sender = Cadence(), Recorder(3)
        cadence.add(sender, 1.0)
        drive(cadence, 2.0)
        assert len(sender.times) == 3
        assert cadence.next_due() is None

    def test_a_removed_sender_is_served_no_more(self) -> None:
        """Removing it twice is no fault."""
        cadence, sender = Cadence(), Recorder()
        cadence.add(sender, 1.0)
        assert sender in cadence
        cadence.remove(sender)
        cadence.remove(sender)
        assert sender not in cadence
        assert cadence.next_due() is None

    def test_a_sender_that_fails_is_served_no_more(self) -> None:
        """It must not cost those behind it their packets again and again."""

        class Faulty(Recorder):
            def step(self, now: float) -> bool:
                raise RuntimeError("a fault")

        cadence, before, faulty, behind = Cadence(), Recorder(), Faulty(), Recorder()
        for sender in (before, faulty, behind):
            cadence.add(sender, 1.0)
        with pytest.raises(RuntimeError, match="a fault"):
            cadence.run(1.0 + 1.5 * TICK)
        drive(cadence, 2.0)
        assert faulty not in cadence
        assert (len(before.times), len(behind.times)) == (50, 49)
