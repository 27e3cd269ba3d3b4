"""Requests made up from the schemas of all methods, and a corpus of what is no request: every answer is well-formed."""
