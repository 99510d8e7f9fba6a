"""A show in a browser: the server, the loop that drives the show, and what people's clicks do to it.

One thread, the one that calls :meth:`Viewer.run`, owns the show and its engine. Clicks arrive on threads of the
server's and are queued; :class:`~metasim.core.errors.MetasimError` that they lead to becomes a message in the browser.
"""

from __future__ import annotations

import contextlib
import io
import queue
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from metasim.core.errors import InvalidConfig, MetasimError, MissingDependency
from metasim.view.live.panel import Panel
from metasim.view.live.shapes import shapes
from metasim.view.live.show import Show
from metasim.view.live.stage import Stage, first_camera, plain_light

if TYPE_CHECKING:
    import viser

RATE_HZ = 30.0
PANEL_PERIOD_S = 0.2
SAID_S = 8.0
HOW_TO_GET_IT = "the live view needs the extra 'view': pip install \"metasim-robotics[view]\""


class Viewer:
    """A show, served.

    Args:
        show: What is shown.
        host: Address to listen at; ``"0.0.0.0"`` lets other machines in.
        port: Port; 0 for any that is free.
        camera: Name of the scene's camera to begin from; empty for the first.
        title: Line above the controls.

    Attributes:
        url: Where a browser finds it.
        messages: What went wrong and was shown in the browser, in order.
        updates: Times that poses were sent.

    Raises:
        MissingDependency: If viser is not installed.
        InvalidConfig: If the port is in use, or no port.
    """

    def __init__(
        self, show: Show, *, host: str = "127.0.0.1", port: int = 8080, camera: str = "", title: str = "metasim"
    ) -> None:
        self.show, self._camera = show, camera
        self.messages: list[str] = []
        self.updates = 0
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._stopped = False
        port = free_port(host, port)
        self._server = _serve(host, port, title)
        self.url = f"http://{'localhost' if host in ('0.0.0.0', '127.0.0.1') else host}:{port}"
        try:
            plain_light(self._server.scene)
            self._set_stage()
            self._panel = Panel(self._server.gui, self._server.scene, show, self.post)
            self._panel.refresh()
        except BaseException:
            self.close()
            raise

    @property
    def browsers(self) -> int:
        """How many browsers look on."""
        return len(self._server.get_clients())

    @property
    def server(self) -> viser.ViserServer:
        """The server, for what is not here."""
        return self._server

    def post(self, command: Callable[[], object]) -> None:
        """Have a command run between two steps; from any thread."""
        self._commands.put(command)

    def run(self, duration_s: float | None = None) -> None:
        """Drive the show until :meth:`stop` is called, or for some time."""
        begun = last = time.perf_counter()
        while not self._stopped:
            now = time.perf_counter()
            if duration_s is not None and now - begun >= duration_s:
                break
            self.turn(now - last)
            last = now
            time.sleep(max(0.0, 1.0 / RATE_HZ - (time.perf_counter() - now)))

    def turn(self, elapsed_s: float) -> None:
        """Do what was clicked, go on by ``elapsed_s`` of real time, and send what changed."""
        if not self._tried(lambda: self.show.tick(elapsed_s)):
            self.show.clock.pause()
        while not self._commands.empty():
            self._tried(self._commands.get_nowait())
        if self.show.version != self._version:
            self._stage.remove()
            self._set_stage()
        with self._server.atomic():
            self.updates += self._stage.update(self.show.frame()) > 0
        self._panel.refresh_if_due(PANEL_PERIOD_S)

    def say(self, message: str) -> None:
        """Show a message in every browser."""
        self.messages.append(message)
        for client in self._server.get_clients().values():
            client.add_notification("This cannot be", message, color="red", auto_close_seconds=SAID_S)

    def stop(self) -> None:
        """End :meth:`run`; from any thread."""
        self._stopped = True

    def close(self) -> None:
        """Close the server; the show stays. May be called twice."""
        self._stopped = True
        with contextlib.redirect_stdout(io.StringIO()):  # it says goodbye there
            self._server.stop()

    def __enter__(self) -> Viewer:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _set_stage(self) -> None:
        show = self.show
        self._stage = Stage(self._server.scene, shapes(show.model), show.frame())
        self._version = show.version
        view, start = first_camera(show.model, self._camera, self._stage.centre), self._server.initial_camera
        start.position, start.look_at, start.fov = view.position, view.look_at, view.fov_rad

    def _tried(self, command: Callable[[], object]) -> bool:
        """Run a command; an error of ours is shown, and the controls go back to what holds."""
        try:
            command()
        except MetasimError as error:
            self.say(str(error))
            self._panel.restore()
            return False
        return True


def free_port(host: str, port: int) -> int:
    """Return ``port`` if it is free, or any that is for 0.

    Raises:
        InvalidConfig: If it is in use, no port, or the host is not one of this machine's.
    """
    if not 0 <= port < 65536:
        raise InvalidConfig(f"a port is a number from 0 (any free one) to 65535, got {port!r}")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InvalidConfig(_refused(host, port, error)) from error
        return int(probe.getsockname()[1])


def _refused(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"host {host!r} is no address of this machine: {error.strerror}"
    if isinstance(error, PermissionError):
        return f"port {port} needs more rights than this user has; take another with --port, from 1024 on"
    return f"port {port} at {host} cannot be had ({error.strerror}); take another with --port {port + 1}, or any with 0"


def _serve(host: str, port: int, title: str) -> viser.ViserServer:
    try:
        import viser
    except ImportError as missing:
        raise MissingDependency(HOW_TO_GET_IT) from missing
    with contextlib.redirect_stdout(io.StringIO()):  # it greets there
        server = viser.ViserServer(host=host, port=port, label=title, verbose=False)
    if server.get_port() != port:  # somebody took it meanwhile
        server.stop()
        raise InvalidConfig(f"port {port} at {host} is in use; take another with --port {port + 1}")
    server.gui.configure_theme(show_logo=False, show_share_button=False)  # sharing would go through a foreign server
    server.gui.main_panel.dock_right()
    return server
