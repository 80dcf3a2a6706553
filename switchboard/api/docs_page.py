"""The documentation as one page of HTML made from the OpenAPI document: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from switchboard.api.problems import KINDS

_STYLE: Final = """\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f5f5f4;padding:.7rem;overflow:auto}
details{border:1px solid #ddd;border-radius:4px;margin:.3rem 0;padding:.3rem .7rem}summary{cursor:pointer}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;
border-bottom:1px solid #eee}.m{display:inline-block;width:5.5em;font-weight:600}.s{color:#666}h2{margin-top:2rem}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#242424}details{border-color:#444}}
"""

CONTENT_SECURITY: Final = (
    "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
"""The policy the page is served with: its own style and nothing else."""

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def render_page(document: dict[str, Any]) -> bytes:
    """The whole page."""
    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width,initial-scale=1">',
        f"<title>{_text(info['title'])} API</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(info['title'])} API {_text(info['version'])}</h1>",
        "".join(f"<p>{_prose(paragraph)}</p>" for paragraph in info.get("description", "").split("\n\n")),
        '<p>For programs: <a href="/docs/openapi.json">openapi.json</a></p>',
    ]
    tag = None
    for of_tag, path, method, operation in sorted(_operations(document)):
        if of_tag != tag:
            tag = of_tag
            parts.append(f"<h2>{_text(tag)}</h2>")
        parts.extend(_operation(path, method, msgspec.json.decode(operation), document))
    parts.append("<h2>Types</h2>")
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        parts.append(
            f'<details id="type-{_text(name)}"><summary><code>{_text(name)}</code> '
            f"<span class=s>{_text(schema.get('description', '').partition(chr(10))[0])}</span></summary>"
            f"{_json(schema)}</details>"
        )
    parts.append("<h2>Problems</h2><table><tr><th>type<th>status<th>means</tr>")
    for kind, (status, title) in KINDS.items():
        parts.append(f'<tr id="{kind}"><td><code>{kind}</code><td>{status}<td>{_text(title)}</tr>')
    parts.append("</table></body></html>")
    return "".join(parts).encode()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str, bytes]]:
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                tags = item[method].get("tags") or [path.split("/")[3] if path.count("/") > 2 else "other"]
                yield tags[0], path, method, msgspec.json.encode(item[method])


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    yield (
        f"<details><summary><span class=m>{method.upper()}</span><code>{_text(path)}</code> "
        f"<span class=s>{_text(operation.get('summary', ''))}</span></summary>"
    )
    for paragraph in operation.get("description", "").split("\n\n"):
        yield f"<p>{_prose(paragraph)}</p>"
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>parameter<th>in<th>type<th></tr>"
        for one in parameters:
            need = "" if one.get("required") else " (optional)"
            yield (
                f"<tr><td><code>{_text(one['name'])}</code>{need}<td>{_text(one['in'])}"
                f"<td>{_type(one.get('schema', {}))}<td>{_text(one.get('description', ''))}</tr>"
            )
        yield "</table>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body <code>{_text(media)}</code>: {_type(content.get('schema', {}))}</p>"
        yield from _examples(content)
    yield "<table><tr><th>answer<th>body<th></tr>"
    for status, answer in operation["responses"].items():
        found = _resolve(answer, document)
        types = ", ".join(_type(content.get("schema", {})) for content in (found.get("content") or {}).values())
        yield f"<tr><td>{_text(status)}<td>{types}<td>{_text(found.get('description', ''))}</tr>"
    yield "</table>"
    for status, answer in operation["responses"].items():
        if status < "300":
            for content in (answer.get("content") or {}).values():
                yield from _examples(content)
    yield "</details>"


def _examples(content: dict[str, Any]) -> Iterator[str]:
    for example in (content.get("examples") or {}).values():
        if "value" in example:
            yield _json(example["value"])


def _resolve(answer: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    reference = answer.get("$ref")
    if reference is None:
        return answer
    found: dict[str, Any] = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _type(schema: dict[str, Any]) -> str:
    """A type in few words, with links to the named ones."""
    if reference := schema.get("$ref"):
        name = _text(reference.rpartition("/")[2])
        return f'<a href="#type-{name}"><code>{name}</code></a>'
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(_type(one) for one in schema[key])
    if "items" in schema and isinstance(schema["items"], dict):
        return f"list of {_type(schema['items'])}"
    if "enum" in schema:
        return " ".join(f"<code>{_text(str(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "")
    return _text(" or ".join(kind) if isinstance(kind, list) else str(kind))


def _json(value: object) -> str:
    return f"<pre>{_text(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())}</pre>"


def _prose(text: str) -> str:
    """A paragraph with `code` in it."""
    pieces = _text(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _text(text: str) -> str:
    return html.escape(text)
