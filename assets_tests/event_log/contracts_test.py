"""The contracts: each schema has one record and one example, and nothing else passes."""

from __future__ import annotations

import copy
import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from assets_tests.event_log.record_strategies import records
from trading_assets.errors import BookContractError, BookCorruptError, BookVersionError
from trading_assets.event_log.chain import Row, record_hash
from trading_assets.event_log.contracts import (
    ENVELOPE,
    PRODUCERS,
    RECORDS,
    SCHEMAS,
    check_exported,
    decode,
    encode,
    schema_path,
)
from trading_assets.event_log.past_versions import UPCASTS
from trading_assets.event_log.store import EventLog, open_event_log
from trading_assets.event_log.tables import EVENTS
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.event import event_type
from trading_assets.model.events import AnyEvent, NewEvent, SessionClosed
from trading_assets.model.market_events import Signal, SignalAction
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill

MONDAY = dt.date(2024, 3, 4)
CLOSE = dt.datetime(2024, 3, 4, 21, tzinfo=dt.UTC)
KINDS = sorted(RECORDS)
PRESENT = [key for key in KINDS if RECORDS[key] not in UPCASTS]
FILL = Fill(
    execution_id="e-1",
    client_order_id="o-1",
    symbol="BRK.B",
    side=Side.SELL,
    quantity=Decimal("0.123456789"),
    price=Decimal("412.10"),
    commission=Decimal("1.00"),
    currency="USD",
    executed_at=CLOSE,
)
Json = dict[str, Any]


def name_of(kind: tuple[str, int]) -> str:
    return f"{kind[0]}.v{kind[1]}"


def path_of(kind: tuple[str, int]) -> Path:
    return schema_path(PRODUCERS[kind[0]], *kind)


def schema_of(kind: tuple[str, int]) -> Json:
    return read(path_of(kind))


def example_of(kind: tuple[str, int]) -> Json:
    return read(path_of(kind).with_suffix(".example.json"))


def read(path: Path) -> Json:
    content: Json = json.loads(path.read_text())
    return content


def stored(content: object) -> str:
    return json.dumps(content)


# The files


def test_there_is_one_schema_and_one_example_for_each_record_and_nothing_else() -> None:
    expected = {path_of(kind) for kind in KINDS} | {schema_path(*ENVELOPE)}
    expected |= {path.with_suffix(".example.json") for path in expected}
    assert set(SCHEMAS.rglob("*.*")) == expected
    # One record stands behind one schema: no class is used twice.
    assert len(set(RECORDS.values())) == len(RECORDS)
    assert {event_type for event_type, _ in RECORDS} == set(PRODUCERS)


def test_every_event_that_the_books_are_made_of_has_a_contract() -> None:
    asked_for = (
        "price_bar signal order_intended order_submitted order_accepted order_rejected "
        "order_canceled order_expired fill fee cash_flow dividend split spin_off symbol_change "
        "delisting cash_merger interest borrow_fee valuation_trigger portfolio_state adjustment "
        "book_restated"
    )
    assert set(asked_for.split()) <= set(PRODUCERS)


@pytest.mark.parametrize("path", sorted(SCHEMAS.rglob("*.v?.json")), ids=lambda path: path.name)
def test_a_schema_is_draft_2020_12_closed_described_and_free_of_floats(path: Path) -> None:
    schema = read(path)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert jsonschema_rs.meta.is_valid(schema)
    name, version = path.name.removesuffix(".json").rsplit(".", 1)
    assert schema["$id"] == f"urn:trading-assets:{path.parent.name}:{name}:{version}"
    assert schema["title"] == f"{name}, version {version[1:]}"
    for place, node in nodes(schema):
        assert node.get("type") != "number", place
        if node.get("format") == "decimal":
            assert node["type"] == "string", place
            assert "pattern" in node, place
        if node.get("format") == "date-time":
            assert node["pattern"].endswith("$"), place
        if "properties" in node and node.get("type") == "object":
            assert node["additionalProperties"] is False, place
            assert node["description"], place
            for field, rule in node["properties"].items():
                assert rule.get("description"), f"{place}/{field} has no description"
        elif node.get("type") == "object" and place != "/properties/event":
            assert isinstance(node["additionalProperties"], dict), place


def nodes(schema: Any, place: str = "") -> Iterator[tuple[str, Json]]:
    """Every schema within a schema, with its place."""
    if isinstance(schema, dict):
        yield place, schema
        for key, value in schema.items():
            yield from nodes(value, f"{place}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from nodes(value, f"{place}/{number}")


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_an_example_is_the_json_of_its_record_and_comes_back_as_it_was(
    kind: tuple[str, int],
) -> None:
    example = example_of(kind)
    assert jsonschema_rs.Draft202012Validator(schema_of(kind), validate_formats=True).is_valid(
        example
    )
    record = msgspec.json.decode(stored(example), type=RECORDS[kind])
    assert json.loads(msgspec.json.encode(record)) == example
    event = decode(*kind, stored(example))
    assert type(event).version >= kind[1]
    if kind in PRESENT:
        assert event == record
        assert json.loads(encode(event)) == example


def test_the_example_of_a_record_in_its_envelope_is_one_whose_hash_holds() -> None:
    path = schema_path(*ENVELOPE).with_suffix(".example.json")
    example = read(path)
    check_exported(path.read_text())
    payload = json.dumps(example.pop("event"), sort_keys=True, separators=(",", ":"))
    assert record_hash(Row(**example, payload=payload)) == example["hash"]


# What a schema refuses

DECIMALS_REFUSED: tuple[object, ...] = (
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "1E+2",
    "1e2",
    "1E-8",
    "+1",
    "01",
    ".5",
    "1.",
    "1,000",
    "1_000",
    " 1",
    "1\n",
    "0x1",
    "",
    "--1",
    1.5,
    1,
    True,
    [],
)
MOMENTS_REFUSED = (
    "2024-03-04",
    "2024-03-04T21:00:00",
    "2024-03-04T21:00:00+01:00",
    "2024-13-04T21:00:00Z",
    "2024-03-04T25:00:00Z",
    1709586000,
)
DATES_REFUSED = ("2024-02-30", "04.03.2024", "2024-3-4", "2024-03-04T00:00:00Z", "", 20240304)


def leaves(kind: tuple[str, int]) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    """Every value of a kind's example that is no object or list, with the schema it falls under."""
    root = schema_of(kind)

    def walk(
        content: Any, rule: Json, place: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], Json]]:
        if "$ref" in rule:
            rule = root["$defs"][rule["$ref"].rsplit("/", 1)[1]]
        if "anyOf" in rule:
            rule = rule["anyOf"][0]
            yield from walk(content, rule, place)
        elif isinstance(content, dict):
            for key, value in content.items():
                inner = rule.get("properties", {}).get(key) or rule["additionalProperties"]
                yield from walk(value, inner, (*place, key))
        elif isinstance(content, list):
            for number, value in enumerate(content):
                yield from walk(value, rule["items"], (*place, number))
        else:
            yield place, rule

    return walk(example_of(kind), root, ())


def changed(content: Json, place: tuple[str | int, ...], value: object) -> Json:
    copied: Any = copy.deepcopy(content)
    inner = copied
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return dict(copied)


def require_refused(kind: tuple[str, int], content: object, place: tuple[str | int, ...]) -> None:
    with pytest.raises(BookContractError) as caught:
        decode(*kind, stored(content))
    error = caught.value
    assert (error.event_type, error.version) == kind
    if place:
        assert error.field == ".".join(map(str, place)), error
    assert "Restore the book from a backup" in str(error)


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_value_that_its_field_cannot_have_is_refused_and_named(kind: tuple[str, int]) -> None:
    example, tried = example_of(kind), 0
    wrong: tuple[object, ...]
    for place, rule in leaves(kind):
        if rule.get("format") == "decimal":
            wrong = DECIMALS_REFUSED
            if kind[0] == "session_planned":
                # Plans of the first books hold exponents, see `PlanDecimal`.
                wrong = tuple(each for each in wrong if each not in ("1E+2", "1E-8"))
                assert "E" in rule["pattern"]
        elif rule.get("format") == "date-time":
            wrong = MOMENTS_REFUSED
        elif rule.get("format") == "date":
            wrong = DATES_REFUSED
        elif "enum" in rule:
            wrong = ("hold", "", rule["enum"][0].swapcase() + "x", 1)
        elif "const" in rule:
            wrong = ("rumour", "", 1)
        elif rule["type"] == "integer":
            wrong = (0, -1, 1.5, "1", "one")
        elif rule["type"] == "boolean":
            wrong = (0, 1, "true", "yes", "")
        else:
            wrong = (1, 1.5, True, [], {})
            if rule.get("minLength"):
                wrong += ("",)
            if "pattern" in rule:
                wrong += ("usd", "US", "USDT", "U$D")
        for value in (*wrong, {"x": 1}):
            require_refused(kind, changed(example, place, value), place)
            tried += 1
    assert tried >= 4


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_field_too_many_or_too_few_is_refused_wherever_it_stands(kind: tuple[str, int]) -> None:
    example, root = example_of(kind), schema_of(kind)
    for field in root["required"]:
        rest = {key: value for key, value in example.items() if key != field}
        require_refused(kind, rest, (field,))
    require_refused(kind, example | {"surprise": "1"}, ("surprise",))
    parents = {place[:-1] for place, _ in leaves(kind) if len(place) > 1}
    for parent in parents:
        if isinstance(parent[-1], int) or parent[-1] in ("plan", "request", "statement"):
            require_refused(
                kind, changed(example, (*parent, "surprise"), "1"), (*parent, "surprise")
            )


@pytest.mark.parametrize("payload", ["", "{", "[]", "null", '"fill"', '{"type":"fill"}', "\x00"])
def test_what_is_no_event_at_all_is_refused(payload: str) -> None:
    with pytest.raises(BookContractError):
        decode("fill", 1, payload)


def test_a_moment_that_no_record_can_hold_is_refused_like_any_other() -> None:
    payload = encode(FILL).decode().replace("21:00:00Z", "23:59:60Z")
    with pytest.raises(BookContractError, match="it has no record"):
        decode("fill", 1, payload.replace("2024-03-04", "2016-12-31"))


@pytest.mark.parametrize(
    ("kind", "field", "accepted", "refused"),
    [
        ("fill", "quantity", ["1", "0.1", "7.000", "0.000000001"], ["0", "0.00", "-1", "-0.1"]),
        ("fill", "price", ["12345678901234567890.123456789"], ["0", "-412.10"]),
        ("fill", "commission", ["0", "0.00", "-0.00", "-0", "1.5"], ["-0.01", "-1"]),
        ("fill", "currency", ["USD", "EUR"], ["usd", "$", "US Dollar", ""]),
        ("spin_off", "basis_fraction", ["0", "0.0548", "1", "1.00"], ["1.01", "-0.1", "2", "10"]),
        ("dividend", "amount_per_share", ["0.82"], ["0", "-0.82"]),
        ("delisting", "price", ["0", "0.05"], ["-1"]),
        ("cash_merger", "price", ["95.00"], ["0", "-95"]),
        ("interest", "amount", ["-42.71", "0", "42.71"], []),
        ("split", "new_shares", [1, 20], [0, -4]),
        ("order_intended", "leg", [1, 2], [0, 3]),
        ("order_submitted", "attempt", [1, 9], [0]),
        ("adjustment", "reason", ["found at the audit"], [""]),
    ],
)
def test_the_rules_of_the_fields_hold_at_their_bounds(
    kind: str, field: str, accepted: list[object], refused: list[object]
) -> None:
    example = example_of((kind, 1))
    for value in accepted:
        decode(kind, 1, stored(example | {field: value}))
    for value in refused:
        require_refused((kind, 1), example | {field: value}, (field,))


@pytest.mark.parametrize(
    ("kind", "amount", "is_accepted"),
    [
        (CashFlowKind.DEPOSIT, "100", True),
        (CashFlowKind.DEPOSIT, "0.00", False),
        (CashFlowKind.DEPOSIT, "-100", False),
        (CashFlowKind.WITHDRAWAL, "-100", True),
        (CashFlowKind.WITHDRAWAL, "0", False),
        (CashFlowKind.WITHDRAWAL, "100", False),
    ],
)
def test_a_flow_has_the_sign_of_its_kind(
    kind: CashFlowKind, amount: str, is_accepted: bool
) -> None:
    flow = CashFlow(kind=kind, amount=Decimal(amount), currency="USD", reference="wire")
    if is_accepted:
        assert decode("cash_flow", 1, encode(flow)) == flow
    else:
        with pytest.raises(BookContractError, match=r"amount: .*decimal (above|below) 0"):
            encode(flow)


def test_a_target_weight_needs_a_weight_and_no_other_action_does() -> None:
    signal = Signal(strategy_id="m", symbol="AAPL", action=SignalAction.CLOSE_LONG)
    encode(signal)
    for weight in (None, Decimal("0.1")):
        wanted = replace(signal, action=SignalAction.TARGET_WEIGHT, weight=weight)
        if weight is None:
            with pytest.raises(BookContractError, match="weight"):
                encode(wanted)
        else:
            encode(wanted)


# On the way in


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantity": Decimal(-5)}, r"quantity: '-5': it must be: decimal above 0 \(Shares of"),
        ({"quantity": 1.5}, r"quantity: 1\.5: it must be: decimal above 0"),
        ({"price": Decimal("NaN")}, r"price: 'NaN': it must be: decimal above 0"),
        ({"price": Decimal("Infinity")}, "price: 'Infinity'"),
        ({"side": "hold"}, r"side: 'hold': it is not one of .buy. or .sell."),
        ({"executed_at": CLOSE.replace(tzinfo=None)}, r"executed_at: .*moment in UTC"),
        ({"currency": "usd"}, r"currency: 'usd': .*three capitals"),
        ({"execution_id": ""}, r"execution_id: ''.*shorter than 1"),
    ],
)
def test_a_fill_that_breaks_its_contract_is_refused_with_field_value_rule_and_remedy(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(
        BookContractError,
        match=rf"^fill version 1, {message}.*Correct the event; nothing was written\.$",
    ):
        encode(replace(FILL, **change))


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("0.00000001"), "0.00000001"),
        (Decimal("1.20E+3"), "1200"),
        (Decimal("1E+2"), "100"),
        (Decimal("7.10"), "7.10"),
    ],
)
def test_a_decimal_is_stored_with_its_digits_written_out(quantity: Decimal, text: str) -> None:
    payload = encode(replace(FILL, quantity=quantity))
    assert json.loads(payload)["quantity"] == text
    assert list(json.loads(payload)) == sorted(json.loads(payload))
    assert decode("fill", 1, payload) == replace(FILL, quantity=Decimal(text))


def test_the_small_weights_of_a_plan_are_written_out_too() -> None:
    example = example_of(("session_planned", 1))
    planned = decode("session_planned", 1, stored(example).replace('"0.025"', '"0E-10"'))
    plan = json.loads(encode(planned))["plan"]
    weights = [part["weight"] for part in plan["lines"][0]["contributions"]]
    assert weights == ["0.1", "0.0000000000"]


def test_text_that_looks_like_a_small_number_stays_as_it_is() -> None:
    fill = replace(FILL, execution_id="1E-8", symbol="0E-10", quantity=Decimal("1E-8"))
    assert decode("fill", 1, encode(fill)) == fill


def test_an_event_that_is_refused_leaves_the_whole_batch_unwritten(tmp_path: Path) -> None:
    log = open_event_log(tmp_path, "alpha")
    log.append([new("first", FILL)])
    with pytest.raises(BookContractError):
        log.append([new("second", FILL), new("bad", replace(FILL, quantity=Decimal(0)))])
    assert [record.sequence for record in log.records()] == [1]
    log.append([new("second", FILL)])
    assert log.verify() == 2


def new(key: str, event: AnyEvent) -> NewEvent:
    return NewEvent(key=key, session=MONDAY, occurred_at=CLOSE, source="test", event=event)


# On the way out


def altered(tmp_path: Path, changes: dict[str, Any]) -> EventLog:
    """A book of one fill whose row was changed behind its back, hash included."""
    log = open_event_log(tmp_path, "alpha")
    log.append([new("first", FILL)])
    (row,) = log.rows()
    changed = row._replace(**changes)
    changed = changed._replace(hash=record_hash(changed))
    with log.database.writing("alpha") as connection:
        connection.execute(EVENTS.update().values(changed._asdict()))
        connection.commit()
    return log


@pytest.mark.parametrize(
    "payload",
    [
        encode(FILL).decode().replace('"0.123456789"', '"-0.123456789"'),
        encode(FILL).decode().replace('"0.123456789"', "0.123456789"),
        encode(FILL).decode().replace('"side":"sell",', ""),
        encode(FILL).decode()[:-1],
    ],
)
def test_a_stored_record_that_breaks_its_contract_is_not_read(tmp_path: Path, payload: str) -> None:
    log = altered(tmp_path, {"payload": payload})
    with pytest.raises(BookCorruptError, match=r"record 1 cannot be read: fill version 1"):
        list(log.records())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"version": 2},
            r"alpha .*: record 1: fill version 2 is not known here \(known versions: 1\).*upgrade",
        ),
        ({"event_type": "fax"}, r"fax version 1 is not known here \(no such type\)"),
    ],
)
def test_a_version_that_is_not_known_is_no_corruption_and_says_what_to_do(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BookVersionError, match=message):
        list(altered(tmp_path, changes).records())


# Exported records


def exported() -> Json:
    return read(schema_path(*ENVELOPE).with_suffix(".example.json"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"hash": "abc"}, BookContractError, "64 hexadecimal digits"),
        ({"sequence": 0}, BookContractError, "sequence"),
        ({"occurred_at": "2020-08-31T13:30:00+02:00"}, BookContractError, "moment in UTC"),
        ({"surprise": 1}, BookContractError, "surprise"),
        ({"event": {"type": "cash_flow"}}, BookContractError, "cash_flow version 1, "),
        ({"event": None}, BookContractError, "cash_flow version 1"),
        ({"event_type": "fill"}, BookContractError, "fill version 1"),
        ({"event_type": "fax"}, BookVersionError, "no such type"),
        ({"version": 7}, BookVersionError, "known versions: 1"),
        ({"version": "1"}, BookContractError, "event_record version 1, version: '1'"),
    ],
)
def test_an_exported_record_is_checked_with_its_envelope(
    change: Json, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_exported(stored(exported() | change))


@pytest.mark.parametrize("line", ["", "{}", "[]", "1", "not json"])
def test_a_line_that_is_no_record_is_refused(line: str) -> None:
    with pytest.raises(BookContractError, match="event_record version 1"):
        check_exported(line)


def test_the_schema_of_the_envelope_alone_tells_right_from_wrong_with_the_others_at_hand() -> None:
    """What somebody with another validator does with an exported book."""
    schemas = [schema_of(kind) for kind in KINDS]
    registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas])
    validator = jsonschema_rs.Draft202012Validator(
        read(schema_path(*ENVELOPE)), registry=registry, validate_formats=True
    )
    assert validator.is_valid(exported())
    for kind in KINDS:
        envelope = exported() | {"event_type": kind[0], "version": kind[1]}
        assert validator.is_valid(envelope | {"event": example_of(kind)})
        assert not validator.is_valid(envelope | {"event": {"type": kind[0]}})
    assert not validator.is_valid(exported() | {"version": 2})


# Records of every kind


@pytest.mark.parametrize("kind", PRESENT, ids=name_of)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a plan is large, the machine may be busy
@given(data=st.data())
def test_every_record_is_accepted_and_comes_back_equal(
    kind: tuple[str, int], data: st.DataObject
) -> None:
    record: Any = data.draw(records(RECORDS[kind]))
    payload = encode(record)
    assert decode(*kind, payload) == record
    assert event_type(record) == kind[0]
    # Written again it is the same text: that is what makes recording twice harmless.
    assert encode(decode(*kind, payload)) == payload


@given(past=records(RECORDS["session_closed", 1]))
def test_every_close_of_version_1_is_read_as_the_present_record(past: Any) -> None:
    close = decode("session_closed", 1, encode(past))
    assert isinstance(close, SessionClosed)
    assert (close.cash_balances, close.fx_rates, close.accruals) == (None, {}, Decimal(0))
    assert (close.marks, close.cash, close.market_value) == (
        past.marks,
        past.cash,
        past.market_value,
    )
    assert (close.equity, close.benchmark) == (past.equity, past.benchmark)
    assert close.statement.positions == past.statement.positions
    # And can be written as the present version.
    assert decode("session_closed", 2, encode(close)) == close


# Start-up


def test_validation_costs_nothing_until_a_book_is_touched() -> None:
    script = (
        "import sys, trading_assets.event_log.store, trading_assets.execution.book; "
        "sys.exit('jsonschema_rs' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
