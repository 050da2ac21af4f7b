"""Files and folders: written whole, locked, watched, confined, and a disk that is full."""
