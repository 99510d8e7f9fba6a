"""Policies that are served over a WebSocket, and what serves them; needs the extra ``remote``."""

from metasim.policies.remote.client import Remote, Served, remote
from metasim.policies.remote.messages import PROTOCOL, RemoteFailure
from metasim.policies.remote.server import PolicyServer
from metasim.policies.remote.specification import Specification

__all__ = ["PROTOCOL", "PolicyServer", "Remote", "RemoteFailure", "Served", "Specification", "remote"]
