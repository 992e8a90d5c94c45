"""Reading rows from files: CSV, JSON lines, a JSON array or Parquet, compressed or not, one row at a time."""
