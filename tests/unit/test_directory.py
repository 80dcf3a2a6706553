"""The directory of a running switch: services of numbers, and pools that change."""

from __future__ import annotations

from config.schema import Config, Number
from routing.masks.check_digit import digit_of
from routing.masks.table import MaskTable
from routing.masks.target import AorTarget
from routing.trunks import Trunks
from switchboard.calls.settings import NO_SERVICE, Service
from switchboard.directory import Directory, Services, build_plan

NUMBERS = (
    Number(number="01088880001", mask=True),
    Number(number="+861088880002", mask=True, failed="reassigned"),
    Number(number="0108888*", mask=True, record=True),
    Number(number="0106*", flow="hotline", variables={"menu": 2}),
)


def directory() -> tuple[Directory, Services]:
    """The directory of these numbers, and what they bring."""
    config = Config(numbers=NUMBERS)
    plan = build_plan(config)
    return Directory(plan, Trunks({}), MaskTable()), Services(config, plan)


def test_services_of_numbers_and_of_beginnings() -> None:
    """A number that stands in the configuration brings its own alone; the others what their beginning brings."""
    _, services = directory()
    assert {
        number: services.get(number) for number in ("01088880001", "01088880002", "01088889999", "01066660000")
    } == {
        "01088880001": NO_SERVICE,
        "01088880002": Service(failed="reassigned"),
        "01088889999": Service(record=True),
        "01066660000": Service({"menu": 2}),
    }
    assert services.get("02166660000") == NO_SERVICE


def test_a_number_of_a_pool_brings_nothing_of_a_flow() -> None:
    """Its calls go to a mask, so the beginning of a flow's numbers is not theirs."""
    found, services = directory()
    found.set_pools(["01066660000", "01088889999"], {})
    assert services.get("01066660000") == NO_SERVICE
    assert services.get("01088889999") == Service(record=True)


def test_check_digits_of_pools() -> None:
    """Taken while the switch runs, but not against extensions that are bound."""
    found, _ = directory()
    assert found.set_pools([], {"4008001234": "luhn"}) == []
    assert found.masks.check_of("4008001234") == "luhn"
    found.masks.bind("4008001234", "7000" + digit_of("luhn", "7000"), AorTarget("alice"))
    found.masks.bind("4008001235", "12", AorTarget("alice"))
    assert found.set_pools([], {"4008001234": "luhn"}) == []
    (fault,) = found.set_pools([], {"4008001234": "luhn", "4008001235": "luhn"})
    assert "4008001235 has extensions already" in fault
