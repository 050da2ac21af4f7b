"""Budgets: what runs have cost, what they may cost, and what waits because it is used up."""
