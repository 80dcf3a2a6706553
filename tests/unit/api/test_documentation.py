"""The OpenAPI document and the page: complete, valid, and made of what is really checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import jsonschema
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from switchboard.api.problems import KINDS
from switchboard.api.roles import OPERATIONS, OUTSIDE
from switchboard.api.types import Problem
from tests.support.api_switch import api_switch
from tests.unit.api.test_refusals import whole_api


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Litestar]]:
    """Asks the whole API for its pages."""
    with (
        api_switch(tmp_path_factory.mktemp("switch")) as switch,
        TestClient(whole_api(switch)) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def document(client: TestClient[Litestar]) -> dict[str, Any]:
    """The document as it is served."""
    answer = client.get("/docs/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    decoded: dict[str, Any] = answer.json()
    return decoded


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation with its key."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    """3.1, judged by a foreign validator."""
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_is_in_it_with_its_roles_and_problems(document: dict[str, Any]) -> None:
    """Nothing is served in secret; who may call it is said; refusals are among the answers."""
    documented = dict(operations(document))
    http = {key for key in OPERATIONS if not key.startswith("WEBSOCKET")}
    assert documented.keys() == http - OUTSIDE.keys()
    for key, operation in documented.items():
        roles = OPERATIONS[key]
        assert operation["summary"], key
        assert {"429", "500", "503"} <= operation["responses"].keys()
        if roles:
            assert operation["security"] == [{"bearer": []}], key
            assert {"401", "403"} <= operation["responses"].keys()
            assert f"For: {', '.join(sorted(roles))}." in operation["description"]
        else:
            assert "security" not in operation, key
        for status, answer in operation["responses"].items():
            assert int(status) < 400 or answer == {"$ref": f"#/components/responses/{status}"}


def test_every_example_fits_its_type(document: dict[str, Any]) -> None:
    """Each body and answer in JSON has one; a member of a union each."""
    seen = 0
    for key, operation in operations(document):
        for place in (operation.get("requestBody"), *operation["responses"].values()):
            content = ((place or {}).get("content") or {}).get("application/json")
            if content is None:
                continue
            assert content["examples"], key
            schema = {**content["schema"], "components": document["components"]}
            for name, example in content["examples"].items():
                jsonschema.Draft202012Validator(schema).validate(example["value"])
                seen += 1
                assert "text" not in str(name)
    assert seen > 80
    commands = document["paths"]["/api/v1/calls/{call}/commands"]["post"]["requestBody"]["content"]["application/json"]
    assert {"Hold", "Transfer", "HangUp"} <= commands["examples"].keys()


def test_constraints_are_those_that_are_checked(document: dict[str, Any]) -> None:
    """Unknown members, lengths, bounds and tags are in the document."""
    schemas = document["components"]["schemas"]
    assert schemas["LoginBody"]["additionalProperties"] is False
    assert schemas["LoginBody"]["properties"]["name"]["maxLength"] == 64
    assert schemas["StateBody"]["properties"]["lasts"]["anyOf"][0] == {
        "type": "number", "exclusiveMinimum": 0, "maximum": 86400,
    }  # fmt: skip
    assert schemas["Hold"]["properties"]["command"] == {"enum": ["hold"]}
    assert schemas["RecordRow"]["properties"]["started"] == {"type": "string", "format": "date-time"}


def test_problems_are_of_the_documented_kinds(document: dict[str, Any]) -> None:
    """Each status of the table is described, with an example of each kind, which is a problem."""
    answers = document["components"]["responses"]
    for kind, (status, title) in KINDS.items():
        if str(status) in answers:
            example = answers[str(status)]["content"]["application/problem+json"]["examples"][kind]["value"]
            assert msgspec.convert(example, Problem).title == title


class Page(HTMLParser):
    """Collects what a page refers to, and checks that its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element refers to."""
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name == "id":
                self.ids.append(value or "")


def test_the_page_needs_nothing_from_elsewhere(client: TestClient[Litestar], document: dict[str, Any]) -> None:
    """No script, no address outside, every link leads somewhere; each operation and problem is on it."""
    answer = client.get("/docs")
    page = Page(answer.text)
    assert not {"script", "img", "iframe", "link", "form"} & set(page.tags)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link == "/docs/openapi.json" or link.removeprefix("#") in page.ids, link
    assert set(KINDS) <= set(page.ids)
    shown = set(re.findall(r"<code>(/api/v1/[^<]*)</code>", answer.text))
    assert set(document["paths"]) <= shown
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; frame-ancestors 'none'; style-src 'sha256-")
