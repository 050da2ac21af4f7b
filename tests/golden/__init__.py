"""What users, scripts and old state folders rely on, held by files that say what it is today.

Each test module is one contract and has its golden file in `data/`. Where a change of a contract
is meant, `GOLDEN=write pytest tests/golden` writes the files anew, and their diff shows the change.
"""
