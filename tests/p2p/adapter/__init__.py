"""The package under test comes first: importing it is what keeps libp2p's own import quiet."""

import p2p.adapter  # noqa: F401
