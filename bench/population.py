"""Who the demonstration backend knows: made from the numbers themselves, so that nothing is stored.

Every calling number belongs to one customer for ever. Six in ten call from a telephone that is on their own
account; four in ten from a foreign one, and are known only by what they key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

OWN_OF_HUNDRED: Final = 60
"""Callers of a hundred whose calling number is the account's."""
LAST: Final = 4
"""Digits of an identity card or an order that are asked for at least."""
STATES: Final = {
    "paid": {"zh": "已付款，正在处理", "en": "paid and being prepared"},
    "shipped": {"zh": "已发出", "en": "on its way"},
    "refunding": {"zh": "退款处理中", "en": "being refunded"},
    "cancelled": {"zh": "已取消", "en": "cancelled"},
}


@dataclass(frozen=True, slots=True)
class Order:
    """One order, as the backend tells it."""

    number: str
    """Ten digits: seven of the account, two that count, and a check digit (Luhn)."""
    status: str
    amount: str
    date: str


@dataclass(frozen=True, slots=True)
class Account:
    """One customer; `subject` is the only name that may be told to others."""

    subject: str
    phone: str
    """Eleven digits that no operator has given out."""
    id_card: str
    """The last six digits."""
    orders: tuple[Order, ...]

    def answers(self, method: str, digits: str) -> bool:
        """Whether the digits keyed are this customer's: the whole telephone number, or the last of the others."""
        if method == "phone":
            return digits == self.phone
        if len(digits) < LAST:
            return False
        if method == "id_card":
            return self.id_card.endswith(digits)
        if method == "order":
            return any(order.number.endswith(digits) for order in self.orders)
        return False


def is_own(caller: str) -> bool:
    """Whether a calling number is the one on its caller's account."""
    return _number("caller", caller, 100) < OWN_OF_HUNDRED


def account_of(caller: str) -> Account:
    """The account of whoever calls from a number."""
    return _account(f"{_number('account', caller, 10**7):07d}")


def order(number: str, subject: str = "") -> Order | None:
    """An order by its number; with `subject` only when it is that customer's."""
    if len(number) != 10 or not (number.isascii() and number.isdigit()):
        return None
    account = _account(number[:7])
    if subject and subject != account.subject:
        return None
    return next((known for known in account.orders if known.number == number), None)


def own_caller(index: int = 0) -> str:
    """The number of someone who calls from their own telephone; another one for each index."""
    return _caller(index, own=True)


def foreign_caller(index: int = 0) -> str:
    """The number of someone who calls from a foreign telephone; another one for each index."""
    return _caller(index, own=False)


def right_digits(caller: str, method: str) -> str:
    """What the caller has to key to be known: four digits, or the whole telephone number."""
    account = account_of(caller)
    whole = {"phone": account.phone, "id_card": account.id_card, "order": account.orders[0].number}[method]
    return whole if method == "phone" else whole[-LAST:]


def wrong_digits(caller: str, method: str) -> str:
    """As many digits as the right ones, which are not the caller's."""
    right = right_digits(caller, method)
    return next(
        wrong
        for step in range(1, 10)
        if not account_of(caller).answers(method, wrong := f"{right[:-1]}{(int(right[-1]) + step) % 10}")
    )


def _caller(index: int, *, own: bool) -> str:
    numbers = (f"19900{number:06d}" for number in range(10**6))
    return next(number for count, number in enumerate(n for n in numbers if is_own(n) is own) if count == index)


def _account(digits: str) -> Account:
    count = 1 + _number("orders", digits, 3)
    return Account(
        subject=f"acct-{hashlib.blake2s(digits.encode(), digest_size=4, person=b'subject').hexdigest()}",
        phone=f"11{_number('phone', digits, 10**9):09d}",
        id_card=f"{_number('id', digits, 10**6):06d}",
        orders=tuple(_order(f"{digits}{index:02d}") for index in range(1, count + 1)),
    )


def _order(digits: str) -> Order:
    cents = 990 + _number("amount", digits, 500_000)
    return Order(
        number=digits + _check_digit(digits),
        status=sorted(STATES)[_number("status", digits, len(STATES))],
        amount=f"{cents // 100}.{cents % 100:02d}",
        date=f"2026-{1 + _number('month', digits, 6):02d}-{1 + _number('day', digits, 28):02d}",
    )


def _check_digit(digits: str) -> str:
    """The digit that makes a number pass ISO/IEC 7812-1 Annex B (Luhn)."""
    doubled = (int(digit) * (2 - index % 2) for index, digit in enumerate(reversed(digits)))
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def _number(purpose: str, text: str, below: int) -> int:
    """A number that follows from a text."""
    digest = hashlib.blake2s(text.encode(), digest_size=8, person=purpose.encode()).digest()
    return int.from_bytes(digest, "big") % below
