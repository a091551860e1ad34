"""Every error that this package raises on purpose.

    TradingAssetsError
    ├── ConfigurationError        a settings file or environment variable is wrong
    ├── InputError                a data file is wrong (names file, row, value, rule, remedy)
    ├── SessionError              the session asked for cannot be worked on
    │   ├── SessionUnknownError       not in the calendar or the portfolio's range
    │   └── SessionNotReadyError      an earlier session must be materialised first
    ├── BookError
    │   ├── BookCorruptError          the chain, a record or the file does not verify
    │   ├── BookContractError         an event breaks the schema of its type and version
    │   ├── BookVersionError          a record is of a type or version that is not known
    │   ├── BookConflictError         an event id is already recorded with other content
    │   ├── BookLockedError           another process is writing this book
    │   ├── BookStaleError            another process has written to the book since it was read
    │   └── BookUnavailableError      the book's database cannot be reached or written
    ├── SubscriptionError         nothing can ever be delivered to a subscription
    ├── DeliveryError             a subscriber of the bus raised; what it missed is kept for it
    ├── OrderTransitionError      an order event that its state does not allow
    ├── CircuitBreakerError       an observation that the circuit breaker's status does not allow
    ├── IndicatorError            an indicator or a parameter of one that does not exist
    ├── LedgerError               an event that the ledger cannot book
    ├── AnnotationError           an annotation of a trade that the book cannot take
    ├── SubmissionRefusedError    a guard forbids sending orders
    ├── BrokerUnknownError        the broker's state could not be learnt; it is never taken as flat
    ├── PricesUnknownError        a source of prices could not be asked; nobody guesses them
    └── ReportError               a report cannot be computed from what is there
        └── EvidenceError             a report or its evidence cannot be read

Findings of the business (a clipped order, a reconciliation break, a failed check) are values,
not errors; an error means that the action did not happen.
"""

from __future__ import annotations


class TradingAssetsError(Exception):
    """Base of every error in this package."""


class ConfigurationError(TradingAssetsError):
    """A settings file or environment variable is missing or wrong."""


class InputError(TradingAssetsError):
    """A data file breaks a rule; nothing was written.

    The message names file, row (1-based line of the file as a spreadsheet shows it), value, rule
    and remedy; the parts stay available as attributes.
    """

    def __init__(
        self,
        *,
        file: str,
        rule: str,
        remedy: str,
        row: int | None = None,
        value: object = None,
    ) -> None:
        self.file = file
        self.row = row
        self.value = value
        self.rule = rule
        self.remedy = remedy
        where = file if row is None else f"{file}, row {row}"
        shown = "" if value is None else f": {value!r}"
        super().__init__(f"{where}{shown}: {rule}. {remedy}.")


class SessionError(TradingAssetsError):
    """The session asked for cannot be worked on."""


class SessionUnknownError(SessionError):
    """Not a session of the exchange's calendar, or outside the portfolio's range."""


class SessionNotReadyError(SessionError):
    """An earlier session must be materialised first; the message names it."""


class BookError(TradingAssetsError):
    """The book (event log) cannot be read or written."""


class BookCorruptError(BookError):
    """A stored record does not match its hash, its predecessor or its sequence, records are lost,
    or the file is damaged."""


class BookContractError(BookError):
    """An event breaks the JSON Schema of its type and version; it was not taken.

    The message names type, version, field, value, rule and remedy; the parts stay available as
    attributes. `field` is the path to the field, such as "marks.AAPL.price", empty for the event
    as a whole.
    """

    def __init__(
        self, *, event_type: str, version: int, field: str, value: object, rule: str, remedy: str
    ) -> None:
        self.event_type = event_type
        self.version = version
        self.field = field
        self.value = value
        self.rule = rule
        self.remedy = remedy
        where = f"{event_type} version {version}" + (f", {field}" if field else "")
        shown = "" if value is None else f": {value!r:.200}"
        super().__init__(f"{where}{shown}: {rule}. {remedy}.")


class BookVersionError(BookError):
    """A record is of a type or version that this installation does not know."""


class BookConflictError(BookError):
    """An event id is already recorded with other content."""


class BookLockedError(BookError):
    """Another process is writing this book."""


class BookStaleError(BookError):
    """Another process has written to the book since this one read it; nothing was recorded."""


class BookUnavailableError(BookError):
    """The book's database cannot be reached, or has no room or permission to be written."""


class SubscriptionError(TradingAssetsError):
    """A subscription to what no event is, or a use of one that is closed."""


class DeliveryError(TradingAssetsError):
    """Subscribers of the bus raised. Everybody else has what was published, and what these missed
    is kept for them. `subscribers` names them."""

    def __init__(self, message: str, subscribers: tuple[str, ...]) -> None:
        self.subscribers = subscribers
        super().__init__(message)


class OrderTransitionError(TradingAssetsError):
    """An order event arrived in a state that does not allow it."""


class CircuitBreakerError(TradingAssetsError):
    """The circuit breaker cannot do what was asked; its status stays as it was."""


class IndicatorError(TradingAssetsError):
    """No indicator of that name, a parameter it does not take, or bars it cannot be computed on."""


class LedgerError(TradingAssetsError):
    """An event that the ledger cannot book."""


class AnnotationError(TradingAssetsError):
    """An annotation of a trade that the book does not have, or one that says nothing new about what
    it would supersede; nothing was recorded."""


class SubmissionRefusedError(TradingAssetsError):
    """A guard forbids sending orders; `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class BrokerUnknownError(TradingAssetsError):
    """The broker's state could not be learnt; trading stops until it is."""


class PricesUnknownError(TradingAssetsError):
    """A source of prices could not be asked; run again when it answers."""


class ReportError(TradingAssetsError):
    """A report cannot be computed from what is there."""


class EvidenceError(ReportError):
    """A report, or the evidence beside it, is not of a kind that can be verified."""
