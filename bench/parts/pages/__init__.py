"""Single pages: bytes, first paint, and what a long session or a large repository costs."""
