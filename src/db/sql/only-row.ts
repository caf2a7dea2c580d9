// The row of a statement that always returns exactly one, such as a count without GROUP BY.

/** Throws if there is not exactly one row. A default in its place would hide a mistake in the statement. */
export function onlyRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined || rows.length > 1)
    throw new Error(`a statement returned ${rows.length} rows, not one`);
  return row;
}
