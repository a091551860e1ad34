"""`warehouse`: a DuckDB file with a view over each projection, for people and their tools."""

from collections.abc import Sequence

import dagster as dg
from dagster_duckdb import DuckDBResource

from trading_assets.resources import LakeResource
from trading_assets.settings import PortfolioSettings


def build_warehouse(portfolios: Sequence[PortfolioSettings]) -> dg.AssetsDefinition:
    """The asset `warehouse`: views `<portfolio>.<asset>`, one schema for each portfolio."""

    @dg.asset(
        group_name="reporting",
        kinds={"duckdb"},
        deps=[dg.AssetDep(dg.AssetKey([p.id, "pnl_daily"])) for p in portfolios],
        description="Views over every projection: `select * from sample.pnl_daily`. They read the "
        "files as they are when asked, so this needs to run only once, or for a new portfolio.",
    )
    def warehouse(lake: LakeResource, warehouse: DuckDBResource) -> dg.MaterializeResult[None]:
        views = []
        with warehouse.get_connection() as connection:
            for portfolio in portfolios:
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{portfolio.id}"')
                for folder in sorted(lake.open(portfolio).folder.glob("*")):
                    pattern = f"{folder}/session=*/data.parquet".replace("'", "''")
                    connection.execute(
                        f'CREATE OR REPLACE VIEW "{portfolio.id}"."{folder.name}" AS '
                        f"SELECT * FROM read_parquet('{pattern}', union_by_name=true)"
                    )
                    views.append(f"{portfolio.id}.{folder.name}")
        return dg.MaterializeResult(
            metadata={
                "views": dg.MetadataValue.table(
                    [dg.TableRecord({"view": view}) for view in views] or [dg.TableRecord({})]
                ),
                "database": dg.MetadataValue.path(warehouse.database),
            }
        )

    return warehouse
