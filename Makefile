# Every command of the project. `make run` is all that a newcomer needs.

.PHONY: run test check bench clean setup setup-dev

PYTHON_IN_VENV = .venv/bin/python

run: setup
	@exec $(PYTHON_IN_VENV) -m opcode_htmx

# ruff, mypy, then the tests; the last line is pytest's own.
test: check
	@$(PYTHON_IN_VENV) scripts/chromium.py
	@$(PYTHON_IN_VENV) -m pytest

check: setup-dev
	@$(PYTHON_IN_VENV) -m ruff check --quiet .
	@$(PYTHON_IN_VENV) -m ruff format --check --quiet .
	@$(PYTHON_IN_VENV) -m mypy

bench: setup-dev
	@$(PYTHON_IN_VENV) -m bench

clean:
	rm -rf .venv .cache static/vendor tests/vendor .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@sh scripts/venv.sh requirements.txt
	@$(PYTHON_IN_VENV) scripts/browser_files.py
	@$(PYTHON_IN_VENV) scripts/claude_cli.py

setup-dev:
	@sh scripts/venv.sh requirements.txt requirements-dev.txt
	@$(PYTHON_IN_VENV) scripts/browser_files.py --tests
	@$(PYTHON_IN_VENV) scripts/claude_cli.py
