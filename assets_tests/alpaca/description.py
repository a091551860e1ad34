"""The public OpenAPI description of Alpaca's trading API, and what is not as it describes.

It is not part of the project: TRADING_ASSETS_REFERENCE names the directory that holds
`alpaca-trading-openapi.json`, or it is looked for in `../shared/reference` beside the project.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

NAME = "alpaca-trading-openapi.json"
BESIDE = Path(__file__).parents[2].parent / "shared" / "reference"
HOST = "https://paper-api.alpaca.markets"
JSON = "application/json"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as they were on the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    sent: bytes
    status: int
    answer: bytes
    content_type: str = JSON


def public_description() -> OpenAPI:
    """The description; skips the test where it is not there."""
    path = Path(os.environ.get("TRADING_ASSETS_REFERENCE", BESIDE)) / NAME
    if not path.exists():
        pytest.skip(
            f"{NAME} is not at {path.parent}: set TRADING_ASSETS_REFERENCE to its directory"
        )
    described = json.loads(path.read_text())
    # Of one type's activities it says `oneOf` two schemas that a fill satisfies both; of all
    # activities, in the same words, `anyOf`.
    get = described["paths"]["/v2/account/activities/{activity_type}"]["get"]
    rows = get["responses"]["200"]["content"][JSON]["schema"]["items"]
    rows["anyOf"] = rows.pop("oneOf")
    return OpenAPI.from_dict(described)


def faults_of(description: OpenAPI, exchange: Exchange) -> list[str]:
    """What in a request (path, parameters, body) and its answer (status, body) is not as
    described; each says whether it is the request's or the answer's."""
    headers = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    request = MockRequest(
        HOST,
        exchange.method.lower(),
        exchange.path,
        args=dict(exchange.query),
        headers=headers,
        data=exchange.sent or None,
    )
    response = MockResponse(
        exchange.answer, status_code=exchange.status, content_type=exchange.content_type
    )
    found = []
    for what in ("request", "answer"):
        try:
            if what == "request":
                description.validate_request(request)
            else:
                description.validate_response(request, response)
        except OpenAPIError as error:
            causes = getattr(error.__cause__, "schema_errors", None) or [error.__cause__]
            reasons = "; ".join(str(cause).splitlines()[0] for cause in causes)
            place = f"{exchange.method} {exchange.path} {exchange.status}"
            found.append(f"{what} of {place}: {error}: {reasons}")
    return found
