"""Claude CLIs on this computer: where they are, their versions, whether one is logged in."""
