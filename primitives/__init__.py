"""Types, containers, hashing, signatures, parameters and errors that every other package speaks in; imports nothing of ours."""
