# The two commands of the README are `make demo` and `make test`; everything else is for development.
PY ?= python3
JOBS ?= 2
BIN := .venv/bin
UV := .cache/uv/bin/uv
LOCKED := .venv/.locked
WARM := .venv/.warm
COMPILED := $(wildcard btc_l2/zkvm/kernel/*.py) $(addprefix btc_l2/zkvm/,hashing.py jit.py layout.py llvm.py marks.py warm.py)
RESOLVE = $(UV) pip compile -q --universal --prerelease if-necessary --generate-hashes \
  --no-header --no-annotate --no-emit-index-url

.PHONY: setup demo test test-long check model docs lock bench bitcoind bitcoind-core containers matrix crashes scenarios oracles guests guests-check fuzz clean
setup: $(WARM)
	@:

$(UV):
	@$(PY) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "setup: Python 3.11, 3.12 or 3.13 is needed; name one with PY=…" >&2; exit 1; }
	@$(PY) -c 'import ensurepip, venv' || \
	  { echo "setup: this Python makes no virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "setup: installing uv into .cache/uv" >&2
	@$(PY) -m venv .cache/uv && .cache/uv/bin/python -m pip install -q --disable-pip-version-check uv==0.13.9

$(LOCKED): requirements.lock pyproject.toml | $(UV)
	@echo "setup: filling .venv from requirements.lock" >&2
	@test -x $(BIN)/python || $(UV) venv -q --python $(PY) .venv
	@$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(WARM): $(LOCKED) $(COMPILED)
	@echo "setup: compiling the machine, once" >&2
	@$(BIN)/python -m btc_l2.zkvm.warm
	@touch $@

lock: | $(UV)
	$(RESOLVE) pyproject.toml --group dev -o requirements.lock

demo: setup
	@$(BIN)/btc-l2 demo honest
	@$(BIN)/btc-l2 demo fraud

test: setup
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not long"

test-long: setup
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python docs/generate.py --check

# Every play of the presigned graph, with all its times; then graphs with seeded mistakes, each of which must be found.
model: setup
	@$(BIN)/python -m challenger.model

# docs/costs.md, docs/spec/isa.md and docs/spec/instructions.md
docs: setup
	@$(BIN)/python docs/generate.py

# Writes docs/benchmarks.md; takes as long as the default tests and five minutes more. The machine's peers: Unicorn and QEMU.
# What takes long is measured when it is named: .venv/bin/python -m bench growth --write
bench: setup
	@$(BIN)/python -m bench

# Bitcoin Knots from Debian unstable, unpacked into .cache/bitcoind; the system itself is not changed.
bitcoind: setup
	@$(BIN)/python -m regtest.node.knots_install

# QEMU's MIPS emulators from Debian 12 for the tests that compare with them, unpacked into .cache/oracles.
oracles: setup
	@$(BIN)/python -m regtest.node.oracles_install

# Bitcoin Core, built from the source package of py-bitcoinkernel into .cache/bitcoind-core (docs/nodes.md).
bitcoind-core: setup
	@$(BIN)/python -m regtest.node.core_build --jobs $(JOBS)

# Images of node and package on a base made of Debian's packages (docs/containers.md); needs docker.io, mmdebstrap, dockerd.
containers: setup
	@$(BIN)/python -m regtest.node.image

# Ten thousand games and more against falsehoods of each kind (docs/spec/matrix.md); the table is out/matrix.txt.
matrix: setup
	@$(BIN)/python -m tests.challenger.matrix

# Every scenario on libbitcoinkernel, Knots, Core and a node in a container (docs/regtest.md); the table is out/scenarios.txt.
scenarios: setup
	@$(BIN)/python -m regtest.comparison

# Every party dies at points of every story (docs/spec/crashes.md), a quarter of an hour; the table is out/crashes.txt.
crashes: setup
	@$(BIN)/python -m tests.regtest.crash_matrix

# Parsers of foreign bytes under libFuzzer, SECONDS in all, in bounded memory (tests/fuzz, docs/security.md).
SECONDS ?= 900
fuzz: setup
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

# The guests' images are committed; building them needs Debian's gcc-mips-linux-gnu and gcc-mipsel-linux-gnu.
guests: setup
	@$(BIN)/python guest/build
	@$(BIN)/python guest/profile

guests-check: setup
	@$(BIN)/python guest/build --check

clean:
	rm -rf .venv .cache out
