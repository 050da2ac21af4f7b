"""What lives: Claude's processes, the folders they write to, and the verbs that steer them."""
