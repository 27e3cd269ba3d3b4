"""Public test vectors, run by our own code: `make conformance` counts them, `make test` holds them.

A suite is a list of named cases. What a case cannot pass is in exclusions.toml with the reason, and must fail for as long as it is there.
"""
