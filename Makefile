# The two commands of the README are `make demo` and `make test`; everything else is for development.
PY ?= python3
BIN := .venv/bin
UV := .cache/uv/bin/uv
STAMP := .venv/.ready

.PHONY: setup demo test test-long check lock bench bitcoind guests guests-check clean
setup: $(STAMP)

$(UV):
	@echo "setup: installing uv into .cache/uv" >&2
	@$(PY) -m venv .cache/uv && .cache/uv/bin/python -m pip install -q --disable-pip-version-check uv==0.13.9

$(STAMP): requirements.lock pyproject.toml | $(UV)
	@echo "setup: filling .venv from requirements.lock" >&2
	@test -x $(BIN)/python || $(UV) venv -q --python $(PY) .venv
	@$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

lock: | $(UV)
	$(UV) pip compile -q pyproject.toml --group dev --universal --prerelease if-necessary --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url -o requirements.lock

demo: setup
	@$(BIN)/btc-l2 demo honest
	@$(BIN)/btc-l2 demo fraud

test: setup
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long"

test-long: setup
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Bitcoin Knots from Debian unstable, unpacked into .cache/bitcoind; the system itself is not changed.
bitcoind: setup
	@$(BIN)/python -m regtest.node_install

# The guests' images are committed; building them needs Debian's gcc-mips-linux-gnu and gcc-mipsel-linux-gnu.
guests: setup
	@$(BIN)/python guest/build

guests-check: setup
	@$(BIN)/python guest/build --check

clean:
	rm -rf .venv .cache out
