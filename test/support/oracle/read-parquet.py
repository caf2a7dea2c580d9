# Reads Parquet with pyarrow, which shares no code with DuckDB: for each file given, one line of JSON with the types of
# the columns, the number of rows, and a checksum over all rows in any order.
import hashlib
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def text(value):
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


for name in sys.argv[1:]:
    table = pq.ParquetFile(name).read()
    types = {field.name: str(field.type) for field in table.schema}
    # A time is its number of microseconds.
    columns = [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in table.columns
    ]
    rows = sorted("\x1f".join(text(value) for value in row).encode() for row in zip(*columns))
    checksum = hashlib.sha256(b"\x1e".join(rows)).hexdigest()
    print(json.dumps({"types": types, "rows": len(rows), "checksum": checksum}))
