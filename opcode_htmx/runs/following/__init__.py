"""The files of a run, followed by every worker: lines, record, and what is known from them."""
