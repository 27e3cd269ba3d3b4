"""Bounds of one engine's memory and traffic; meeting one is observable as `simplex_limit_hits_total` with the limit's name."""

from __future__ import annotations

VIEWS_AHEAD_MAX = 16
"""Views above the current one for which votes, proposals and wakes are kept; certificates are taken at any distance."""
VOTE_VIEWS_BEHIND_MAX = 64
"""Views below the current one for which votes are kept while nothing is final."""
ROOTS_PER_VOTER_MAX = 2
"""Different blocks one validator's votes of one kind and view are kept for: two prove what there is to prove."""
PROPOSALS_PER_VIEW_MAX = 3
"""Different proposals of one view."""
PARENTS_PER_PROPOSAL_MAX = 4
"""Parent certificates kept for one proposed block, the newest; its leader's vote does not cover them, so a relay could swap them."""
PROPOSAL_BYTES_HELD_MAX = 16 * 1024 * 1024
"""Block bytes held in waiting proposals; above it only the rest of a proposal is kept and the block is pulled by its root."""
CERTIFIED_VIEWS_MAX = 65_536
"""Views above the newest finalization whose certificates are kept; the oldest go first."""
RESEND_VIEWS_MAX = 64
"""Newest views whose own votes are sent again."""
ANSWERED_PEERS_MAX = 1024
"""Peers remembered as answered lately."""
REPORTED_MAX = 4096
"""Validators and views remembered as reported for evidence."""
CERTIFICATES_PER_ANSWER_MAX = 256
"""Certificates handed out for one request."""
WANTED_MAX = 1024
"""Requests remembered as made lately."""
