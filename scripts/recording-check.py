"""Reads a Parquet file of records with pyarrow, pandas and DuckDB, and holds what they see against the same
records as JSON lines.

usage: recording-check.py FILE.parquet FILE.jsonl     (needs pyarrow, pandas and duckdb)
"""

import json
import sys

import duckdb
import pandas
import pyarrow.parquet

STREAM = ["origin", "host", "boot", "tgid", "start_ns", "tid", "incarnation", "exec_generation"]


def stream(values, prefix=""):
    """The columns of a stream."""
    row = {prefix + name: values.get(name) for name in STREAM}
    for name in ("incarnation", "exec_generation"):
        row[prefix + name] = values.get(name, 0)
    return row


def expected(record):
    """The row that a record of JSON is."""
    row = {"time_ns": record.get("time_ns")}
    if record["record"] == "call":
        outcome = record.get("outcome", {})
        row |= stream(record["stream"])
        row |= {
            "kind": "call",
            "abi": record["abi"],
            "number": record.get("number"),
            "name": record["name"],
            "returned": outcome.get("returned"),
            "errno": outcome.get("failed"),
        }
    elif record["record"] == "lifecycle":
        status = record.get("status", {})
        row |= stream(record["stream"])
        if "parent" in record:
            row |= stream(record["parent"], "parent_")
        row |= {name: record.get(name) for name in ("kind", "executable", "uid", "cgroup")}
        row |= {"exit_code": status.get("code"), "exit_signal": status.get("signal")}
    else:
        (scope, where), = record["scope"].items()
        if scope == "stream":
            row |= stream(where)
        elif scope == "cpu":
            row |= {"origin": where[0], "gap_cpu": where[1]}
        else:
            row |= {"origin": where}
        row |= {
            "kind": "gap",
            "gap_scope": scope,
            "gap_lost": record.get("lost"),
            "gap_cause": record["cause"],
        }
    return {name: value for name, value in row.items() if value is not None}


def compare(who, rows, wanted):
    """Insists that every row is the one wanted, in order."""
    assert len(rows) == len(wanted), f"{who}: {len(rows)} rows, {len(wanted)} wanted"
    for place, (row, want) in enumerate(zip(rows, wanted)):
        row = {name: value for name, value in row.items() if value is not None}
        assert row == want, f"{who}: row {place} is {row}, not {want}"
    print(f"{who}: {len(rows):,} rows are the same")


def main():
    parquet, jsonl = sys.argv[1:]
    with open(jsonl, encoding="utf-8") as lines:
        wanted = [expected(json.loads(line)) for line in lines]
    table = pyarrow.parquet.read_table(parquet)
    compare(f"pyarrow {pyarrow.__version__}", table.to_pylist(), wanted)
    frame = pandas.read_parquet(parquet, dtype_backend="pyarrow")
    columns = {name: frame[name].array.__arrow_array__().to_pylist() for name in frame.columns}
    rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
    compare(f"pandas {pandas.__version__}", rows, wanted)
    relation = duckdb.sql(f"SELECT * FROM '{parquet}'")
    rows = [dict(zip(relation.columns, values)) for values in relation.fetchall()]
    compare(f"duckdb {duckdb.__version__}", rows, wanted)
    # What they write is read by idiolect again.
    base = parquet.removesuffix(".parquet")
    pyarrow.parquet.write_table(table, base + ".pyarrow.parquet", compression="zstd")
    frame.to_parquet(base + ".pandas.parquet", compression="zstd")
    duckdb.sql(f"COPY (SELECT * FROM '{parquet}') TO '{base}.duckdb.parquet' (COMPRESSION zstd)")


main()
