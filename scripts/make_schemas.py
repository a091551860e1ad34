"""Make the JSON Schemas of the events from their records: trading_assets/event_log/schemas/.

    python scripts/make_schemas.py

The files are the contract and are committed; run this after a change of a record and look at what
it changes. A change that old payloads do not keep needs a new version (see past_versions.py).
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from trading_assets.event_log.contracts import ENVELOPE, PRODUCERS, RECORDS, schema_path
from trading_assets.model.event import Event
from trading_assets.model.events import EventRecord

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def identifier(producer: str, name: str, version: int) -> str:
    """The `$id` of a schema."""
    return f"urn:trading-assets:{producer}:{name}:v{version}"


def event_schema(event_type: str, version: int, record: type[Event]) -> Schema:
    """The schema of one version of one kind of event."""
    schema = _schema(record, identifier(PRODUCERS[event_type], event_type, version))
    schema["title"] = f"{event_type}, version {version}"
    schema["properties"]["type"] = {"description": "Kind of event.", "const": event_type}
    if record.conditions:
        schema["allOf"] = list(record.conditions)
    return schema


def envelope_schema() -> Schema:
    """The schema of a record as it is exported: the envelope, and in it the stored event."""
    _, name, version = ENVELOPE
    schema = _schema(EventRecord, identifier(*ENVELOPE))
    schema["title"] = f"{name}, version {version}"
    described = schema["properties"]["event"]["description"]
    schema["properties"]["event"] = {"description": described, "type": "object"}
    schema["anyOf"] = [
        {
            "properties": {
                "event_type": {"const": event_type},
                "version": {"const": event_version},
                "event": {"$ref": identifier(PRODUCERS[event_type], event_type, event_version)},
            }
        }
        for event_type, event_version in sorted(RECORDS)
    ]
    del schema["$defs"]
    return schema


def _schema(record: type[msgspec.Struct], identity: str) -> Schema:
    made = msgspec.json.schema(record)
    definitions = made["$defs"]
    for definition in definitions.values():
        if definition.get("type") == "object":
            # What nobody described is not taken, wherever it stands.
            definition["additionalProperties"] = False
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    body = definitions.pop(record.__name__)
    schema = {"$schema": DRAFT, "$id": identity, **body}
    if definitions:
        schema["$defs"] = definitions
    return schema


def schemas() -> dict[Any, str]:
    """The text of every schema by the file it belongs in."""
    made = {schema_path(*ENVELOPE): envelope_schema()}
    for (event_type, version), record in RECORDS.items():
        path = schema_path(PRODUCERS[event_type], event_type, version)
        made[path] = event_schema(event_type, version, record)
    return {
        path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for path, schema in made.items()
    }


def main() -> None:
    """Write what differs."""
    for path, text in schemas().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    main()
