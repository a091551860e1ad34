"""Addresses to which a secret may be sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from trading_assets.errors import ConfigurationError


def require_safe_url(name: str, text: str | None) -> None:
    """Keys go out encrypted, or not at all beyond this machine; no text is no address.

    Raises ConfigurationError, which names the variable and not its value.
    """
    if not text:
        return
    url = urlsplit(text)
    if url.scheme == "https" and url.hostname:
        return
    if url.scheme != "http" or url.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigurationError(
            f"{name} must begin with https:// (http:// is for this machine alone), or be unset "
            "for the broker's own host."
        )
