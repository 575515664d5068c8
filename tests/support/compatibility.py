"""Whether records of one JSON Schema can be read by readers of another, both ways: what a release promises."""

from typing import Any

Schema = dict[str, Any]

_HELD = (
    "type", "const", "pattern", "format", "maxLength", "minLength", "maximum", "minimum", "exclusiveMaximum",
    "exclusiveMinimum", "multipleOf", "maxItems", "minItems",
)  # fmt: skip
"""What of a value may not change: it would refuse what was sent, or send what was refused."""


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """Every difference that breaks a reader or a writer of the other schema; only optional fields may come and go."""
    return _compare(old, new, old, new, "record")


def _compare(old: Schema, new: Schema, old_root: Schema, new_root: Schema, where: str) -> list[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    faults = [
        f"{where}: {word} was {old.get(word)!r} and is {new.get(word)!r}"
        for word in _HELD
        if old.get(word) != new.get(word)
    ]
    lost = [word for word in old.get("enum", ()) if word not in new.get("enum", ())]
    faults += [f"{where}: {word!r} is no longer a value" for word in lost]
    before, after = old.get("properties", {}), new.get("properties", {})
    needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
    for name in before.keys() - after.keys():
        if name in needed_before:
            faults.append(f"{where}.{name}: a required field is gone")
    for name in after.keys() - before.keys():
        if name in needed_after:
            faults.append(f"{where}.{name}: a field that old writers do not send is required")
    for name in sorted(before.keys() & after.keys()):
        if (name in needed_before) != (name in needed_after):
            faults.append(f"{where}.{name}: it changed between required and optional")
        faults += _compare(before[name], after[name], old_root, new_root, f"{where}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(old.get(word), dict) and isinstance(new.get(word), dict):
            faults += _compare(old[word], new[word], old_root, new_root, f"{where}[]")
    for word in ("anyOf", "oneOf", "prefixItems"):
        branches, now = old.get(word, []), new.get(word, [])
        if len(branches) != len(now):
            faults.append(f"{where}: {len(branches)} forms became {len(now)}")
        for place, (one, other) in enumerate(zip(branches, now, strict=False)):
            faults += _compare(one, other, old_root, new_root, f"{where}({place})")
    return faults


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found
