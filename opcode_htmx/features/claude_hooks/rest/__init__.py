"""/api/hooks: the hooks for programs, as the pages show, check, write and try them."""
