"""The OpenAPI 3.1 document at /docs/openapi.json and the page at /docs, both made once, when somebody first asks.

Litestar draws operations, parameters and types from the handlers. What holds for all operations is added here: who
may call them, and every problem they may answer with.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Router
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

from switchboard.api.docs_page import render_page
from switchboard.api.examples import add_examples
from switchboard.api.problems import KINDS, PROBLEM_JSON
from switchboard.api.roles import OPERATIONS
from switchboard.api.schemas import exact_types
from switchboard.api.types import EventView, Problem
from switchboard.ops.http import short_turns

VERSION: Final = "1"
PATH: Final = "/docs"

_ABOUT: Final = """\
Everything the switch does for a hotline: agents, queues, calls and their records, and what is configured.

Sign in with `POST /api/v1/auth/login` and send the access token as `Authorization: Bearer TOKEN`; it serves 15
minutes, `POST /api/v1/auth/refresh` gives the next one. Commands take an `Idempotency-Key`: sent twice with the same
key, they are carried out once. Lists go on with the `cursor` that the page before named as `next`. Objects of the
configuration carry an `ETag`, and are changed with `If-Match`.

`GET /api/v1/events` as a WebSocket tells what happens, in order: offer the subprotocols `switchboard.v1` and
`bearer.TOKEN`, or send `{"token": "TOKEN"}` first. `?since=SEQ` goes on after the last event that was seen.
"""

_WRITING: Final = ("post", "put", "patch", "delete")


class _Made(OpenAPIRenderPlugin):
    """Serves octets that were made in a thread: the loop that carries calls has no time to render."""

    content: bytes = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return what was made."""
        return self.content


def openapi_config() -> OpenAPIConfig:
    """The settings for Litestar; the pages are filled before the first of them is served."""
    making = asyncio.Lock()

    async def make(request: Request[Any, Any, Any]) -> None:
        async with making:
            if not _pages(request.app)[0].content:
                await asyncio.to_thread(_make, request.app)

    return OpenAPIConfig(
        title="switchboard",
        version=VERSION,
        description=_ABOUT,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        operation_id_creator=_operation_id,
        openapi_router=Router(PATH, route_handlers=[], include_in_schema=False, before_request=make),
        render_plugins=[
            _Made(path="/", media_type=MediaType.HTML),
            _Made(path="/openapi.json", media_type=MediaType.JSON),
        ],
    )


def _make(app: Litestar) -> None:
    with short_turns():
        # Litestar keeps what its own handlers read, too.
        document: dict[str, Any] = app.plugins.get("OpenAPIPlugin").provide_openapi_schema()
        exact_types(app, document, [Problem, EventView])
        complete(document)
        add_examples(document)
        for page in _pages(app):
            page.content = render_page(document) if page.has_path("/") else msgspec.json.encode(document)


def _pages(app: Litestar) -> list[_Made]:
    assert app.openapi_config is not None
    return [plugin for plugin in app.openapi_config.render_plugins if isinstance(plugin, _Made)]


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to Litestar's document what every operation has in common."""
    used: set[int] = set()
    for path, item in document.get("paths", {}).items():
        _say_not_modified(item)
        for method, operation in item.items():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            statuses = _problems(f"{method.upper()} {path}", operation)
            used |= statuses
            own = {code: answer for code, answer in operation["responses"].items() if int(code) < 400}
            problems = {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
            operation["responses"] = own | problems
            _name(operation)
    document["components"]["responses"] = {str(status): _response(status) for status in sorted(used)}
    return document


def _problems(key: str, operation: dict[str, Any]) -> set[int]:
    """The statuses of the problems an operation may answer with; writes who may call it into it."""
    method, path = key.split(" ", 1)
    roles = OPERATIONS.get(key, frozenset())
    parameters = operation.get("parameters", [])
    headers = {one["name"].lower() for one in parameters if one.get("in") == "header"}
    statuses = {429, 500, 503}
    if roles:
        operation["security"] = [{"bearer": []}]
        statuses |= {401, 403}
        who = f"For: {', '.join(sorted(roles))}."
        operation["description"] = f"{operation.get('description', '')}\n\n{who}".strip()
    if "{" in path:
        statuses |= {400, 404}
    if parameters:
        statuses |= {400, 422}
    if "requestBody" in operation:
        statuses |= {400, 413, 415}
    if method.lower() in _WRITING:
        statuses |= {400, 404, 409, 422}
    if "if-match" in headers:
        statuses |= {412, 428}
    if "range" in headers:
        statuses.add(416)
    if path.endswith(("/auth/login", "/auth/refresh")):
        statuses |= {401, 403}
    return statuses


def _say_not_modified(item: dict[str, Any]) -> None:
    """What is changed with If-Match is read with its ETag, and need not be sent twice."""
    changing = [item[method] for method in _WRITING if method in item]
    tagged = any(one["name"] == "If-Match" for operation in changing for one in operation.get("parameters", ()))
    if tagged and "get" in item:
        header = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "required": False}
        item["get"].setdefault("parameters", []).append({**header, "description": "The ETag of what is known."})
        item["get"]["responses"]["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
        item["get"]["responses"]["304"] = {"description": "It is what the client knows."}


def _name(operation: dict[str, Any]) -> None:
    """The first sentence of a description says in short what an operation does, where nothing else does."""
    if operation.get("summary", "").replace("_", "").lower() == operation["operationId"].replace("_", ""):
        first = operation.get("description", "").partition("\n")[0].partition(". ")[0]
        operation["summary"] = first.partition("; ")[0].rstrip(".")


def _operation_id(handler: HTTPRouteHandler, method: Method, path: list[str | PathParameterDefinition]) -> str:
    return handler.handler_name


def _response(status: int) -> dict[str, Any]:
    kinds = {kind: title for kind, (of, title) in KINDS.items() if of == status}
    examples = {
        kind: {"value": {"type": f"{PATH}#{kind}", "title": title, "status": status}} for kind, title in kinds.items()
    }
    answer: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds to wait."}}
    if status == 401:
        answer["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return answer
