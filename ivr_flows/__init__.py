"""Voice flows: their language, its loader and the pure machine that walks them."""
