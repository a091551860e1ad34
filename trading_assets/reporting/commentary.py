"""What a person writes about a month, as a text file beside the portfolio's data."""

from __future__ import annotations

from pathlib import Path

from trading_assets.errors import InputError
from trading_assets.reporting.monthly_content import Commentary

CHARACTERS_MAX = 20_000


def read_commentary(folder: Path, portfolio: str, month: str) -> Commentary | None:
    """The text of `<folder>/<portfolio>/<YYYY-MM>.txt` (UTF-8, paragraphs apart by an empty line);
    None where there is no such file.

    Raises InputError where it is no text, or longer than 20,000 characters.
    """
    path = folder / portfolio / f"{month}.txt"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise InputError(
            file=str(path), rule="the file is not UTF-8 text", remedy="Save it as UTF-8"
        ) from error
    if len(text) > CHARACTERS_MAX:
        raise InputError(
            file=str(path),
            value=len(text),
            rule=f"a commentary has at most {CHARACTERS_MAX:,} characters",
            remedy="Shorten it",
        )
    return Commentary(text=text.strip(), file=f"{portfolio}/{path.name}")
