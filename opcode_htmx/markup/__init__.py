"""Foreign text to safe HTML, and the text formats that it comes in."""
