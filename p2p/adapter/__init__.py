"""The only code that imports libp2p (0.8.1 exactly), hardened against what LIBP2P.md lists as traps."""

import warnings

with warnings.catch_warnings():
    # libp2p imports a module that its authors have since deprecated; nobody here can act on it.
    warnings.simplefilter("ignore", DeprecationWarning)
    import libp2p as _libp2p  # noqa: F401
