"""The verb ``serve-policy``: a policy for other processes, machines and languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from metasim.cli.options import TaskModules, policy_name
from metasim.cli.output import note, plain
from metasim.cli.pictures import one_task

Word = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="POLICY")]
Task = Annotated[str, tyro.conf.arg(metavar="TASK")]


@dataclass(frozen=True, kw_only=True)
class ServePolicy:
    """Serve a policy over a WebSocket until Ctrl-C; other verbs take it as --policy remote:url=ws://HOST:PORT.

    docs/remote_policies.md has the protocol. Whoever reaches the port may use the policy; nothing is encrypted.

    Args:
        policy: Name of the policy, a file or folder that train wrote, or replay:FILE.
        task: Task that it is served for.
        host: Address to listen at; 0.0.0.0 for all of this machine's.
        port: Port; 0 for any that is free, which is printed.
        sessions: Most clients' sessions at a time; each worker process of a run has one.
        task_module: A file that registers tasks; may be given several times.
    """

    policy: Word
    task: Task
    host: str = "127.0.0.1"
    port: int = 8765
    sessions: int = 64
    task_module: TaskModules = ()

    def run(self) -> int:
        """Serve."""
        from metasim.policies.remote import PolicyServer

        server = PolicyServer(policy_name(self.policy), one_task(self.task), self.host, self.port, self.sessions)
        note(f"{server.specification.name} for {server.specification}")
        plain(f"remote:url=ws://{self.host}:{server.port}")
        try:
            server.run()
        finally:
            server.stop()
        return 0
