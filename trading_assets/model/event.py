"""What every fact of the book has in common."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """Base of all facts; `type` in the stored JSON is the tag of the class.

    `version` is that of the event's schema. A field that not every event of a kind has gets a
    default, which is left out of the stored JSON.
    """

    version: ClassVar[int] = 1
