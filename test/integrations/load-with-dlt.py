"""Loads schema risk into DuckDB with dlt's sql_database: load-with-dlt.py load|print <database url> <folder>

`load` is what docs/feeds.md shows: only rows that are new, merged by the primary key. `print` writes the rows of DuckDB
as JSON lines, times in UTC.
"""
import json
import sys

import dlt
import duckdb
from dlt.sources.sql_database import sql_database

KEYS = {
    "accounts": ["account_key"],
    "sync_runs": ["account_key", "run_id"],
    "snapshots": ["account_key", "snapshot_id"],
    "snapshot_levels": ["account_key", "snapshot_id", "max_risk_level"],
    "users": ["account_key", "user_key"],
    "user_identities": ["account_key", "user_key", "valid_from"],
    "user_levels": ["account_key", "user_key", "valid_from"],
    "user_activity": ["account_key", "user_key", "observed_at"],
}


def load(url, folder):
    source = sql_database(url, schema="risk", table_names=list(KEYS), reflection_level="full")
    for name, key in KEYS.items():
        mark = "feed_id" if name in ("accounts", "sync_runs") else "snapshot_id"
        source.resources[name].apply_hints(
            incremental=dlt.sources.incremental(mark), primary_key=key, write_disposition="merge"
        )
    # SQLAlchemy 2.1 has a name for this type that dlt does not know: a column without a value would be left out.
    for name in ("sync_runs", "snapshots"):
        source.resources[name].apply_hints(columns={"expected_unseen": {"data_type": "double"}})
    pipeline = dlt.pipeline(
        "zt_risk_sync",
        pipelines_dir=f"{folder}/pipelines",
        destination=dlt.destinations.duckdb(f"{folder}/warehouse.duckdb"),
        dataset_name="risk",
    )
    pipeline.run(source).raise_on_failed_jobs()


def print_rows(folder):
    db = duckdb.connect(f"{folder}/warehouse.duckdb", read_only=True)
    db.execute("set timezone = 'UTC'")
    for table in KEYS:
        columns = db.execute(f"describe risk.{table}").fetchall()
        wanted = sorted(name for name, *_ in columns if not name.startswith("_dlt"))
        rows = db.execute(f"select {', '.join(f'cast({name} as varchar)' for name in wanted)} from risk.{table}")
        for row in rows.fetchall():
            print(json.dumps([table, dict(zip(wanted, row))]))


command, url, folder = sys.argv[1:]
if command == "load":
    load(url.replace("postgres://", "postgresql+psycopg2://"), folder)
else:
    print_rows(folder)
