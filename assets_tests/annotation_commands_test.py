"""`trading_assets annotations` as a person uses it, by options and at a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from assets_tests.execution.small_portfolio import (
    MONDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.cli import main
from trading_assets.execution.annotating import read_annotated_book

COMMAND = str(Path(sys.executable).parent / "trading_assets")
BEFORE = (
    "--thesis=Strongest of its sector.",
    "--intended-entry=At the open.",
    "--size-rationale=A third.",
    "--exit-plan=At the month's end.",
)
AFTER = ("--outcome=Filled at 100.", "--missed-expectation", "--lesson=Wait for the open.")


class Cabinet:
    """A data folder with the portfolio `small`, whose book holds one purchase of AAA."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            "TRADING_ASSETS_DATA": str(folder / "data"),
            "TRADING_ASSETS_STATE": str(folder / "state"),
            "COLUMNS": "200",
        }
        self.state = folder / "state"
        portfolios = folder / "data" / "portfolios"
        portfolios.mkdir(parents=True)
        self.state.mkdir()
        content = portfolio_settings().model_dump(mode="json", exclude_unset=True)
        (portfolios / "small.yaml").write_text(yaml.safe_dump(content))
        (portfolios / "idle.yaml").write_text(yaml.safe_dump(content | {"id": "idle"}))
        desk = Desk(self.state)
        desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100"}))
        (self.trade_id,) = read_annotated_book(desk.log).trades
        desk.close()

    def call(self, command: str, *arguments: str, portfolio: str = "small") -> Result:
        return CliRunner().invoke(
            main, ["annotations", command, "--portfolio", portfolio, *arguments],
            env=self.environment,
        )  # fmt: skip

    def exported(self) -> list[dict[str, object]]:
        return list(json.loads(self.call("export").output))


@pytest.fixture
def cabinet(tmp_path: Path) -> Cabinet:
    return Cabinet(tmp_path)


def test_written_by_options_listed_and_exported(cabinet: Cabinet, tmp_path: Path) -> None:
    named = ("--trade", cabinet.trade_id)
    done = cabinet.call("pre-trade", *named, *BEFORE, "--intended-price", "99.5", "--author", "PM")
    assert done.exit_code == 0, done.output
    assert done.output == f"Recorded: {cabinet.trade_id}.\n"
    assert cabinet.call("post-trade", *named, *AFTER).exit_code == 0
    shown = " ".join(cabinet.call("list").output.replace("│", " ").split())
    assert "Strongest of its" in shown
    assert "(not as expected)" in shown
    target = tmp_path / "out" / "annotations.json"
    done = cabinet.call("export", "--to", str(target))
    assert done.output == f"1 trades in {target}\n"
    (found,) = json.loads(target.read_text())
    assert found["trade_id"] == cabinet.trade_id
    assert found["pre_trade"]["intended_price"] == "99.5"
    assert found["pre_trade"]["author"] == "PM"
    assert found["post_trade"]["matched_expectation"] is False


def test_writing_again_needs_supersede(cabinet: Cabinet) -> None:
    named = ("--trade", cabinet.trade_id)
    cabinet.call("pre-trade", *named, *BEFORE)
    other = (*named, *BEFORE[1:], "--thesis=Cheap.")
    done = cabinet.call("pre-trade", *other)
    assert done.exit_code == 3
    assert "has a pre-trade annotation already" in done.output
    done = cabinet.call("pre-trade", *other, "--supersede")
    assert "it supersedes the one before" in done.output
    done = cabinet.call("pre-trade", *other)
    assert "says that already; nothing was recorded" in done.output
    (found,) = cabinet.exported()
    assert isinstance(found["pre_trade"], dict)
    assert found["pre_trade"]["thesis"] == "Cheap."


def test_missing_lists_only_trades_that_lack_words(cabinet: Cabinet) -> None:
    named = ("--trade", cabinet.trade_id)
    cabinet.call("pre-trade", *named, *BEFORE)
    assert "AAA" in cabinet.call("list", "--missing", "--session", "2024-03-04").output
    cabinet.call("post-trade", *named, *AFTER)
    assert "AAA" not in cabinet.call("list", "--missing").output
    assert "AAA" in cabinet.call("list", *named).output
    assert "AAA" not in cabinet.call("list", "--session", "2024-03-05").output


def test_unknown_trades_and_missing_options_are_told_and_nothing_is_recorded(
    cabinet: Cabinet,
) -> None:
    done = cabinet.call("pre-trade", "--trade", "AAA", *BEFORE)
    assert done.exit_code == 3
    assert cabinet.trade_id in done.output
    assert cabinet.call("list", "--trade", "nobody").exit_code == 3
    done = cabinet.call("pre-trade", "--trade", cabinet.trade_id, *BEFORE[1:])
    assert done.exit_code == 2
    assert "Nobody can be asked here; give --thesis." in done.output
    done = cabinet.call("post-trade", "--trade", cabinet.trade_id, AFTER[0], AFTER[2])
    assert done.exit_code == 2
    assert "give --matched-expectation or --missed-expectation." in done.output
    done = cabinet.call("pre-trade", *BEFORE)
    assert done.exit_code == 2
    assert "give --trade." in done.output
    for price in ("-1", "0", "NaN", "cheap"):
        done = cabinet.call(
            "pre-trade", "--trade", cabinet.trade_id, *BEFORE, "--intended-price", price
        )
        assert done.exit_code == 2
        assert "is not a price above 0" in done.output
    assert cabinet.exported() == []


def test_a_portfolio_without_a_book_gets_none_by_being_written_of(cabinet: Cabinet) -> None:
    done = cabinet.call("pre-trade", "--trade", "x", *BEFORE, portfolio="idle")
    assert done.exit_code == 3
    assert "It has no trades yet." in done.output
    assert not (cabinet.state / "books" / "idle.sqlite").exists()


def test_at_a_terminal_what_no_option_gives_is_asked_for(cabinet: Cabinet) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "annotations", "pre-trade", "--portfolio", "small", *BEFORE[2:]],
        env=os.environ | cabinet.environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    # The only trade, then the two texts that no option gave; an empty answer is asked for again.
    # Then the price, which may be left out but not be nonsense.
    os.write(ours, b"7\n1\n\nIt trends.\nAt noon.\ncheap\n41.25\n")
    output, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, output
    assert "1  2024-03-04  buy   AAA" in output
    (found,) = cabinet.exported()
    assert isinstance(found["pre_trade"], dict)
    assert found["pre_trade"]["thesis"] == "It trends."
    assert found["pre_trade"]["intended_entry"] == "At noon."
    assert found["pre_trade"]["size_rationale"] == "A third."
    assert "'cheap' is not a price above 0" in output
    assert found["pre_trade"]["intended_price"] == "41.25"
