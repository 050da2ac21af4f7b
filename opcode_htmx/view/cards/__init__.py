"""What the cards of Claude's tools show: one function for each kind of tool."""
