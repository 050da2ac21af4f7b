"""Lists, search and sums over years of sessions, for people and for programs."""
