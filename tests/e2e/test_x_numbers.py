"""X numbers over the wire: bound in a running switch, called both ways by a carrier that carries both parties.

Every scenario has numbers and people of its own, so that all are played at the same time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Phone, Refuse
from tests.support.ports import free_port
from tests.support.sipp import Caller, carry, listening, need_sipp
from tests.support.stage import hear_each_other, together
from tests.support.switch import RunningSwitch, running_switch
from tests.support.trunk import Carrier, Line, World, line, reason_of, tells

MAIN, ASKING, TELLING = "4008001234", "4008001235", "4008001236"
"""Leads to the extension dialled with it; asks for the extension; says why nobody is reached."""
CHECKED = "4008001237"
"""Leads to extensions whose last digit is one that checks the others."""
PUBLISHED = "4008005555"
"""A service number with a pair behind it."""
BY_TABLE, BY_HEADER = "02155550000", "02155550001"
"""Landing numbers of the carrier: one stands in the trunk's table."""
LONG_AGO = "2020-01-01"


def axb(of: Line, **rules: object) -> dict[str, object]:
    """The binding of a pair, as a file tells it."""
    return {"number": of.x, "kind": "axb", "a": of.a, "b": of.b, **rules}


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Where the trunk leads, and where the members of the group are."""
    return {name: free_port() for name in ("trunk", "first", "second")}


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> Iterator[RunningSwitch]:
    """A switch that knows no binding yet."""
    need_sipp()
    landing = {BY_TABLE: MAIN}
    with running_switch(
        tmp_path_factory.mktemp("x_numbers"),
        trunks=[
            {"name": "bench", "from": ["127.0.0.0/8"], "to": f"127.0.0.1:{ports['trunk']}", "landing": landing},
        ],
        numbers=[
            {"number": "01086655*", "mask": True},
            {"number": "010866556*", "flow": "extension"},
            {"number": LINES[the_owner_of_a_number].x, "mask": True},
            {"number": "01086656*", "mask": True, "failed": "reassigned"},
            {"number": PUBLISHED, "mask": True},
            {"number": MAIN, "mask": True},
            {"number": CHECKED, "mask": True},
            {"number": ASKING, "flow": "extension"},
            {"number": TELLING, "mask": True, "failed": "reassigned"},
            *({"number": one.x, "mask": True, "failed": "reassigned"} for one in TOLD.values()),
            {
                "number": LINES[the_store_answers].x,
                "mask": True,
                "failed": "unreached",
                "variables": {"instead": "store"},
            },
        ],
        masks=[],
        groups=[
            {"name": "shop", "members": [f"sip:{name}@127.0.0.1:{ports[name]}" for name in ("first", "second")]},
            {"name": "counter", "members": [f"sip:counter@127.0.0.1:{COUNTER_PORT}"]},
        ],
    ) as running:
        yield running


# --- who reaches whom ---


async def a_pair_reaches_each_other(world: World, of: Line) -> None:
    """Each is shown X."""
    await together(world.reaches(of.x, of.a, of.b, of.x), world.reaches(of.x, of.b, of.a, of.x))
    (record,) = await world.records(of.a, of.x)
    assert record["binding"].startswith("axb-")
    assert (record["cause"], record["ended_by"]) == ("normal", "caller")


async def each_way_shows_its_number(world: World, of: Line) -> None:
    """The ones chosen."""
    await together(
        world.reaches(of.x, of.a, of.b, of.shown_to_b),
        world.reaches(f"+86{of.x[1:]}", of.b, of.a, of.shown_to_a),
    )


async def a_service_number_is_never_shown(world: World, of: Line) -> None:
    """It takes the calls of a pair, who see what was chosen for it."""
    await together(
        world.reaches(PUBLISHED, of.a, of.b, of.shown_to_b),
        world.reaches(PUBLISHED, f"+86{of.b}", of.a, of.shown_to_a),
    )


async def a_stranger_reaches_nobody(world: World, of: Line) -> None:
    """Nor does who withholds the number, nor anybody by a number without a binding."""
    await together(
        world.fails(of.x, of.stranger, "unknown"),
        world.fails(of.x, "anonymous", "unknown"),
        world.fails(NOBODYS.x, of.a, "unknown"),
    )


async def the_owner_of_a_number(world: World, of: Line) -> None:
    """AX: anybody reaches the owner, who does not reach anybody."""
    await together(
        world.reaches(of.x, of.b, of.a, of.x),
        world.reaches(of.x, of.stranger, of.a, of.x),
        world.fails(of.x, of.a, "declined"),
    )


async def the_owner_calls_n(world: World, of: Line) -> None:
    """AXN: anybody reaches the owner; the owner reaches N."""
    await together(world.reaches(of.x, of.stranger, of.a, of.x), world.reaches(of.x, of.a, of.b, of.x))


async def the_owner_calls_the_latest(world: World, of: Line) -> None:
    """AXN without N: whoever called last, whom the switch has learned of while it runs."""
    await world.fails(of.x, of.a, "unknown")
    await world.reaches(of.x, of.stranger, of.a, of.x)
    await world.reaches(of.x, of.a, of.stranger, of.x)
    await world.reaches(of.x, of.b, of.a, of.x)
    await world.reaches(of.x, of.a, of.b, of.x)


async def a_group_answers(world: World, of: Line) -> None:
    """AXG: the phones ring in turn, and see X; others do not get there."""
    first, second = world.members
    first.behaviour = Refuse(486)
    call = await world.carrier.dial(of.x, of.a)
    busy, far = await first.next_call(), await second.next_call()
    await call.answered()
    await hear_each_other(call, far)
    for one in (busy, far):
        tells(one, of.x, of.a)
    await call.hang_up()
    await far.ended()
    await world.fails(of.x, of.stranger, "unknown")


async def an_owner_by_address(world: World, of: Line) -> None:
    """AX that leads to a telephone of the house."""
    async with await Phone.open("owner", target=world.switch.target, port=OWNER_PORT, t1=0.1) as owner:
        call = await world.carrier.dial(of.x, of.stranger)
        far = await owner.next_call()
        await call.answered()
        await hear_each_other(call, far)
        tells(far, of.x, of.stranger)
        await far.hang_up()
        await call.ended()


async def the_store_answers(world: World, of: Line) -> None:
    """The owner's telephone does not: a notice, and then the group of the store that the binding names."""
    async with await Phone.open("counter", target=world.switch.target, port=COUNTER_PORT, t1=0.1) as counter:
        call = await world.carrier.dial(of.x, of.stranger)
        far = await counter.next_call(within=30.0)
        await call.answered()
        await hear_each_other(call, far)
        await call.hang_up()
        await far.ended()
    (record,) = await world.records(of.stranger, of.x)
    assert json.loads(record["path"])[-1] == "wait_store"


async def a_number_of_a_pool(world: World, of: Line) -> None:
    """Served as soon as it is in the pool, though no line of the configuration has it."""
    x = "02166775501"
    await world.fails(x, of.a, "unrouted")
    await world.masks("pool", "add", "rent", "--city", "Shanghai", x)
    await world.fails(x, of.a, "unknown")
    await world.masks("bind", "--pool", "rent", "--city", "Shanghai", "--kind", "axb", "--a", of.a, "--b", of.b)
    await together(world.reaches(x, of.a, of.b, x), world.reaches(x, of.b, of.a, x))


async def a_check_digit_is_wanted_at_once(world: World, of: Line) -> None:
    """Extensions of a pool that was made a moment ago."""
    await world.masks("pool", "extensions", CHECKED, "7000", "7009", "--check", "luhn")
    target = ("--target", of.b, "--trunk", "bench", "--shown", of.x)
    await world.masks("bind", CHECKED, *target)
    await world.reaches(f"{CHECKED},70003", of.a, of.b, of.x)
    await world.fails(f"{CHECKED},70004", of.a, "unknown")


# --- what has an end ---


async def a_running_call_outlives_its_binding(world: World, of: Line) -> None:
    """Bound while the switch runs, and taken away in the middle of a call: it goes on, the next one fails."""
    await world.fails(of.x, of.a, "unknown")
    await world.masks("bind", of.x, "--kind", "axb", "--a", of.a, "--b", of.b, "--id", "short-lived")
    call, far = await world.talk(of.x, of.a, of.b)
    await world.masks("unbind", "short-lived")
    await world.fails(of.x, of.a, "unknown")
    await world.fails(of.x, of.b, "unknown")
    for one in (call, far):
        assert not one.is_over
        one.rtp.received.clear()
    await far.hears(440)
    await call.hears(880)
    await call.hang_up()
    await far.ended()
    records = await world.records(of.a, of.x, 3)
    assert [(one["cause"], one["binding"]) for one in records] == [
        ("unknown", ""), ("normal", "short-lived"), ("unknown", ""),
    ]  # fmt: skip
    await world.masks("bind", of.x, "--kind", "axb", "--a", of.a, "--b", of.stranger)
    await world.reaches(of.x, of.a, of.stranger, of.x)
    await world.fails(of.x, of.b, "unknown")


async def a_disabled_pair(world: World, of: Line) -> None:
    """Switched off by the file, on, and off again."""
    await world.fails(of.x, of.a, "declined")
    await world.masks("enable", "switched")
    await world.reaches(of.x, of.b, of.a, of.x)
    await world.masks("disable", "switched")
    await world.fails(of.x, of.b, "declined")


async def an_idle_pair(world: World, of: Line) -> None:
    """Runs out a while after the last call."""
    await world.masks("bind", of.x, "--kind", "axb", "--a", of.a, "--b", of.b, "--idle", "3s")
    await asyncio.sleep(1.5)
    await world.reaches(of.x, of.a, of.b, of.x)  # which begins the three seconds anew
    await asyncio.sleep(1.2)
    await world.reaches(of.x, of.b, of.a, of.x)
    await asyncio.sleep(3.2)
    await world.fails(of.x, of.a, "gone")


async def one_way_is_closed(world: World, of: Line) -> None:
    """B may not call."""
    await together(world.reaches(of.x, of.a, of.b, of.x), world.fails(of.x, of.b, "declined"))


async def extensions_fail_as_pairs_do(world: World) -> None:
    """Expired, disabled, the wrong way, given back, and never bound."""
    for extension in ("200004", "200005"):
        await world.masks("unbind", MAIN, extension, "--quarantine", "30d" if extension == "200004" else "0")
    caller = line().stranger
    await together(
        *(
            world.fails(f"{MAIN},{extension}", caller, cause)
            for extension, cause in {
                "200001": "gone", "200002": "declined", "200003": "declined", "200004": "gone",
                "200005": "unknown", "299999": "unknown",
            }.items()
        )
    )  # fmt: skip


async def a_talk_is_limited(world: World, of: Line) -> None:
    """Both are hung up on when its time is over."""
    call, far = await world.talk(of.x, of.a, of.b)
    await asyncio.gather(call.ended(), far.ended())
    took = call.times["ended"] - far.times["answered"]
    assert 1.9 < took < 3.5
    for one in (call, far):
        assert one.ended_by is not None
        assert one.ended_by.method == "BYE"
        assert reason_of(one.ended_by) == 16
    (record,) = await world.records(of.a, of.x)
    assert (record["cause"], record["ended_by"]) == ("too_long", "switch")


# --- calling back ---


async def a_call_back_is_counted(world: World, of: Line) -> None:
    """Twice since the customer's last call, whatever window is open."""
    await world.reaches(of.x, of.a, of.b, of.x)
    await world.reaches(of.x, of.a, of.b, of.x)
    await world.fails(of.x, of.a, "declined")
    await world.reaches(of.x, of.b, of.a, of.x)
    await world.reaches(of.x, of.a, of.b, of.x)


async def an_unanswered_call_back_is_not_counted(world: World, of: Line) -> None:
    """Only what was put through is."""
    world.carrier.manners[of.b] = Refuse(486)
    call = await world.carrier.dial(of.x, of.a)
    await world.carrier.rings(of.b)
    assert (await call.decided(), reason_of(call.final)) == (486, 17)
    del world.carrier.manners[of.b]
    await world.reaches(of.x, of.a, of.b, of.x)
    await world.fails(of.x, of.a, "declined")


async def call_backs_are_counted_on(world: World) -> None:
    """When the switch has been killed and runs again, what was used up is, and what was left is left."""
    await asyncio.to_thread(world.switch.kill)
    await asyncio.to_thread(world.switch.restart)
    spent, counted = LINES[an_unanswered_call_back_is_not_counted], LINES[a_call_back_is_counted]
    await world.fails(spent.x, spent.a, "declined")
    await world.reaches(counted.x, counted.a, counted.b, counted.x)
    await world.fails(counted.x, counted.a, "declined")


async def a_customer_refuses_calls_back(world: World, of: Line) -> None:
    """As an operator writes down, who may take it back; the customer gets through all the while."""
    await world.reaches(of.x, of.a, of.b, of.x)
    await world.masks("refuse", of.b, "--reason", "by mail")
    await world.fails(of.x, of.a, "declined")
    await world.reaches(of.x, of.b, of.a, of.x)
    await world.fails(of.x, of.a, "declined")
    await world.masks("accept", of.b)
    await world.reaches(of.x, of.a, of.b, of.x)


async def a_call_back_has_a_window(world: World, of: Line) -> None:
    """So long after the customer's last call."""
    await world.masks("bind", of.x, "--kind", "axb", "--a", of.a, "--b", of.b, "--callback-window", "3s")
    await world.reaches(of.x, of.a, of.b, of.x)
    await asyncio.sleep(3.0)
    await world.fails(of.x, of.a, "declined")
    await world.reaches(of.x, of.b, of.a, of.x)
    await world.reaches(of.x, of.a, of.b, of.x)


# --- what is told instead of a refusal ---


@dataclass(frozen=True, slots=True)
class Notice:
    """A call by SIPp that hears why nobody is reached."""

    dialled: str
    caller: str
    prompt: str
    cause: str


TOLD = {name: line() for name in ("off", "over", "closed", "exhausted", "pair")}
"""X numbers of a line of the plan each, with the notice for those who find nobody."""
NOTICES = {
    "given back": Notice(f"{TELLING},300001", "13911112221", "reassigned", "unknown"),
    "never bound": Notice(f"{TELLING},399999", "13911112222", "number_unbound", "unknown"),
    "disabled": Notice(f"{TELLING},300002", "13911112223", "number_disabled", "declined"),
    "run out": Notice(f"{TELLING},300003", "13911112224", "number_expired", "unknown"),
    "the wrong way": Notice(f"{TELLING},300004", "13911112225", "failed", "declined"),
    "x, disabled": Notice(TOLD["off"].x, TOLD["off"].a, "number_disabled", "declined"),
    "x, run out": Notice(TOLD["over"].x, TOLD["over"].b, "number_expired", "unknown"),
    "x, the wrong way": Notice(TOLD["closed"].x, TOLD["closed"].b, "failed", "declined"),
    "x, called back too often": Notice(TOLD["exhausted"].x, TOLD["exhausted"].a, "number_expired", "unknown"),
    "x of many, never bound": Notice("01086656001", "13911112226", "number_unbound", "unknown"),
    "x, a stranger": Notice(TOLD["pair"].x, TOLD["pair"].stranger, "number_unbound", "unknown"),
}


async def notices_are_played(world: World) -> None:
    """Each its own, in our voice, and then the call is over."""
    await world.masks("unbind", TELLING, "300001", "--quarantine", "30d")
    often = TOLD["exhausted"]
    await world.reaches(often.x, often.a, often.b, often.x)
    callers = {name: Caller(notice.caller, "", 9000, audio=None) for name, notice in NOTICES.items()}
    with listening() as captured:
        await together(
            *(
                carry(callers[name], world.switch.target, world.directory, notice.dialled)
                for name, notice in NOTICES.items()
            )
        )
    heard = {name: captured[0].prompts(callers[name]) for name in NOTICES}
    assert heard == {name: [notice.prompt] for name, notice in NOTICES.items()}
    for notice in NOTICES.values():
        record = (await world.records(notice.caller, notice.dialled.partition(",")[0], None))[-1]
        assert (record["cause"], record["ended_by"]) == (notice.cause, "switch")


# --- how a number is dialled ---


@dataclass(frozen=True, slots=True)
class Landed(Caller):
    """A call whose Request-URI, To and further headers are written out."""

    uri: str = ""
    to: str = ""
    headers: str = ""

    def scenario(self, directory: Path) -> str:
        """Its scenario as XML."""
        text = Caller.scenario(self, directory)
        if self.uri:
            text = text.replace("INVITE sip:[service]@[remote_ip]:[remote_port]", f"INVITE {self.uri}", 1)
        if self.to:
            text = text.replace("To: <sip:[service]@[remote_ip]:[remote_port]>", f"To: {self.to}")
        return text.replace("Subject: [service]", self.headers or "Subject: [service]")


DIALLED = {
    "400001": f"{MAIN},400001",
    "400002": f"{MAIN}*400002",
    "400003": f"{MAIN};ext=400003",
    "400004": f"{MAIN};phone-context=+86;ext=400004",
    "400005": f"{MAIN};postd=pp400005",
    "400006": f"+86{MAIN},,400006#",
    "400007": "400-800-1234p400007",
    "400008": f"{MAIN}%2C400008",
}
"""How the extension stands in the Request-URI's user part."""
WRITTEN = {
    "410001": f"tel:+86{MAIN};ext=410001",
    "410002": f"tel:{MAIN};phone-context=+86;ext=410002",
    "410003": f"sip:{MAIN}@127.0.0.1;ext=410003",
    "410004": f"sip:{MAIN};ext=410004@127.0.0.1;user=phone",
    "410005": f"sip:{MAIN},410005;phone-context=+86@127.0.0.1;user=phone",
}
"""How it stands in the Request-URI as a whole."""
LANDED = {
    "420001": (f"<sip:{MAIN},420001@127.0.0.1>", ""),
    "420002": ("", f"Diversion: <sip:{MAIN},420002@carrier>;reason=unconditional"),
    "420003": (
        "",
        f"Diversion: <sip:02155551111@a>;reason=time-of-day, <sip:{MAIN};ext=420003@b>;reason=unconditional",
    ),
    "420004": ("", f"History-Info: <sip:{MAIN}*420004@carrier>;index=1, <sip:{BY_HEADER}@x>;index=1.1"),
}
"""To and a header that the carrier writes into a call on a landing number."""


async def put_through(world: World, caller: Caller, dialled: str, extension: str, called: str = MAIN) -> None:
    """SIPp reaches whoever is behind the extension, is heard, and hangs up."""
    agent = agent_of(extension)

    async def answers() -> None:
        far = await world.carrier.rings(agent, within=15)
        await far.confirmed()
        tells(far, shown_by(extension), caller.number)
        far.rtp.play(880)
        await far.ended(15)
        assert far.rtp.stats().received > 0

    await together(carry(caller, world.switch.target, world.directory, dialled), answers())
    (record,) = await world.records(caller.number, called)
    assert (record["extension"], record["cause"]) == (extension, "normal")


def caller_of(extension: str) -> str:
    """Who dials the extension; the last four digits are nobody else's."""
    return f"1396000{extension[:2]}{extension[-2:]}"


def agent_of(extension: str) -> str:
    """The number behind an extension."""
    return f"13970{extension}"


def shown_by(extension: str) -> str:
    """What is shown to them."""
    return f"0216666{extension[1]}{extension[-3:]}"


async def extensions_are_dialled(world: World) -> None:
    """With the number in every form, on landing numbers, and by keys as soon as the call is answered."""
    ways: list[tuple[Caller, str, str]] = [
        *((caller(one), dialled, one) for one, dialled in DIALLED.items()),
        *((caller(one, uri=uri), MAIN, one) for one, uri in WRITTEN.items()),
        *((caller(one, to=to, headers=headers), BY_HEADER, one) for one, (to, headers) in LANDED.items()),
        (caller("430001"), f"{BY_TABLE},430001", "430001"),
    ]
    await together(
        *(put_through(world, *way) for way in ways),
        *(
            put_through(world, Caller(caller_of(keys[:6]), keys, 1200, prompt_ms=0), ASKING, keys[:6], ASKING)
            for keys in ("440001", "440002#")
        ),
    )


def caller(extension: str, **writes: str) -> Landed:
    """Who talks for a moment; `writes` are the Request-URI, To, or a header."""
    return Landed(caller_of(extension), "", talk_ms=1200, **writes)  # type: ignore[arg-type]


# --- all of it ---


Scenario = Callable[[World, Line], Coroutine[Any, Any, None]]
LINES: dict[Scenario, Line] = {
    scenario: line()
    for scenario in (
        a_pair_reaches_each_other, each_way_shows_its_number, a_service_number_is_never_shown,
        a_stranger_reaches_nobody, the_owner_of_a_number, the_owner_calls_n, the_owner_calls_the_latest,
        a_group_answers, an_owner_by_address, the_store_answers, a_number_of_a_pool, a_check_digit_is_wanted_at_once,
        a_running_call_outlives_its_binding, a_disabled_pair, an_idle_pair,
        one_way_is_closed, a_talk_is_limited, a_call_back_is_counted, an_unanswered_call_back_is_not_counted,
        a_call_back_has_a_window, a_customer_refuses_calls_back,
    )
}  # fmt: skip
NOBODYS = line()
"""In the plan, and never bound."""
OWNER_PORT, COUNTER_PORT, SILENT_PORT = free_port(), free_port(), free_port()


def bindings() -> Iterator[dict[str, object]]:
    """What is imported into the running switch."""
    of = LINES.__getitem__
    yield axb(of(a_pair_reaches_each_other))
    chosen = of(each_way_shows_its_number)
    yield axb(chosen, shown_to_a=chosen.shown_to_a, shown_to_b=chosen.shown_to_b)
    published = of(a_service_number_is_never_shown)
    shows = {"shown_to_a": published.shown_to_a, "shown_to_b": published.shown_to_b}
    yield axb(published, **shows) | {"number": PUBLISHED}
    yield axb(of(a_stranger_reaches_nobody))
    owners: dict[Scenario, dict[str, object]] = {
        the_owner_of_a_number: {"kind": "ax"},
        the_owner_calls_n: {"kind": "axn", "n": of(the_owner_calls_n).b},
        the_owner_calls_the_latest: {"kind": "axn", "latest": True},
        a_group_answers: {"kind": "axg", "group": "shop"},
    }
    for scenario, more in owners.items():
        yield {"number": of(scenario).x, "a": of(scenario).a, **more}
    yield {"number": of(an_owner_by_address).x, "kind": "ax", "target": f"sip:owner@127.0.0.1:{OWNER_PORT}"}
    silent = f"sip:owner@127.0.0.1:{SILENT_PORT}"
    yield {"number": of(the_store_answers).x, "kind": "ax", "target": silent, "store": "counter"}
    yield axb(of(a_disabled_pair), id="switched", disabled=True)
    yield axb(of(one_way_is_closed), direction="a_to_b")
    yield axb(of(a_talk_is_limited), limit="2s", warn=True)
    yield axb(of(a_call_back_is_counted), callback_times=2, callback_window="1h")
    yield axb(of(an_unanswered_call_back_is_not_counted), callback_times=1)
    yield axb(of(a_customer_refuses_calls_back), callback_times=9)
    yield axb(TOLD["off"], disabled=True)
    yield axb(TOLD["over"], expires=LONG_AGO)
    yield axb(TOLD["closed"], direction="a_to_b")
    yield axb(TOLD["exhausted"], callback_times=1)
    yield axb(TOLD["pair"])
    yield from extensions()


def extensions() -> Iterator[dict[str, object]]:
    """Of the main numbers: those that nobody is reached by, and one for every way to dial it."""
    rules: dict[tuple[str, str], dict[str, object]] = {
        (MAIN, "200001"): {"expires": LONG_AGO}, (MAIN, "200002"): {"disabled": True},
        (MAIN, "200003"): {"direction": "a_to_b"}, (MAIN, "200004"): {}, (MAIN, "200005"): {},
        (TELLING, "300001"): {}, (TELLING, "300002"): {"disabled": True}, (TELLING, "300003"): {"expires": LONG_AGO},
        (TELLING, "300004"): {"direction": "a_to_b"},
    }  # fmt: skip
    dialled = [(MAIN, one) for one in (*DIALLED, *WRITTEN, *LANDED, "430001")]
    dialled += [(ASKING, one) for one in ("440001", "440002")]
    rules |= {key: {"shown": shown_by(key[1])} for key in dialled}
    for (number, extension), more in rules.items():
        yield {"number": number, "extension": extension, "target": agent_of(extension), **more}


async def test_x_numbers(switch: RunningSwitch, ports: dict[str, int], tmp_path: Path) -> None:
    """Every kind of number, every way it may end, every form in which it is dialled, all at once."""
    options: dict[str, Any] = {"target": switch.target, "t1": 0.1}
    async with (
        await Phone.open("carrier", **options) as everybody,
        await Phone.open("party", port=ports["trunk"], **options) as party,
        await Phone.open("first", port=ports["first"], **options) as first,
        await Phone.open("second", port=ports["second"], **options) as second,
    ):
        carrier = Carrier(everybody, party)
        party.behaviour = carrier.behave
        world = World(switch, carrier, [first, second], tmp_path)
        file = tmp_path / "bindings.jsonl"
        file.write_text("".join(f"{json.dumps(row)}\n" for row in bindings()))
        await world.masks("import", str(file))
        await together(
            *(scenario(world, of) for scenario, of in LINES.items()),
            extensions_fail_as_pairs_do(world),
            notices_are_played(world),
            extensions_are_dialled(world),
        )
        await switch.nothing_left()
        await call_backs_are_counted_on(world)
        await switch.nothing_left()
        for phone in (everybody, party, first, second):
            assert phone.complaints == []
