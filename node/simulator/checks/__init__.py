"""What must hold after every event, over all honest nodes together (design page AGREEMENT).

- `agreement`: one block a height, the same result of it everywhere, nothing final taken back
- `value`: supply to the wei, receipts at most once and in the order of their channel
- `conduct`: nobody honest is blamed or slashed, everybody who contradicts itself is
- `progress`: finality within a number of views once the network is whole, and bounded memory
"""

from node.simulator.checks.facade import Checks

__all__ = ["Checks"]
