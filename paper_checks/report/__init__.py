"""Reports of a run: terminal table, one JSON document, one HTML page."""
