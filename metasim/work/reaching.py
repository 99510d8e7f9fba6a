"""Whether there is a Ray cluster at an address: told within a bounded time, which Ray itself does not do."""

from __future__ import annotations

import re
import socket
import subprocess
import sys

from metasim.core.errors import EngineFailure, InvalidConfig

_CONNECT_S = 5.0
_ANSWER_S = 30.0
_PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level=40); ray.shutdown()"
_TOKEN = (
    "the Ray cluster at {!r} asks for its token: put it into ~/.ray/auth_token (`ray get-auth-token` on the first"
    " machine prints it), and export RAY_AUTH_MODE=token"
)


def check_address(address: str) -> None:
    """Refuse what cannot be an address.

    Raises:
        InvalidConfig: If it is neither ``auto`` nor ``HOST:PORT``.
    """
    if address != "auto" and not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):\d{1,5}", address):
        hint = "; run on a machine of the cluster, and give that" if address.startswith("ray://") else ""
        raise InvalidConfig(f"a Ray address is 'local', 'auto' or HOST:PORT, got {address!r}{hint}")


def check_reachable(address: str) -> None:
    """Return if a Ray cluster answers there.

    Another process tries it first: where nothing answers, Ray blocks for minutes and ends the process.

    Raises:
        EngineFailure: If none does, within about half a minute.
    """
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
        except (OSError, OverflowError) as error:
            raise _nothing(address, f"{error}") from error
    try:
        subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_ANSWER_S,
            text=True,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise _nothing(address, f"it gave no answer in {_ANSWER_S:g} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
        if "InvalidAuthToken" in error.stderr:
            raise EngineFailure(_TOKEN.format(address)) from error
        raise _nothing(address, lines[-1] if lines else f"the attempt ended with {error.returncode}") from error


def _nothing(address: str, reason: str) -> EngineFailure:
    return EngineFailure(
        f"no Ray cluster to use at {address!r}: {reason.rstrip('.')}. `ray start --head` starts one, and says its"
        f" address; this machine must be part of it. With 'local', one is started for this run"
    )
