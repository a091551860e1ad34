"""Strategy signals to reconciled books, as Dagster assets partitioned by trading session."""
