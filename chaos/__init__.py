"""Break things while runs go on, and check that nothing is lost and nothing left: `make chaos`."""
