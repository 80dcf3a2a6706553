from __future__ import annotations

import pytest

from bench import population

CALLERS = [f"139{number * 7919 % 10**8:08d}" for number in range(2000)]


def test_four_in_ten_call_from_a_foreign_telephone() -> None:
    """Of many callers 60 % use their own number, within what chance allows."""
    own = sum(population.is_own(caller) for caller in CALLERS)
    assert 0.56 < own / len(CALLERS) < 0.64


def test_a_caller_is_always_the_same() -> None:
    """A number leads to one account for ever; other numbers to others."""
    assert population.account_of("13900000001") == population.account_of("13900000001")
    assert len({population.account_of(caller).subject for caller in CALLERS}) > 0.99 * len(CALLERS)


@pytest.mark.parametrize("method", ["phone", "id_card", "order"])
def test_right_and_wrong_digits(method: str) -> None:
    """The right digits verify their own caller only; the wrong ones are as long and verify nobody."""
    for caller in CALLERS[:200]:
        account = population.account_of(caller)
        right, wrong = population.right_digits(caller, method), population.wrong_digits(caller, method)
        assert account.answers(method, right)
        assert len(right) == len(wrong) == (11 if method == "phone" else 4)
        assert not account.answers(method, wrong)
        assert not account.answers("birthday", right)


def test_three_digits_are_not_enough() -> None:
    """Fewer than four digits of a card or an order prove nothing, nor does the end of a telephone number."""
    account = population.account_of(CALLERS[0])
    assert not account.answers("id_card", account.id_card[-3:])
    assert not account.answers("order", account.orders[0].number[-3:])
    assert not account.answers("phone", account.phone[-4:])
    assert not account.answers("id_card", "")


def test_orders_are_found_by_their_number() -> None:
    """An order belongs to one customer; a slip in any one digit finds nothing."""
    for caller in CALLERS[:20]:
        account = population.account_of(caller)
        for order in account.orders:
            assert population.order(order.number) == order
            assert population.order(order.number, account.subject) == order
            assert population.order(order.number, "acct-00000000") is None
            for place in range(10):
                slip = order.number[:place] + str((int(order.number[place]) + 1) % 10) + order.number[place + 1 :]
                assert population.order(slip) is None


@pytest.mark.parametrize("number", ["", "1", "12345678901", "abcdefghij", "１２３４５６７８９０"])
def test_what_is_no_order_number(number: str) -> None:
    """Only ten digits are looked up."""
    assert population.order(number) is None


def test_the_account_is_named_without_its_digits() -> None:
    """The subject holds no run of the digits that are keyed."""
    for caller in CALLERS[:200]:
        account = population.account_of(caller)
        for secret in (account.phone, account.id_card, caller, *(order.number for order in account.orders)):
            assert secret[-6:] not in account.subject


def test_callers_for_tests() -> None:
    """Each index is another number, and of the right kind."""
    own = [population.own_caller(index) for index in range(5)]
    foreign = [population.foreign_caller(index) for index in range(5)]
    assert len({*own, *foreign}) == 10
    assert all(map(population.is_own, own))
    assert not any(map(population.is_own, foreign))


def test_the_check_digit() -> None:
    """Luhn's, by the example of ISO/IEC 7812-1."""
    assert population._check_digit("7992739871") == "3"
