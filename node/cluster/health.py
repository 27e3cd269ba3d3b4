"""What a node of a local network says at its metrics port of how well it is."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from node.cluster.layout import Options

HEALTH_SECONDS_MAX = 2.0
"""For one node to answer."""
HEALTH_BYTES_MAX = 256 * 1024


def ask_health(options: Options, node: int) -> dict[str, Any] | None:
    """The document of a node's /health (docs/operating.md); None when it does not answer."""
    parts = urlsplit(options.metrics_url(node))
    assert parts.hostname is not None, "an address of our own making"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=HEALTH_SECONDS_MAX)
    try:
        connection.request("GET", "/health")
        health = json.loads(connection.getresponse().read(HEALTH_BYTES_MAX))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return health if isinstance(health, dict) else None
