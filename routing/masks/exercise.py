"""A mask table under load, for whoever measures it from outside: `python -m routing.masks.exercise`.

Reads commands line by line and answers each with one line when it is done. It keeps no time itself.

    extension N     bind N extensions of 400 numbers to hidden numbers, up to 900,000 on one
    axb N           bind N pairs, 200 on each X number, each with an expiry of its own
    mixed N         the two, nine to one, and every hundredth an AX number of its own
    look N          N look-ups all over the bindings, and say how many reached somebody
    idle N          the same choice of keys without the look-ups: what the exercise itself costs
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Final

from routing.masks.binding import Binding
from routing.masks.policy import Policy
from routing.masks.secret import NONCE_BYTES, Party, Sealed
from routing.masks.table import MaskTable
from routing.masks.target import NumberTarget

PER_NUMBER: Final = 900_000
PAIRS: Final = 200
SAMPLE: Final = 50_000
STEP: Final = 7_368_787
"""A prime, so that multiples of it go all over the bindings in no order."""

Look = tuple[str, str, bytes]
"""Number, extension (empty: an X number) and caller."""


class Exercise:
    """The table and which keys lead somewhere."""

    def __init__(self) -> None:
        self.table = MaskTable()
        self.keys: list[Callable[[int], Look]] = []
        self.counts: list[int] = []
        self.sample: list[Look] = []

    def extension(self, count: int) -> None:
        """Hidden numbers as an import leaves them: sealed, each with bytes of its own."""
        for index in range(count):
            number, extension, _ = _extension(index)
            self.table.bind(number, extension, NumberTarget(_sealed(index), "carrier", "01088880000"))
        self._know(_extension, count)

    def axb(self, count: int) -> None:
        """Pairs that share X numbers."""
        policy = Policy(trunk="carrier", limit=3600.0, record=True, city="010")
        for index in range(count):
            x = _pair(index)[0]
            binding = Binding(
                id=f"{index:012x}",
                kind="axb",
                number=x,
                a=Party(_sealed(2 * index), _fingerprint(2 * index)),
                b=Party(_sealed(2 * index + 1), _fingerprint(2 * index + 1)),
                policy=policy,
                expires_us=(2_000_000_000 + index) * 1_000_000,
            )
            self.table.add(binding)
        self._know(_pair, count)

    def mixed(self, count: int) -> None:
        """Mostly extensions, pairs, and numbers of one owner."""
        owners, pairs = count // 100, count // 10 - count // 100
        self.axb(pairs)
        policy = Policy(trunk="carrier")
        for index in range(owners):
            owner = Party(_sealed(index), _fingerprint(1_000_000_000 + index))
            self.table.add(Binding(id=f"o{index:x}", kind="ax", number=_owner(index)[0], a=owner, policy=policy))
        self._know(_owner, owners)
        self.extension(count - owners - pairs)

    def look(self, count: int) -> int:
        """Look up keys all over the table; how many led to somebody."""
        found, keys = 0, self._sample()
        resolve, resolve_call = self.table.resolve, self.table.resolve_call
        for index in range(count):
            number, extension, caller = keys[index % SAMPLE]
            # What a call asks for was just made, and is at hand; so it is here, and in `idle`.
            at_hand = len(number) + caller[0]
            answer = resolve(number, extension, 1e9) if extension else resolve_call(number, caller, 1e9)
            found += at_hand > 0 and answer.reason == "ok"
        return found

    def idle(self, count: int) -> int:
        """The loop of `look` without its look-ups."""
        found, keys = 0, self._sample()
        for index in range(count):
            number, extension, caller = keys[index % SAMPLE]
            at_hand = len(number) + caller[0]
            answer = number if extension else caller
            found += at_hand > 0 and answer != "ok"
        return found

    def _sample(self) -> list[Look]:
        """As many keys as no cache holds, in no order, of each kind as many as its share of the bindings."""
        if not self.sample:
            total = sum(self.counts)
            for key, count in zip(self.keys, self.counts, strict=True):
                share = -(-SAMPLE * count // total)
                self.sample += [key(index * STEP % count) for index in range(share)]
            self.sample = [self.sample[index * STEP % len(self.sample)] for index in range(SAMPLE)]
        return self.sample

    def _know(self, key: Callable[[int], Look], count: int) -> None:
        self.keys.append(key)
        self.counts.append(count)
        self.sample = []


def _extension(index: int) -> Look:
    number, place = divmod(index, PER_NUMBER)
    return f"400800{number:04}", f"{100_000 + place}", b"\0"


def _pair(index: int) -> Look:
    """Of one pair A calls, of the next one B."""
    return f"0108{index // PAIRS:07}", "", _fingerprint(2 * index + index % 2)


def _owner(index: int) -> Look:
    """Anybody calls."""
    return f"0218{index:07}", "", _fingerprint(2_000_000_000 + index)


def _fingerprint(index: int) -> bytes:
    """16 bytes that differ in their first ones, as those of a keyed hash do."""
    return ((index + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)).to_bytes(16, "big")


def _sealed(index: int) -> Sealed:
    """As long as a sealed mobile number: key id, nonce, eleven digits, tag."""
    return Sealed(b"\0\1" + index.to_bytes(NONCE_BYTES, "big") + _fingerprint(index)[:11] + _fingerprint(~index))


def main() -> None:
    """Answer commands until the input ends."""
    gc.freeze()
    exercise = Exercise()
    does: dict[str, Callable[[int], object]] = {
        "extension": exercise.extension,
        "axb": exercise.axb,
        "mixed": exercise.mixed,
        "look": exercise.look,
        "idle": exercise.idle,
    }
    for line in sys.stdin:
        name, _, count = line.strip().partition(" ")
        told = does[name](int(count))
        print(len(exercise.table) if told is None else told, flush=True)


if __name__ == "__main__":
    main()
