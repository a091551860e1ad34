"""The job `annotate_trades`: annotations of trades from a run's configuration."""

import datetime as dt
from decimal import Decimal, InvalidOperation

import dagster as dg

from trading_assets.errors import AnnotationError
from trading_assets.execution.annotating import Annotation, annotate
from trading_assets.model.annotation_events import PostTradeAnnotation, PreTradeAnnotation
from trading_assets.resources import BookResource
from trading_assets.settings import PortfolioSettings


class PreTradeConfig(dg.Config):
    """Words before the trade; `intended_price` is text such as "41.25", empty for none."""

    thesis: str
    intended_entry: str
    size_rationale: str
    exit_plan: str
    intended_price: str = ""


class PostTradeConfig(dg.Config):
    """Words after the trade."""

    outcome: str
    matched_expectation: bool
    lesson: str


class TradeConfig(dg.Config):
    """A trade by its id, and what is to be said of it."""

    trade_id: str
    pre_trade: PreTradeConfig | None = None
    post_trade: PostTradeConfig | None = None


class AnnotateTradesConfig(dg.Config):
    """Annotations for one portfolio, taken all or none."""

    portfolio: str
    trades: list[TradeConfig]
    author: str = ""
    supersede: bool = False


def build_annotate_trades(portfolios: tuple[PortfolioSettings, ...]) -> dg.JobDefinition:
    """The job that records annotations of any portfolio's trades."""
    by_id = {settings.id: settings for settings in portfolios}

    @dg.op
    def annotate_trades_op(
        context: dg.OpExecutionContext, config: AnnotateTradesConfig, books: BookResource
    ) -> None:
        settings = by_id.get(config.portfolio)
        if settings is None:
            raise AnnotationError(
                f"no portfolio {config.portfolio!r}; nothing was recorded. There are: "
                f"{', '.join(sorted(by_id))}."
            )
        annotations = [each for trade in config.trades for each in _annotations(trade, config)]
        # Opened as for reading: where there is no book there is no trade, and none is made.
        with books.reading(settings) as log:
            outcomes = annotate(
                log, annotations, lambda: dt.datetime.now(dt.UTC), supersede=config.supersede
            )
        for annotation, outcome in zip(annotations, outcomes, strict=True):
            context.log.info(f"{outcome}: {annotation.trade_id}")

    @dg.job(description="Record why trades are made and what became of them, as facts of the book.")
    def annotate_trades() -> None:
        annotate_trades_op()

    return annotate_trades


def _annotations(trade: TradeConfig, config: AnnotateTradesConfig) -> list[Annotation]:
    found: list[Annotation] = []
    if trade.pre_trade is not None:
        words = trade.pre_trade
        found.append(
            PreTradeAnnotation(
                trade_id=trade.trade_id,
                thesis=words.thesis,
                intended_entry=words.intended_entry,
                size_rationale=words.size_rationale,
                exit_plan=words.exit_plan,
                intended_price=_price(words.intended_price),
                author=config.author,
            )
        )
    if trade.post_trade is not None:
        found.append(
            PostTradeAnnotation(
                trade_id=trade.trade_id,
                outcome=trade.post_trade.outcome,
                matched_expectation=trade.post_trade.matched_expectation,
                lesson=trade.post_trade.lesson,
                author=config.author,
            )
        )
    return found


def _price(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or price <= 0:
        raise AnnotationError(
            f"intended_price {text!r} is not a price above 0; nothing was recorded. Write it as "
            '"41.25", or leave it out.'
        )
    return price
