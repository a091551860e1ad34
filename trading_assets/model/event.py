"""What every fact of the book has in common."""

from __future__ import annotations

from typing import ClassVar

import msgspec

Condition = dict[str, object]
"""A rule of JSON Schema on several fields together, such as an `if` with its `then`."""


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    # Facts never refer to themselves: the collector need not look at them, however many there are.
    gc=False,
    omit_defaults=True,
    tag_field="type",
):
    """Base of all facts; `type` in the stored JSON is the tag of the class.

    `version` is that of the event's schema. A field that not every event of a kind has gets a
    default, which is left out of the stored JSON. `conditions` are rules of the schema that no
    field can state alone.
    """

    version: ClassVar[int] = 1
    conditions: ClassVar[tuple[Condition, ...]] = ()


def event_type(event: Event) -> str:
    """The tag under which a kind of event is stored, such as "order_intended"."""
    return str(type(event).__struct_config__.tag)
