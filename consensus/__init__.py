"""Agreement and the beacon chain: the Simplex engine, committees, epochs and the beacon state transition; pure."""
