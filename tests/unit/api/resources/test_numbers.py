"""Masks and pools over the API."""

from __future__ import annotations

import msgspec
from sqlalchemy.event import listen

from config.schema import Mask
from config.values import ExtensionRange, Hidden
from routing.masks import AorTarget
from switchboard.api.bindings import Bindings
from switchboard.api.cursor import write_cursor
from switchboard.store.masks import MaskFilter
from tests.support.api_switch import ApiSwitch, Client

REAL = "13900001234"


def test_a_binding_is_in_use_at_once(switch: ApiSwitch, admin: Client) -> None:
    """Bound, shown masked, unbound; the running table follows each time, and the log has no number."""
    body = {"number": "4008001234", "extension": "100001", "target": REAL, "shown": "01088880000", "label": "Flat 3"}
    done = admin("POST", "/masks", json=body)
    assert (done["ids"], done["added"]) == (["4008001234,100001"], 1)
    assert switch.table.bound("4008001234", "100001") is not None
    view = admin("GET", "/masks/4008001234,100001")
    assert (view["kind"], view["state"], view["label"]) == ("extension", "active", "Flat 3")
    assert view["leads_to"] == "139****1234 by trunk bench, showing 01088880000"
    assert REAL not in admin.answer.text
    assert admin("POST", "/masks", json=body)["unchanged"] == 1
    admin("POST", "/masks/4008001234,100001/unbind", json={"quarantine": "0"})
    assert switch.table.bound("4008001234", "100001") is None
    admin("GET", "/masks/4008001234,100001", 404)
    assert REAL not in str(switch.store.audit.page())


def test_something_else_is_replaced_only_when_asked_for(switch: ApiSwitch, admin: Client) -> None:
    """Another target is a conflict, and nothing changes, unless `replace` is said."""
    body = {"number": "4008001234", "extension": "1", "target": "sip:a@127.0.0.1:5090"}
    admin("POST", "/masks", json=body)
    admin("POST", "/masks", 409, json={**body, "target": "aor:alice"})
    assert admin("POST", "/masks", json={**body, "target": "aor:alice", "replace": True})["replaced"] == 1
    assert switch.table.bound("4008001234", "1") == AorTarget("alice")


def test_what_is_wrong_repeats_no_number(admin: Client) -> None:
    """A misplaced field may be somebody's number."""
    answer = admin("POST", "/masks", 422, json={"number": "4008001234", "extension": "1", "target": f"x{REAL}"})
    assert REAL not in admin.answer.text
    assert answer["detail"].startswith("target:")
    admin("POST", "/masks", 400, json={"numbr": "1"})


def test_a_binding_is_disabled_for_the_time_being(admin: Client, boss: Client) -> None:
    """Disabled and enabled with a reason; the same again changes nothing."""
    admin("POST", "/masks", json={"number": "4008001234", "extension": "1", "target": "aor:alice"})
    path = "/masks/4008001234,1"
    boss("POST", f"{path}/disable", 403, json={"reason": "complaint"})
    assert admin("POST", f"{path}/disable", json={"reason": "complaint"})["replaced"] == 1
    assert boss("GET", path)["state"] == "disabled"
    assert admin("POST", f"{path}/disable", json={"reason": "complaint"})["unchanged"] == 1
    admin("POST", f"{path}/enable", json={"reason": "settled"})
    assert boss("GET", path)["state"] == "active"
    admin("POST", "/masks/none/enable", 404, json={"reason": "settled"})


def test_a_file_is_imported_whole_or_not_at_all(switch: ApiSwitch, admin: Client) -> None:
    """One bad row keeps the good ones out; the fault names its line and no number."""
    head = b"number,extension,target\n"
    good = b"4008001234,1,aor:alice\n4008001234,2,sip:b@127.0.0.1:5090\n"
    csv = {"Content-Type": "text/csv"}
    answer = admin("POST", "/masks/import", 422, content=head + good + f"4008001234,3,{REAL}x\n".encode(), headers=csv)
    assert "line 4" in answer["detail"]
    assert REAL not in answer["detail"]
    assert admin("GET", "/masks")["items"] == []
    done = admin("POST", "/masks/import", content=head + good, headers=csv)
    assert (done["added"], len(switch.table)) == (2, 2)
    admin("POST", "/masks/import", 409, content=head + b"4008001234,1,sip:c@127.0.0.1:5090\n", headers=csv)
    done = admin(
        "POST", "/masks/import?replace=true", content=head + b"4008001234,1,sip:c@127.0.0.1:5090\n", headers=csv
    )
    assert done["replaced"] == 1


def test_bindings_are_found_by_person_and_paged(admin: Client, boss: Client) -> None:
    """By contact, number, kind, state and label; pages go on."""
    for extension in ("1", "2", "3"):
        admin("POST", "/masks", json={
            "number": "4008001234", "extension": extension, "target": REAL if extension == "2" else "aor:alice",
            "label": f"Flat {extension}",
        })  # fmt: skip
    contact = boss("POST", "/contacts/find", json={"number": REAL})["contact"]
    assert [one["extension"] for one in boss("GET", f"/masks?contact={contact}")["items"]] == ["2"]
    assert [one["extension"] for one in boss("GET", "/masks?label=Flat%203")["items"]] == ["3"]
    assert boss("GET", "/masks?number=4008005678")["items"] == []
    assert boss("GET", "/masks?kind=axb")["items"] == []
    assert len(boss("GET", "/masks?state=active")["items"]) == 3
    page = boss("GET", "/masks?limit=2")
    rest = boss("GET", f"/masks?limit=2&cursor={page['next']}")
    assert [one["extension"] for one in (*page["items"], *rest["items"])] == ["1", "2", "3"]


def test_a_pool_gives_numbers_out(switch: ApiSwitch, admin: Client, boss: Client) -> None:
    """The same pair keeps its number; a retired one is no longer given out."""
    pool = admin("POST", "/pools/rent/numbers", json={"numbers": ["01088880001", "01088880002"], "city": "Beijing"})
    assert [(one["city"], one["numbers"], one["free"]) for one in pool["pools"][0]["cities"]] == [("Beijing", 2, 2)]
    body = {"pool": "rent", "city": "Beijing", "kind": "axb", "a": "13900001111", "b": "13900002222"}
    done = admin("POST", "/masks", json=body)
    assert admin("POST", "/masks", json=body)["ids"] == done["ids"]
    number = boss("GET", f"/masks/{done['ids'][0]}")["number"]
    assert {one["number"]: one["bindings"] for one in boss("GET", "/pools/rent")}[number] == 1
    admin("POST", "/pools/retire", 204, json={"number": number})
    admin("POST", "/pools/retire", 404, json={"number": number})
    other = admin("POST", "/masks", json={**body, "b": "13900003333"})
    assert boss("GET", f"/masks/{other['ids'][0]}")["number"] != number
    admin("POST", "/masks", 422, json={**body, "pool": "none"})
    boss("GET", "/pools/none", 404)
    assert boss("GET", "/pools")["pools"][0]["name"] == "rent"


def test_a_service_number_is_in_no_pool(admin: Client) -> None:
    """A 400 number cannot be shown to anybody."""
    admin("POST", "/pools/rent/numbers", 422, json={"numbers": ["4008001234"]})


def test_a_group_made_by_the_api_may_answer_an_x_number(admin: Client) -> None:
    """One of the configuration too, until it is removed."""
    body = {"kind": "axg", "number": "01088880001", "a": "13900001111", "group": "new"}
    assert "no group" in admin("POST", "/masks", 422, json=body)["detail"]
    version = admin("PUT", "/groups/new/settings", json={"name": "new"}, headers={"If-None-Match": "*"})["version"]
    assert admin("POST", "/masks", json=body)["added"] == 1
    admin("DELETE", "/groups/new/settings", 204, headers={"If-Match": f'"{version}"'})
    admin("POST", "/masks", 422, json={**body, "number": "01088880002"})


def test_a_customer_wants_no_calls_back(switch: ApiSwitch, admin: Client, boss: Client) -> None:
    """Written down and taken back by administrators, in effect at once, without the number anywhere."""
    word = {"number": REAL, "reason": "by mail"}
    boss("POST", "/masks/refusals", 403, json=word)
    assert admin("POST", "/masks/refusals", json=word) == {"changed": True}
    assert admin("POST", "/masks/refusals", json=word) == {"changed": False}
    (customer,) = switch.table.lines.callbacks.refused
    (item,) = boss("GET", "/masks/refusals")["items"]
    assert item["customer"] == f"#{customer[:4].hex()}"
    assert boss("GET", f"/masks/refusals?contact={'00' * len(customer)}")["items"] == []
    assert len(boss("GET", f"/masks/refusals?contact={customer.hex()}")["items"]) == 1
    assert admin("POST", "/masks/refusals", json={**word, "withdrawn": True}) == {"changed": True}
    assert (boss("GET", "/masks/refusals")["items"], switch.table.lines.callbacks.refused) == ([], {})
    admin("POST", "/masks/refusals", 422, json={"number": "nobody"})
    assert REAL not in str(switch.store.audit.page())


def test_a_number_that_nobody_can_call_is_told(admin: Client) -> None:
    """It is bound nevertheless: its line of the configuration may come later."""
    body = {"number": "01077770001", "kind": "axb", "a": REAL, "b": "13900002222"}
    assert admin("POST", "/masks", json=body)["unserved"] == ["01077770001"]


def test_a_cursor_beyond_what_the_database_takes_is_none(boss: Client) -> None:
    """Alone, and as a part of one."""
    boss("GET", f"/masks/refusals?cursor={write_cursor(1 << 64)}", 400)
    boss("GET", f"/records?cursor={write_cursor((1 << 64, 'x'))}", 400)


def test_bindings_of_the_configuration_are_shown(switch: ApiSwitch, admin: Client) -> None:
    """Behind those that are stored, page by page, and each by its id; a number is masked."""
    admin("POST", "/masks", json={"number": "4008001234", "extension": "100001", "target": "aor:alice"})
    hidden = Mask(number="4008001234", extension="777", real=Hidden(REAL), trunk="bench", shown="01088880000")
    span = Mask(number="4008001234", extensions=ExtensionRange(2000, 2999, 4), target="aor:alice")
    config = msgspec.structs.replace(switch.config, masks=(hidden, span))
    bindings = Bindings(switch.store.database, switch.store.vault, config)
    shown = [one for offset in range(4) for one in bindings.search(MaskFilter(), 1, offset)]
    assert [(one.id, one.origin) for one in shown] == [
        ("4008001234,100001", "stored"),
        ("4008001234,777", "configuration"),
        ("4008001234,2000-2999", "configuration"),
    ]
    assert REAL not in str(shown)
    one = bindings.get("4008001234,2345")
    assert one is not None
    assert (one.leads_to, one.origin) == ("softphone alice", "configuration")
    assert bindings.get("4008001234,3000") is None


def test_many_bindings_of_the_configuration_are_listed_by_few_questions(switch: ApiSwitch) -> None:
    """A page asks the database as often for a thousand as for ten, and seals nothing that is not shown."""
    masks = tuple(Mask(number="4008001234", extension=f"{100000 + n}", target="aor:alice") for n in range(900))
    bindings = Bindings(switch.store.database, switch.store.vault, msgspec.structs.replace(switch.config, masks=masks))
    asked: list[str] = []
    engine = switch.store.database.engine
    listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    assert len(bindings.search(MaskFilter(), 10, 850)) == 10
    assert len(asked) < 20
