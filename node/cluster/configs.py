"""What each start of a local network writes anew into its nodes' configurations, so that a node started by hand runs as the others do."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import tomli_w

from node.cluster.layout import Layout, Options, replace_file
from primitives.errors import InvalidConfig

_DECIDED_ANEW = ("persona", "log_file", "log_format")


def settle_configs(layout: Layout, options: Options, personas: Mapping[int, str], log_format: str | None = None) -> None:
    """Gives each node of a folder its log and its persona, and takes a persona from all others.

    Raises:
        InvalidConfig: a configuration cannot be read.
    """
    for node in range(options.nodes):
        path = layout.config(node)
        try:
            settings = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InvalidConfig("", f"{path} cannot be changed ({error}): use --fresh") from error
        changed = {name: value for name, value in settings.items() if name not in _DECIDED_ANEW}
        changed["log_file"] = layout.log(node).name
        if log_format is not None:
            changed["log_format"] = log_format
        if node in personas:
            changed["persona"] = personas[node]
        if changed != settings:
            replace_file(path, tomli_w.dumps(changed))
