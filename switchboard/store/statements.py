"""SQL text for the drivers' own bulk insert, which takes tuples and skips a dictionary a row."""

from __future__ import annotations

from sqlalchemy import Engine, Table, insert


def insert_statement(table: Table, engine: Engine) -> str:
    """`INSERT INTO … VALUES (?, …)` with all columns in the table's order."""
    return str(insert(table).compile(engine, column_keys=[column.name for column in table.columns]))
