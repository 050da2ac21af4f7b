"""Make the cards of tool calls: one function for each kind of tool."""
