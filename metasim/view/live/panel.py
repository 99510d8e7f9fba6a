"""The controls beside the scene: run and pause, one step, speed, numbers and curves; the rest is the show's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from metasim.view.live.live_controls import LiveControls
from metasim.view.live.playback import Playback
from metasim.view.live.playback_controls import PlaybackControls
from metasim.view.live.session import Session
from metasim.view.live.show import SPEEDS, Show, Status
from metasim.view.live.stage import plain_light, rich_light

Array = Any
Post = Callable[[Callable[[], object]], None]
POINTS = 400
"""Points of a curve at most; longer episodes are thinned out."""
CURVE_HEIGHT = 160
INK, GREEN, RED = "#3b6fb6", "#3f9b57", "#c0504d"


class Controls(Protocol):
    """A show's own controls."""

    def refresh(self) -> None:
        """Show what holds now."""
        ...

    def restore(self) -> None:
        """Put every control back to what holds."""
        ...


class Panel:
    """Controls for a show.

    Args:
        gui: The controls of a viser server.
        scene: Its scene, for what is dragged there.
        show: What they drive.
        post: Queues what a click asks for.
    """

    def __init__(self, gui: Any, scene: Any, show: Show, post: Post) -> None:
        self._gui, self._scene, self._show, self._post = gui, scene, show, post
        self._shown_at = 0.0
        self._drawn: Any = None
        self._rich = False
        self._build()

    def refresh_if_due(self, period_s: float) -> None:
        """Refresh unless that was less than ``period_s`` ago."""
        if time.perf_counter() - self._shown_at >= period_s:
            self.refresh()

    def refresh(self) -> None:
        """Show what holds now."""
        self._shown_at = time.perf_counter()
        status, paused = self._show.status(), self._show.clock.paused
        self._run.label = "Run" if paused else "Pause"
        text = words(status, paused)
        if self._text.content != text:
            self._text.content = text
        self._draw(status)
        self._own.refresh()

    def restore(self) -> None:
        """Put every control back to what holds."""
        self._speed.value = _named(self._show.clock.speed)
        self._own.restore()
        self.refresh()

    def _build(self) -> None:
        gui, show = self._gui, self._show
        self._text = gui.add_markdown("")
        self._run = gui.add_button("Run")
        step = gui.add_button("Step")
        names = list(dict.fromkeys([*map(_named, SPEEDS), _named(show.clock.speed)]))
        self._speed = gui.add_dropdown("Speed", names, initial_value=_named(show.clock.speed))
        self._run.on_click(lambda _: self._post(self._toggle))
        step.on_click(lambda _: self._post(show.step))
        self._speed.on_update(lambda event: self._post(lambda: show.clock.set_speed(float(event.target.value[1:]))))
        shadows = gui.add_checkbox("Shadows", self._rich, hint="For machines with a graphics card.")
        shadows.on_update(lambda event: self._light(bool(event.target.value)))
        self._own: Controls
        if isinstance(show, Session):
            self._own = LiveControls(gui, self._scene, show, self._post)
        elif isinstance(show, Playback):
            self._own = PlaybackControls(gui, show, self._post)
        self._drawn = None
        empty = np.array([0.0, 1.0])
        self._curve = gui.add_uplot(
            data=(empty, empty * 0, empty * 0, empty * 0),
            series=(
                {"label": "step"},
                {"label": "reward", "stroke": INK, "width": 2},
                {"label": "solved", "stroke": GREEN, "fill": "rgba(63,155,87,0.15)", "scale": "share"},
                {"label": "now", "stroke": RED, "width": 1, "scale": "share"},
            ),
            scales={"x": {"time": False}, "share": {"range": (0.0, 1.05)}},
            title="reward",
            height=CURVE_HEIGHT,
        )

    def _light(self, rich: bool) -> None:
        self._rich = rich
        (rich_light if rich else plain_light)(self._scene)

    def _toggle(self) -> None:
        show = self._show
        if isinstance(show, Playback) and show.clock.paused:
            show.play()
        else:
            show.clock.pause(not show.clock.paused)
        self.refresh()

    def _draw(self, status: Status) -> None:
        rewards, successes = self._show.curves()
        key = len(rewards), status.step, status.episode, status.seed, status.total
        if key != self._drawn and len(rewards) > 1:
            self._drawn = key
            self._curve.data = curve_data(rewards, successes, status.step)


def words(status: Status, paused: bool) -> str:
    """Return a status as a few lines of Markdown."""
    state = "over" if status.ended else "paused" if paused else "running"
    solved = "**solved**" if status.success else "solved before" if status.solved else "not solved"
    lines = [
        f"**{status.task}**",
        f"{status.policy} in {status.backend} · seed {status.seed} · episode {status.episode}",
        f"{state} · step {status.step} of {status.steps} · {status.time_s:.2f} s",
        f"reward {status.reward:.3f} · sum {status.total:.2f} · {solved}",
    ]
    if status.num_worlds > 1:
        lines.append(f"{status.solved_worlds} of {status.num_worlds} worlds solved; the first one's numbers are shown")
    if status.contacts:
        lines.append("touching: " + ", ".join(f"{pair} {force:.1f} N" for pair, force in status.contacts))
    if status.failure:
        lines.append(f"the engine gave up: {status.failure}")
    return "\n\n".join(lines)


def curve_data(rewards: Sequence[float], successes: Sequence[bool], now: int) -> tuple[Array, Array, Array, Array]:
    """Return steps, rewards, successes and a needle at ``now``, of :data:`POINTS` points at most."""
    chosen = np.unique(np.linspace(0, len(rewards) - 1, min(len(rewards), POINTS)).round().astype(int))
    needle = np.zeros(len(chosen))
    needle[min(int(np.searchsorted(chosen, now - 1)), len(chosen) - 1)] = 1.0
    reward, success = np.asarray(rewards, float)[chosen], np.asarray(successes, float)[chosen]
    return chosen + 1.0, reward, success, needle


def _named(speed: float) -> str:
    return f"×{speed:g}"
