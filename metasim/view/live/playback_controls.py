"""Controls of a recording: which episode, and where in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metasim.view.live.playback import Playback

Post = Callable[[Callable[[], object]], None]
MANY = 300
"""Episodes that a list of them takes; beyond, they are chosen by number."""


class PlaybackControls:
    """Controls of a playback.

    Args:
        gui: The controls of a viser server.
        playback: What they drive.
        post: Queues what a click asks for.
    """

    def __init__(self, gui: Any, playback: Playback, post: Post) -> None:
        self._playback, self._post = playback, post
        self._labels = list(playback.labels)
        self._listed = len(self._labels) <= MANY
        if self._listed:
            self._choice = gui.add_dropdown("Episode", self._labels, initial_value=self._labels[playback.index])
        else:
            self._choice = gui.add_number("Episode", playback.index, min=0, max=len(self._labels) - 1, step=1)
        self._slider = gui.add_slider("Step", 0, max(playback.last, 1), 1, playback.at)
        back, following = gui.add_button("Step back"), gui.add_button("Next episode")
        self._choice.on_update(self._chosen)
        self._slider.on_update(self._scrubbed)
        back.on_click(lambda _: post(self._back))
        following.on_click(lambda _: post(self._next))

    def refresh(self) -> None:
        """Show what holds now."""
        playback = self._playback
        if self._slider.max != max(playback.last, 1):
            self._slider.value = 0
            self._slider.max = max(playback.last, 1)
        self._slider.value = playback.at
        self._choice.value = self._labels[playback.index] if self._listed else playback.index

    def restore(self) -> None:
        """Put every control back to what holds."""
        self.refresh()

    def _chosen(self, event: Any) -> None:
        if event.client is not None:
            value = event.target.value
            index = self._labels.index(str(value)) if self._listed else int(value)
            self._post(lambda: self._playback.choose(index))

    def _scrubbed(self, event: Any) -> None:
        if event.client is not None:
            step = int(event.target.value)
            self._post(lambda: self._scrub(step))

    def _scrub(self, step: int) -> None:
        self._playback.clock.pause()
        self._playback.seek(min(step, self._playback.last))

    def _back(self) -> None:
        self._playback.clock.pause()
        self._playback.seek(max(self._playback.at - 1, 0))

    def _next(self) -> None:
        self._playback.choose((self._playback.index + 1) % len(self._labels))
