"""Examples for the document, made from the types: each member gets a value that belongs to its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

NUMBER: Final = "139****1234"
_ID: Final = "0197a3c2-5b1e-7c44-9d0e-3f6a8b2c4d5e"
_CONTACT: Final = "9f2c4e6a8b0d1f3e5a7c9b1d3f5e7a90"
_MOMENT: Final = "2026-03-02T09:15:30.125000Z"

_VALUES: Final[Mapping[str, object]] = {
    "id": _ID,
    "call": _ID,
    "contact": _CONTACT,
    "agent": "1001",
    "agents": ["1001"],
    "supervisor": "2001",
    "name": "anna",
    "by": "anna",
    "who": "anna",
    "group": "sales",
    "groups": {"sales": 1},
    "skills": {"en": 3},
    "phone": "aor:1001",
    "to": "agent:1002",
    "number": NUMBER,
    "caller": NUMBER,
    "called": "4008001234",
    "extension": "123456",
    "trunk": "carrier",
    "flow": "hotline",
    "node": "menu",
    "key": "1",
    "reason": "a complaint is looked into",
    "text": "Wants to be called in the morning.",
    "digits": "12#",
    "shown": "01088880000",
    "address": "127.0.0.1",
    "province": "浙江",
    "city": "杭州",
    "carrier": "移动",
    "requirement": "en>=3 then en>=1 after 30s then any after 60s",
    "hours": "mon-fri 09:00-18:00",
    "password": "a long password",
    "current": "k7mt-x2fp-9qwe-hd4r",
    "new": "a long password",
    "code": "123456",
    "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI…",
    "refresh_token": "kQ0mZ8yV3nB5xW1c…",
    "secret": "JBSWY3DPEHPK3PXP",
    "uri": "otpauth://totp/switchboard:anna?secret=JBSWY3DPEHPK3PXP&issuer=switchboard",
    "pointer": "/groups/sales",
    "parameter": "limit",
    "detail": "Expected `int`, got `str`",
    "next": None,
    "slot": "1",
    "outcome": "ok",
    "action": "call.hold",
}
_DEEP: Final = 6


def add_examples(document: dict[str, Any]) -> None:
    """Give every body and every answer in JSON an example, one for each member of a union."""
    schemas = document["components"]["schemas"]
    for item in document["paths"].values():
        for operation in item.values():
            places = [operation.get("requestBody"), *operation["responses"].values()]
            for place in places:
                content = ((place or {}).get("content") or {}).get("application/json")
                if content is not None and "schema" in content and "examples" not in content:
                    content["examples"] = _examples(content["schema"], schemas)


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> object:
    """A value that a schema allows; `name` is the member it is for."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next((value for value in schema["enum"] if value), schema["enum"][0])
    if "examples" in schema:
        return schema["examples"][0]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return _choice(choices, schemas, name, depth)
    if name in _VALUES and _fits(_VALUES[name], schema):
        return _VALUES[name]
    return _plain(schema, schemas, name, depth)


def _examples(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    choices = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return {
        one.get("$ref", "/example").rpartition("/")[2]: {"value": example_of(one, schemas)}
        for one in choices
        if one.get("type") != "null"
    }


def _choice(choices: list[Mapping[str, Any]], schemas: Mapping[str, Any], name: str, depth: int) -> object:
    if name in _VALUES and _VALUES[name] is None:
        return None
    if depth >= _DEEP and any(one.get("type") == "null" for one in choices):
        return None
    return example_of(next(one for one in choices if one.get("type") != "null"), schemas, name, depth)


def _plain(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str, depth: int) -> object:
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties", {})
        return {member: example_of(of, schemas, member, depth + 1) for member, of in members.items()}
    if kind == "array":
        return [] if depth >= _DEEP or not isinstance(schema.get("items"), dict) else [
            example_of(schema["items"], schemas, name.removesuffix("s"), depth + 1)
        ]  # fmt: skip
    if kind == "string":
        return _MOMENT if schema.get("format") == "date-time" else "text"[: schema.get("maxLength", 4)]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1, 1 if kind == "integer" else 12.5)
    return False if kind == "boolean" else None


def _fits(value: object, schema: Mapping[str, Any]) -> bool:
    kinds: dict[type, str] = {str: "string", dict: "object", list: "array"}
    members = schema.get("properties")
    return schema.get("type") == kinds.get(type(value)) and schema.get("format") != "date-time" and not members
