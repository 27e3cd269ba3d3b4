"""Benchmarks against a real local network: `make bench`, or `python -m benchmarks NAME ... [--out FILE]`."""
