"""Who uses a session through all faults: a person, programs, pages and browsers."""
