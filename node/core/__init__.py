"""The pure core of a node: what it does about each event, as effects; the daemon and the simulator drive the same code."""
