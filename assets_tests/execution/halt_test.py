"""The halt switch is a file that anybody can set, see and lift."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_assets.execution.halt import halt, is_halted, resume


def test_trading_is_not_halted_where_nobody_set_the_switch(tmp_path: Path) -> None:
    assert not is_halted(tmp_path / "state" / "HALT")


def test_the_switch_is_set_with_its_reason_and_lifted(tmp_path: Path) -> None:
    switch = tmp_path / "state" / "HALT"
    halt(switch, "prices look wrong")
    assert is_halted(switch)
    assert switch.read_text() == "prices look wrong\n"
    resume(switch)
    assert not is_halted(switch)


def test_setting_it_again_keeps_it_set_with_the_new_reason(tmp_path: Path) -> None:
    switch = tmp_path / "HALT"
    halt(switch, "first")
    halt(switch, "second")
    assert switch.read_text() == "second\n"
    assert [path.name for path in tmp_path.iterdir()] == ["HALT"]


def test_lifting_a_switch_that_is_not_set_does_nothing(tmp_path: Path) -> None:
    resume(tmp_path / "HALT")
    assert not is_halted(tmp_path / "HALT")


def test_a_switch_set_by_hand_counts_whatever_it_holds(tmp_path: Path) -> None:
    switch = tmp_path / "HALT"
    switch.touch()
    assert is_halted(switch)


def test_switch_that_cannot_be_looked_at_is_no_leave_to_trade(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    with pytest.raises(NotADirectoryError):
        is_halted(tmp_path / "state" / "HALT")
