"""The types of bodies and answers in the document: as msgspec checks and writes them, with constraints and tags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.response import File, Stream
from litestar.routes import HTTPRoute

REFERENCE: Final = "#/components/schemas/{name}"
JSON: Final = "application/json"


class _Place(NamedTuple):
    """Where a type stands in the document."""

    path: str
    method: str
    answer: str | None
    """The status, None for the body of the request."""
    type: object


def exact_types(app: Litestar, document: dict[str, Any], beside: list[type]) -> None:
    """Put the types of all handlers, and those `beside`, in place of what Litestar has drawn."""
    places = list(_places(app))
    schemas, components = msgspec.json.schema_components(
        [place.type for place in places] + beside, schema_hook=_any, ref_template=REFERENCE
    )
    for place, schema in zip(places, schemas, strict=False):
        operation = document["paths"][place.path][place.method]
        within = operation["requestBody"] if place.answer is None else operation["responses"][place.answer]
        if JSON in (within.get("content") or {}):
            within["content"][JSON]["schema"] = schema
    document["components"]["schemas"] = components


def _places(app: Litestar) -> Iterator[_Place]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            if handler.resolve_include_in_schema():
                for method in handler.http_methods:
                    yield from _of_handler(handler, route.path_format, method.lower())


def _of_handler(handler: HTTPRouteHandler, path: str, method: str) -> Iterator[_Place]:
    if method == "options":
        return
    if handler.parsed_data_field is not None:
        body = _bare(handler.parsed_data_field.raw)
        if body not in (bytes, str):
            yield _Place(path, method, None, body)
    answer = _bare(handler.parsed_return_field.raw)
    if answer not in (None, type(None), bytes, str) and not _is_file(answer):
        yield _Place(path, method, str(handler.status_code), answer)


def _bare(annotation: object) -> object:
    """The type without what only Litestar reads."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Response:
        (annotation,) = get_args(annotation)
    return annotation


def _is_file(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, (File, Stream, Response))


def _any(type_: type) -> dict[str, Any]:
    if type_ is object:
        return {"description": "Plain data."}
    raise NotImplementedError
