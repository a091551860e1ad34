"""Books of these tests: in SQLite, and on a PostgreSQL server where one is named."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import settings

# How long an example takes says how loaded the machine is, not whether the code is right.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

SERVER = "TRADING_ASSETS_TEST_POSTGRES_URL"


@pytest.fixture
def postgres_url() -> Iterator[sa.URL]:
    """A schema of its own in the database that TRADING_ASSETS_TEST_POSTGRES_URL names."""
    if not os.environ.get(SERVER):
        pytest.skip(f"no PostgreSQL server: set {SERVER} to the address of a database")
    server = sa.make_url(os.environ[SERVER])
    schema = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    yield server.update_query_dict({"options": f"-csearch_path={schema}"})
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def book_url(request: pytest.FixtureRequest) -> sa.URL | None:
    """Where the book is: None for a file, else a database on the server."""
    if request.param == "sqlite":
        return None
    url = request.getfixturevalue("postgres_url")
    assert isinstance(url, sa.URL)
    return url
