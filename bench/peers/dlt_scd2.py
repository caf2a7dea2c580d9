"""dlt, merge strategy scd2: dlt_scd2.py <api> <account> <per page> <database url> <folder> csv|arrow

Yields whole pages, as dlt's performance page advises. `arrow` yields Arrow tables, with the row hash that dlt's page on
scd2 requires. The caller sets the workers, in dlt's own variables.
"""
import sys

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

api, account, per_page, database, folder, loader = sys.argv[1:]
SCD2 = {"disposition": "merge", "strategy": "scd2"}


def pages():
    client = RESTClient(base_url=api, paginator=PageNumberPaginator(base_page=1, total_path="result_info.total_pages"))
    path = f"/accounts/{account}/zt_risk_scoring/summary"
    yield from client.paginate(path, params={"per_page": per_page}, data_selector="result.users")


@dlt.resource(name="users", write_disposition=SCD2)
def users_as_objects():
    yield from pages()


@dlt.resource(name="users", write_disposition={**SCD2, "row_version_column_name": "row_hash"})
def users_as_tables():
    import pyarrow as pa
    from dlt.sources.helpers.transform import add_row_hash_to_table

    add_hash = add_row_hash_to_table("row_hash")
    moment = pa.timestamp("us", tz="UTC")
    for page in pages():
        table = pa.Table.from_pylist(page)
        at = table.schema.get_field_index("last_event")
        yield add_hash(table.set_column(at, "last_event", table.column("last_event").cast(moment)))


pipeline = dlt.pipeline(
    pipeline_name="risk",
    pipelines_dir=folder,
    destination=dlt.destinations.postgres(database),
    dataset_name="dlt_risk",
)
pipeline.run(users_as_tables() if loader == "arrow" else users_as_objects(), loader_file_format="csv").raise_on_failed_jobs()
