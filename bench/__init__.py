"""Measurements: `make bench` makes all and writes `docs/benchmarks.md`; `python -m bench NAME` prints one section."""
