"""Header lines that make a desk phone answer."""

from __future__ import annotations

import typing

from config.sip_schema import Sip
from switchboard.calls.auto_answer import STYLES, auto_answer_lines


def test_the_lines_of_the_styles_that_are_configured() -> None:
    """In the order given; none by default."""
    assert auto_answer_lines((), "h") == ()
    assert auto_answer_lines(("call-info", "answer-mode"), "switchboard.local") == (
        "Call-Info: <sip:switchboard.local>;answer-after=0",
        "Answer-Mode: Auto",
    )


def test_the_configuration_names_every_style() -> None:
    """And no other."""
    (named, *_) = typing.get_args(typing.get_type_hints(Sip)["auto_answer"])
    assert set(typing.get_args(named)) == set(STYLES)
