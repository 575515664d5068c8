"""The docs page: an OpenAPI document as one plain HTML page that needs no script, no style sheet and no network."""

from html import escape
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #ddd}h3{font:600 1rem ui-monospace,monospace;margin:1.8rem 0 .3rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
code,pre{font-family:ui-monospace,monospace;font-size:.9rem}.get{color:#1668a8}.post{color:#8a4b00}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}
h2{border-color:#444}a,.get{color:#6db3e8}.post{color:#e0a050}}
"""


def render(document: dict[str, Any]) -> str:
    """Every operation with its parameters, body and answers, grouped by tag in the order of the document."""
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = next(iter(operation.get("tags", ())), "other")
            groups.setdefault(tag, []).append(_operation(path, method, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    title = escape(f"{info['title']} {info['version']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><h1>{title}</h1>'
        f"<p>{escape(info.get('description', ''))}</p>"
        f'<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>{sections}</body></html>'
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<h3><span class="{escape(method)}">{escape(method.upper())}</span> {escape(path)}</h3>',
        f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>",
    ]
    rows = [_parameter(parameter) for parameter in operation.get("parameters", ())]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if body:
        rows.append(("body", "JSON", _type(body), ""))
    if rows:
        parts.append(_table(("parameter", "in", "type", "meaning"), rows))
    answers = [(status, answer.get("description", "")) for status, answer in operation.get("responses", {}).items()]
    parts.append(_table(("answer", "meaning"), answers))
    return "".join(parts)


def _parameter(parameter: dict[str, Any]) -> tuple[str, str, str, str]:
    schema = parameter.get("schema", {})
    name = parameter["name"] + (" (required)" if parameter.get("required") else "")
    kind = _type(schema)
    if "default" in schema:
        kind += f", default {schema['default']}"
    return name, parameter["in"], kind, parameter.get("description", "")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    choices = [_type(choice) for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    return " or ".join(choices) or str(schema.get("type", "any"))


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{header}</tr>{lines}</table>"
