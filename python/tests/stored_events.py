"""Log events of a service, as they are stored."""

from __future__ import annotations

import json
import pathlib
import sqlite3

import soundpost


def events(directory, logger=None):
    """Returns the stored events as dicts: those of one logger, or all but the start event."""
    assert soundpost.flush(10)
    store = sqlite3.connect(f"file:{pathlib.Path(directory) / 'store.sqlite'}?mode=ro", uri=True)
    try:
        store.row_factory = sqlite3.Row
        rows = [dict(row) for row in store.execute("SELECT * FROM events ORDER BY sequence")]
    finally:
        store.close()
    for row in rows:
        row["fields"] = json.loads(row["fields"])
    return [
        row for row in rows if row["logger"] == logger or (logger is None and row["logger"] != "soundpost")
    ]
