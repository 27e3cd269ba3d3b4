"""What a person should know before a network is reachable."""

from __future__ import annotations

import ipaddress

import click

from node.cluster.layout import Options


def warn_of_reach(options: Options) -> None:
    """Warns when the test accounts, whose keys are public, can be used from other machines."""
    try:
        is_local = ipaddress.ip_address(options.listen_host).is_loopback
    except ValueError:
        is_local = options.listen_host == "localhost"
    if not is_local:
        click.echo(
            f"warning: {options.listen_host} can be reached from outside, and the keys of the test accounts are public: "
            "whoever reaches the ports can spend what they hold",
            err=True,
        )
