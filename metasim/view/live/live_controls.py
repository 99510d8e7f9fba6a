"""Controls of a running task: seed and episode, policy, engine, goal, joints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metasim.core.backend import BACKENDS
from metasim.view.live.config import runnable_policies
from metasim.view.live.handles import Handle
from metasim.view.live.session import Session

Array = Any
Post = Callable[[Callable[[], object]], None]
NOTHING = "nothing"
SLIDER_STEPS = 1000
GIZMO_M = 0.12
FAR = {"hinge": np.pi, "slide": 1.0}
"""Half the range of a slider for a joint without limits [rad or m]."""


class LiveControls:
    """Controls of a session.

    Args:
        gui: The controls of a viser server.
        scene: Its scene.
        session: What they drive.
        post: Queues what a click asks for.
    """

    def __init__(self, gui: Any, scene: Any, session: Session, post: Post) -> None:
        self._gui, self._scene, self._session, self._post = gui, scene, session, post
        self._gizmo: Any = None
        self._handles: tuple[Handle, ...] = ()
        self._standing: Array = None
        self._add_episodes()
        self._add_choices()
        self._add_goal()
        self._add_joints()

    def refresh(self) -> None:
        """Show what holds now."""
        session, paused = self._session, self._session.clock.paused
        for slider in self._sliders.values():
            if slider.disabled == paused:
                slider.disabled = not paused
        if paused:
            for name, (value, low, high) in session.joints.items():
                if name in self._sliders:
                    self._sliders[name].value = _in_steps(value, *_range(session, name, low, high))
        self._episode.value = session.episode
        self._place_gizmo()

    def restore(self) -> None:
        """Put every control back to what holds."""
        config = self._session.config
        self._seed.value, self._episode.value = config.seed, self._session.episode
        self._policy.value, self._engine.value = config.policy, config.backend
        self._standing = None
        self.refresh()

    def _add_episodes(self) -> None:
        session, gui = self._session, self._gui
        with gui.add_folder("Episode"):
            self._seed = gui.add_number("Seed", session.config.seed, min=0, step=1)
            self._episode = gui.add_number("Episode", session.episode, min=0, step=1)
            reset, following = gui.add_button("Reset"), gui.add_button("Next episode")
        reset.on_click(lambda _: self._post(self._reset))
        following.on_click(lambda _: self._post(session.next_episode))
        for number in (self._seed, self._episode):
            number.on_update(lambda event: event.client is not None and self._post(self._reset))

    def _reset(self) -> None:
        self._session.reset(seed=int(self._seed.value), episode=int(self._episode.value))

    def _add_choices(self) -> None:
        session, gui, config = self._session, self._gui, self._session.config
        policies = list(dict.fromkeys([*runnable_policies(session.task), config.policy]))
        engines = list(dict.fromkeys([*BACKENDS, config.backend]))
        self._policy = gui.add_dropdown("Policy", policies, initial_value=config.policy)
        self._engine = gui.add_dropdown("Engine", engines, initial_value=config.backend)
        self._policy.on_update(lambda e: self._chosen(e, config_name="policy", choose=session.choose_policy))
        self._engine.on_update(lambda e: self._chosen(e, config_name="backend", choose=session.choose_backend))

    def _chosen(self, event: Any, *, config_name: str, choose: Callable[[str], None]) -> None:
        name = str(event.target.value)
        if name != getattr(self._session.config, config_name):
            self._post(lambda: choose(name))

    def _add_goal(self) -> None:
        self._handles = self._session.handles()
        self._drag: Any = None
        if not self._handles:
            return
        first = self._handles[0].name if self._handles[0].is_goal else NOTHING
        names = [NOTHING, *[handle.name for handle in self._handles]]
        hint = "Drag its arrows: the episode begins again with it there."
        self._drag = self._gui.add_dropdown("Drag", names, initial_value=first, hint=hint)
        self._drag.on_update(lambda _: self._post(self._new_gizmo))
        self._new_gizmo()

    def _new_gizmo(self) -> None:
        if self._gizmo is not None:
            self._gizmo.remove()
            self._gizmo = None
        handle = self._dragged()
        if handle is None:
            return
        self._gizmo = self._scene.add_transform_controls(
            "/drag", scale=GIZMO_M, disable_rotations=True, active_axes=handle.axes, depth_test=False
        )
        self._gizmo.on_update(lambda event: self._dragging(event, handle))
        self._standing = None
        self._place_gizmo()

    def _dragging(self, event: Any, handle: Handle) -> None:
        if event.phase != "end":
            return
        position = np.array(event.target.position)

        def drag() -> None:
            self._standing = None  # wherever that leads, the gizmo goes where the thing is
            self._session.drag(handle, position)

        self._post(drag)

    def _place_gizmo(self) -> None:
        """Put the gizmo to where its thing stood at the episode's start, when that changed."""
        handle = self._dragged()
        if self._gizmo is None or handle is None:
            return
        place = self._session.start_of(handle)
        if self._standing is None or np.abs(place - self._standing).max() > 0:
            self._gizmo.position = np.nextafter(place, np.inf)  # sent even if it is where the server thinks it is
            self._gizmo.position = self._standing = place

    def _dragged(self) -> Handle | None:
        name = self._drag.value if self._drag is not None else NOTHING
        return next((handle for handle in self._handles if handle.name == name), None)

    def _add_joints(self) -> None:
        session = self._session
        self._sliders: dict[str, Any] = {}
        if not session.joints:
            return
        with self._gui.add_folder("Joints (while paused)", expand_by_default=False):
            for name, (value, low, high) in session.joints.items():
                low, high = _range(session, name, low, high)
                if not low < high:
                    continue
                slider = self._gui.add_slider(
                    name, low, high, (high - low) / SLIDER_STEPS, _in_steps(value, low, high), disabled=True
                )
                slider.on_update(lambda event, name=name: self._slid(event, name))
                self._sliders[name] = slider

    def _slid(self, event: Any, name: str) -> None:
        if event.client is not None:  # a person, not a refresh
            value = float(event.target.value)
            self._post(lambda: self._session.set_joint(name, value))


def _range(session: Session, name: str, low: float, high: float) -> tuple[float, float]:
    info = session.model.info
    far = FAR[info.joint_types[info.index("joint", name)]]
    return (low if np.isfinite(low) else -far), (high if np.isfinite(high) else far)


def _in_steps(value: float, low: float, high: float) -> float:
    """Return a value that a slider can have."""
    step = (high - low) / SLIDER_STEPS
    return low + round((min(max(value, low), high) - low) / step) * step
