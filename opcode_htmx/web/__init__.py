"""The web room: translates between HTTP and the rooms to its left, and decides nothing itself."""
