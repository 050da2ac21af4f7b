"""Tool cards: one function for each kind of tool."""
