"""Random text and octets, drawn in large pieces."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from switchboard.tokens import octet_pool, token_pool


def test_tokens_differ_beyond_the_first_piece() -> None:
    """Each has twenty hexadecimal digits, also those of a second pool."""
    one, other = token_pool(), token_pool()
    tokens = [draw() for _ in range(1200) for draw in (one, other)]
    assert len(set(tokens)) == 2400
    assert all(re.fullmatch(r"[0-9a-f]{20}", token) for token in tokens)


def test_tokens_of_several_threads_differ() -> None:
    """Whoever draws the next piece at the same moment as another gives nobody's token again."""
    draw = token_pool()
    with ThreadPoolExecutor(4) as threads:
        tokens = list(threads.map(lambda _: draw(), range(4000)))
    assert len(set(tokens)) == 4000


def test_octets_are_as_many_as_asked_for_and_given_once() -> None:
    """Also those at the end of a piece, more than a piece, and by several threads."""
    draw = octet_pool()
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda _: draw(12), range(2000)))
    assert {len(octets) for octets in drawn} == {12}
    assert len(set(drawn)) == 2000
    assert len(draw(9000)) == 9000
    assert (len(draw(1)), draw(0)) == (1, b"")
