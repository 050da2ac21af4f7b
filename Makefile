# Every command of the project. `make run` is all that a newcomer needs.

.PHONY: run pair doctor install test unit style check attack bench chaos drift reference end-runs lock wheel deb clean setup setup-dev

PYTHON_IN_VENV = .venv/bin/python

run: setup
	@exec $(PYTHON_IN_VENV) -m opcode_htmx

# A QR code that logs in a phone to the running server; with the PORT and HOST that it was started with.
pair: setup
	@$(PYTHON_IN_VENV) -m opcode_htmx pair

# A service of this user, with a copy of this checkout; again after `git pull`, to upgrade it.
install:
	@sh scripts/service_manager.sh
	@$(MAKE) --no-print-directory setup
	@$(PYTHON_IN_VENV) scripts/install.py $(if $(UNCONFINED),--unconfined)

# What the server needs of this machine, and how to mend it.
doctor: setup
	@$(PYTHON_IN_VENV) -m opcode_htmx doctor

# ruff, then mypy beside the tests, which mostly wait for one another's processes: six at a time fit
# two cores. What fails with real processes is run once more, and reported; docs/decisions/0088 says
# why. The last line is pytest's own, unless mypy finds something.
test: style
	@$(PYTHON_IN_VENV) scripts/chromium.py
	@$(PYTHON_IN_VENV) scripts/debian_programs.py
	@sh scripts/test.sh --numprocesses 6 --dist worksteal \
		--max-suite-reruns 5 --rerun-show-tracebacks

# The tests that start no server, no browser, no run and no CLI.
unit: setup-dev
	@$(PYTHON_IN_VENV) -m pytest --numprocesses 4 --dist worksteal -m unit

style: setup-dev
	@$(PYTHON_IN_VENV) -m ruff check --quiet .
	@$(PYTHON_IN_VENV) -m ruff format --check --quiet .

check: style
	@$(PYTHON_IN_VENV) -m mypy

# Every vector of the injection corpus through every channel, in the browser; the tests take some.
attack: setup-dev
	@$(PYTHON_IN_VENV) scripts/chromium.py
	@ATTACK=1 $(PYTHON_IN_VENV) -m pytest --numprocesses 2 tests/security/content/test_injection.py

bench: setup-dev
	@$(PYTHON_IN_VENV) -m bench

# As many runs as that, on servers that break; SEED=… RUNS=… MINUTES=… WORKERS=… choose. KEEP=1 puts
# the counts into docs/reliability.md.
chaos: setup-dev
	@$(PYTHON_IN_VENV) -m chaos $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(WORKERS),--workers $(WORKERS)) \
		$(if $(KEEP),--keep)

# What the newest Claude CLI writes that this code does not know. INSTALLED=1 takes the tests' CLI,
# CLAUDE=… another one; KEEP=1 notes the result in docs/cli-versions.md.
drift: setup-dev
	@$(PYTHON_IN_VENV) -m drift $(if $(INSTALLED),--installed) $(if $(CLAUDE),--claude $(CLAUDE)) \
		$(if $(KEEP),--keep)

# The tables of docs/ that list what features declare.
reference: setup-dev
	@$(PYTHON_IN_VENV) scripts/reference.py

# End every run that an earlier server has left going.
end-runs: setup
	@$(PYTHON_IN_VENV) -m opcode_htmx.end_runs

# Pin what pyproject.toml allows, with hashes for every platform and Python, in both requirements
# files. Pins stay as they are where they can; UPGRADE=1 takes the newest of all.
lock: setup-dev
	@sh scripts/lock.sh $(if $(UPGRADE),--upgrade)

# dist/*.whl, which pipx and uvx can install: the app, its templates, static and browser files.
wheel: setup-dev
	@$(PYTHON_IN_VENV) -m hatchling build --target wheel

# dist/*.deb, for the Debian or Ubuntu that this runs on; see deploy/debian/build.sh for what it needs.
deb: setup-dev
	@sh deploy/debian/build.sh

clean:
	rm -rf .venv .cache build dist static/vendor tests/vendor .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@sh scripts/venv.sh requirements.txt
	@$(PYTHON_IN_VENV) scripts/browser_files.py
	@$(PYTHON_IN_VENV) scripts/claude_cli.py

setup-dev:
	@sh scripts/venv.sh requirements.txt requirements-dev.txt
	@$(PYTHON_IN_VENV) scripts/browser_files.py --tests
	@$(PYTHON_IN_VENV) scripts/claude_cli.py
