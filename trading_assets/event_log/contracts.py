"""The contract of every event: one JSON Schema for each type and version, and one record.

Problem: the book is read for years, by later versions of this package and by others. What is in it
must be known without this code, and nothing else may get in.

Choice: `schemas/<producer>/<type>.v<version>.json` (Draft 2020-12) are the contract, committed, and
made from the records' declarations (`make schemas`; a test holds the two together). Every payload
is validated as the JSON that is stored, on its way in and on its way out. Beside each schema stands
an example. A past version keeps its schema and its record (`past_versions.py`).

| producer | events |
|---|---|
| market_data | bars and exchange rates |
| strategies | signals |
| planning | the plan of a session |
| execution | orders as this side intends and sends them |
| broker | what the broker says: orders, executions, and cash that it moves |
| corporate_actions | what issuers do |
| accounting | flows from outside, corrections, valuations |
| annotations | what people thought of trades |
| book | a session's close, restatements, and the envelope around every event |

A decimal is text with every digit written out: no exponent, no NaN, no infinity. Moments are UTC.
Rejected: schemas by hand (the second truth goes stale), validating records instead of JSON (what
is stored is what others read), a registry of schemas over the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from trading_assets.errors import BookContractError, BookVersionError
from trading_assets.event_log.past_versions import UPCASTS
from trading_assets.model.event import Event, event_type
from trading_assets.model.events import AnyEvent, EventRecord

if TYPE_CHECKING:
    import jsonschema_rs

SCHEMAS = Path(__file__).parent / "schemas"
ENVELOPE = ("book", "event_record", 1)
"""Producer, name and version of the schema of a record as it is exported, envelope and event."""
PRODUCERS = {
    "price_bar": "market_data",
    "fx_rate": "market_data",
    "signal": "strategies",
    "session_planned": "planning",
    "order_intended": "execution",
    "order_submitted": "execution",
    "order_outcome_unknown": "execution",
    "order_accepted": "broker",
    "order_rejected": "broker",
    "order_canceled": "broker",
    "order_expired": "broker",
    "fill": "broker",
    "fee": "broker",
    "tax_withheld": "broker",
    "interest": "broker",
    "borrow_fee": "broker",
    "currency_conversion": "broker",
    "dividend_payment": "broker",
    "cash_in_lieu": "broker",
    "dividend": "corporate_actions",
    "split": "corporate_actions",
    "stock_dividend": "corporate_actions",
    "spin_off": "corporate_actions",
    "symbol_change": "corporate_actions",
    "delisting": "corporate_actions",
    "cash_merger": "corporate_actions",
    "cash_flow": "accounting",
    "adjustment": "accounting",
    "valuation_trigger": "accounting",
    "portfolio_state": "accounting",
    "pre_trade_annotation": "annotations",
    "post_trade_annotation": "annotations",
    "session_closed": "book",
    "book_restated": "book",
}
RECORDS: dict[tuple[str, int], type[Event]] = {
    (str(record.__struct_config__.tag), record.version): record
    for record in (*get_args(AnyEvent), *UPCASTS)
}
"""The record of each type and version that can be read."""

_RESTORE = "Restore the book from a backup"
_ENCODER = msgspec.json.Encoder(decimal_format="string", order="sorted")


def encode(event: AnyEvent) -> bytes:
    """The JSON of an event as it is stored: keys sorted, decimals as text written out.

    Raises BookContractError where its schema does not accept it.
    """
    payload = _ENCODER.encode(event)
    # Python spells small and large decimals with an exponent: 1E-8, 0E-10.
    if b"E-" in payload or b"E+" in payload:
        content = msgspec.to_builtins(event, builtin_types=(Decimal,), str_keys=True)
        _write_out(content, content)
        payload = _ENCODER.encode(content)
    contract = _contract(event_type(event), event.version)
    contract.check(msgspec.json.decode(payload), "Correct the event; nothing was written")
    return payload


def decode(kind: str, version: int, payload: str | bytes) -> AnyEvent:
    """The event of a stored payload of type `kind`, a past version's as the present record.

    Raises BookVersionError for a type or version that is not known, BookContractError for a
    payload that its schema does not accept.
    """
    contract = _contract(kind, version)
    contract.check(_parsed(payload, kind, version, _RESTORE), _RESTORE)
    try:
        event: Any = contract.decoder.decode(payload)
    except msgspec.ValidationError as error:
        # A leap second is a moment to the schema that no Python clock shows.
        raise _unreadable(payload, kind, version, f"it has no record: {error}", _RESTORE) from error
    return event if contract.upcast is None else contract.upcast(event)


def check_exported(line: str | bytes) -> None:
    """Check a record as it is exported: a JSON object with the fields of an EventRecord, its
    `event` being the stored payload of whatever version.

    Raises BookVersionError for a type or version that is not known, BookContractError for what
    the schema of the event or of the envelope does not accept.
    """
    remedy = "Export the book again, or take the line as it was exported"
    content = _parsed(line, ENVELOPE[1], ENVELOPE[2], remedy)
    if isinstance(content, dict):
        # The event by itself first: its own schema says more exactly what is wrong with it.
        key = content.get("event_type"), content.get("version")
        if isinstance(key[0], str) and isinstance(key[1], int):
            _contract(key[0], key[1]).check(content.get("event"), remedy)
    _envelope().check(content, remedy)


def schema_path(producer: str, name: str, version: int) -> Path:
    """Where a schema is; its example is beside it, `.example.json` in place of `.json`."""
    return SCHEMAS / producer / f"{name}.v{version}.json"


class Contract:
    """The schema of one version of an event (or of the envelope), compiled, and its record.

    `schema` may refer to others by their `$id` where `registry` holds them.
    """

    def __init__(
        self,
        name: str,
        version: int,
        schema: dict[str, Any],
        record: type[msgspec.Struct],
        registry: jsonschema_rs.Registry | None = None,
    ) -> None:
        # Imported with the first event, so that what touches no book does not wait for it.
        import jsonschema_rs

        self.name, self.version = name, version
        self.upcast = UPCASTS.get(record)
        self.decoder = msgspec.json.Decoder(record)
        self._schema = schema
        self._validator = jsonschema_rs.Draft202012Validator(
            schema,
            validate_formats=True,
            pattern_options=jsonschema_rs.RegexOptions(),
            registry=registry,
            mask="it",
            offline=True,
        )

    def check(self, content: object, remedy: str) -> None:
        """Raise BookContractError for parsed JSON that the schema does not accept."""
        if not self._validator.is_valid(content):
            raise self._refusal(next(self._validator.iter_errors(content)), remedy)

    def _refusal(self, error: jsonschema_rs.ValidationError, remedy: str) -> BookContractError:
        kind = error.kind
        while kind.name == "anyOf" and self.name != ENVELOPE[1]:
            # A field that may be null: what is wrong with it as the thing it is otherwise.
            error = kind.value[0][0]
            kind = error.kind
        field = [str(part) for part in error.instance_path]
        value: object = error.instance
        rule = self._rule(error)
        if kind.name == "required":
            field, value, rule = [*field, kind.value], None, "it is required and missing"
        elif kind.name == "additionalProperties":
            unknown = kind.value[0]
            field, rule = [*field, unknown], "no such field is known"
            value = value[unknown] if isinstance(value, dict) else value
        return BookContractError(
            event_type=self.name,
            version=self.version,
            field=".".join(field),
            value=value,
            rule=rule,
            remedy=remedy,
        )

    def _rule(self, error: jsonschema_rs.ValidationError) -> str:
        """The rule in words: the title and description that the schema gives it, if any."""
        node: Any = self._schema
        for part in error.schema_path[:-1]:
            node = node[part]
        if not isinstance(node, dict):
            return error.message
        title, description = node.get("title"), node.get("description")
        in_words = title and error.kind.name in ("pattern", "type", "format")
        rule = f"it must be: {title}" if in_words else error.message
        return f"{rule} ({description.rstrip('.')})" if description else rule


@cache
def _contract(event_type: str, version: int) -> Contract:
    record = RECORDS.get((event_type, version))
    if record is None:
        known = sorted(number for name, number in RECORDS if name == event_type)
        versions = f"known versions: {', '.join(map(str, known))}" if known else "no such type"
        raise BookVersionError(
            f"{event_type} version {version} is not known here ({versions}). If a newer release "
            "wrote it, upgrade and read it again; nothing was changed."
        )
    return Contract(event_type, version, _schema(event_type, version), record)


@cache
def _envelope() -> Contract:
    import jsonschema_rs

    _, name, version = ENVELOPE
    schema = msgspec.json.decode(schema_path(*ENVELOPE).read_bytes())
    events = [_schema(*key) for key in RECORDS]
    registry = jsonschema_rs.Registry([(event["$id"], event) for event in events])
    return Contract(name, version, schema, EventRecord, registry)


def _schema(event_type: str, version: int) -> dict[str, Any]:
    path = schema_path(PRODUCERS[event_type], event_type, version)
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


def _parsed(payload: str | bytes, name: str, version: int, remedy: str) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(payload, name, version, f"it is not JSON: {error}", remedy) from error


def _unreadable(
    payload: str | bytes, name: str, version: int, rule: str, remedy: str
) -> BookContractError:
    return BookContractError(
        event_type=name, version=version, field="", value=payload, rule=rule, remedy=remedy
    )


def _write_out(content: Any, places: Iterable[Any]) -> None:
    """Put text without an exponent in the place of every decimal at `places` (keys or indices) of
    `content` and below that would be spelled with one."""
    for place in places:
        value = content[place]
        kind = type(value)
        if kind is dict:
            _write_out(value, value)
        elif kind is tuple:
            content[place] = value = list(value)
            _write_out(value, range(len(value)))
        elif kind is Decimal and "E" in str(value):
            content[place] = format(value, "f")
