"""What failed is tried last for a while."""

from __future__ import annotations

from switchboard.sip.unreachable import MOST, Unreachable

A, B, C = ("192.0.2.1", 5060), ("192.0.2.2", 5060), ("192.0.2.3", 5060)


class TestUnreachable:
    """RFC 3263 §4.3, with back-off."""

    def test_what_failed_goes_last_until_its_time_is_over(self) -> None:
        """Afterwards it is tried in its place again."""
        bans = Unreachable(30.0, 600.0)
        bans.failed(A, 100.0)
        assert bans.last((A, B, C), 101.0) == (B, C, A)
        assert bans.last((A, B, C), 130.0) == (A, B, C)

    def test_the_time_doubles_up_to_a_bound_and_starts_anew_after_a_pause(self) -> None:
        """Whoever stays away is asked ever more seldom."""
        bans = Unreachable(30.0, 100.0)
        now = 0.0
        for span in (30.0, 60.0, 100.0, 100.0):
            bans.failed(A, now)
            assert bans.is_banned(A, now + span - 0.1)
            assert not bans.is_banned(A, now + span)
            now += span
        bans.failed(A, now + 100.0)
        assert not bans.is_banned(A, now + 130.0)

    def test_failures_of_calls_that_were_on_their_way_count_once(self) -> None:
        """A burst of calls that all find it dead is one failure."""
        bans = Unreachable(30.0, 600.0)
        for moment in range(20):
            bans.failed(A, float(moment))
        assert not bans.is_banned(A, 30.0)

    def test_when_all_have_failed_the_one_that_is_free_soonest_is_first(self) -> None:
        """Better a doubtful place than none."""
        bans = Unreachable(30.0, 600.0)
        bans.failed(B, 0.0)
        bans.failed(A, 1.0)
        assert bans.last((A, B), 2.0) == (B, A)

    def test_what_answers_is_as_good_as_new(self) -> None:
        """And its next failure is a first one."""
        bans = Unreachable(30.0, 600.0)
        bans.failed(A, 0.0)
        bans.reached(A)
        assert len(bans) == 0
        assert bans.last((A, B), 1.0) == (A, B)

    def test_the_table_is_bounded(self) -> None:
        """However many places fail."""
        bans = Unreachable()
        for number in range(2 * MOST):
            bans.failed((f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5060), float(number))
        assert len(bans) <= MOST
