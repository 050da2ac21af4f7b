"""Claude's session files: find them, list them, read and extend them."""
