"""/docs: the OpenAPI document as a page, without scripts and without anything from elsewhere."""

from collections.abc import Mapping
from html import escape
from typing import Any

from starlette.responses import HTMLResponse

SECURITY = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font-size:.9em}dt{margin-top:1rem}h2{margin-top:2.5rem;font-size:1.1rem}table{border-collapse:collapse}"
    "td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
)


def docs_page(document: Mapping[str, Any]) -> HTMLResponse:
    """Routes with their fields."""
    title = f"{document['info']['title']} {document['info']['version']}"
    sections = [
        _section(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    head = f"<title>{escape(title)}</title><meta charset=utf-8><style>{STYLE}</style>"
    machines = "<p>For programs: <a href=/openapi.json>/openapi.json</a></p>"
    page = f"<!doctype html><html lang=en>{head}<h1>{escape(title)}</h1>{machines}{''.join(sections)}</html>"
    return HTMLResponse(page, headers=SECURITY)


def _section(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    heading = f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}</p>"
    body = operation.get("requestBody")
    if body is None:
        return heading
    reference = body["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    required = schema.get("required", [])
    rows = [
        f"<tr><td><code>{escape(name)}</code><td>{'required' if name in required else ''}"
        for name in schema["properties"]
    ]
    return f"{heading}<p>{escape(schema.get('description', ''))}</p><table>{''.join(rows)}</table>"
