"""What the golden tests share: clean processes, recordings of servers, and their shapes."""
