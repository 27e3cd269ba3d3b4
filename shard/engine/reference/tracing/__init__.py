"""Watching transactions and simulated calls run: what geth's tracers tell, written out as JSON where it comes up."""
