"""The assets, and how the process that holds them collects its garbage.

Dagster and the libraries below it are some half a million objects that live as long as the process.
Python's collector walks all of them again and again, mostly while modules are imported and rows are
made: a third of the import and a tenth of a backfill. They are set aside here, before the assets
are imported, and the collector looks for cycles less often. What is freed, and when a reference
count frees it, stays the same.
"""

import gc

gc.freeze()
gc.set_threshold(50_000)
