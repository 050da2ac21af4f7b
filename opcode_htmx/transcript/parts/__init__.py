"""Parts of the fold, one for each kind of block."""
