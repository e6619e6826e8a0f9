"""The one error of `tools.servers`."""


class ServerError(Exception):
    """No server could be had, or one that was started misbehaved; says why."""
