"""The query that the writer answers and that the tests ask."""

QUERY = "SELECT id, name FROM item ORDER BY id, name"
