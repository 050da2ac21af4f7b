"""Reading git repositories that nobody vouches for, without letting them run anything."""
