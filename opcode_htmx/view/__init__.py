"""What is seen: lines folded into blocks, and blocks as HTML."""
