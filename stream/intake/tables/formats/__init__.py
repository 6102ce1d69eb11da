"""The formats of files of history: each gives columns of plain types, in batches of rows."""
