"""The layouts that are read: how each is recognised, and what it means by its rows and names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets.exchange.foreign import Foreign, read_json

Array = Any
_ARM = slice(1, 8)  # columns of the arm's joints in robosuite's flattened states, after the time
_CLEAR = 0.2  # how much nearer one order of rows must be than the other


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says of all its demos.

    Attributes:
        path: The file.
        attributes: Those of ``/data``.
        members: Names of groups, arrays and attributes of the first demo.
    """

    path: Path
    attributes: Mapping[str, Any]
    members: frozenset[str]
    env: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Parse what describes the environment."""
        object.__setattr__(self, "env", read_json(self.attributes, "env_args"))

    @property
    def stem(self) -> str:
        """The file's name without ending."""
        return self.path.stem.removesuffix("_demo")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout.

    Attributes:
        name: How it is called.
        sign: What a file of it has, in words.
        fits: Whether a file is of it.
        names: What a file calls its environment, if it does.
        complete: Gives a demo the observations that the layout keeps elsewhere.
        after: Whether row t of the observations was seen after action t; None if this demo's group cannot tell.
    """

    name: str
    sign: str
    fits: Callable[[Facts], bool]
    names: Callable[[Facts], str]
    complete: Callable[[Foreign], Foreign] = lambda demo: demo
    after: Callable[[Any], bool | None] = lambda demo: False


def find(facts: Facts, name: str | None) -> Layout:
    """Return the layout of a file, or the one named.

    Raises:
        DatasetError: If the file is not of it, or of none.
    """
    fitting = [layout for layout in LAYOUTS.values() if layout.fits(facts)]
    if name is None and fitting:
        return fitting[0]
    if name is not None and LAYOUTS[name] in fitting:
        return LAYOUTS[name]
    holds = f"its first demo holds {sorted(facts.members)[:8]}"
    if name is None:
        raise DatasetError(f"{facts.path} is of no known layout, {list(LAYOUTS)}: {holds}")
    looks = f"; it looks like {fitting[0].name}" if fitting else ""
    raise DatasetError(f"{facts.path} is not of {name}'s layout, {LAYOUTS[name].sign}: {holds}{looks}")


def instruction(facts: Facts, demo: h5py.Group) -> str:
    """Return what to do, in words, as the file says it; empty if it does not."""
    attributes: Any = dict(demo.attrs)
    said = [
        read_json(facts.attributes, "problem_info").get("language_instruction"),
        read_json(attributes, "ep_meta").get("lang"),
        *(of.get(name) for of in (attributes, facts.attributes) for name in ("instruction", "language_instruction")),
    ]
    words = (" ".join(map(str, text)) if isinstance(text, list) else text for text in said)
    return next((text.strip().strip('"') for text in words if isinstance(text, str) and text.strip()), "")


def control_hz(facts: Facts) -> float:
    """Return the actions per second; 0 if the file does not say."""
    kwargs = facts.env.get("env_kwargs") or read_json(facts.attributes, "env_info")
    rate = kwargs.get("control_freq") if isinstance(kwargs, Mapping) else None
    if isinstance(rate, (int, float)) and rate > 0:
        return float(rate)
    sim = facts.env.get("sim_args")
    if isinstance(sim, Mapping) and sim.get("dt") and sim.get("decimation"):
        return 1.0 / (float(sim["dt"]) * int(sim["decimation"]))
    return 0.0


def _seen_after(demo: Any) -> bool | None:
    """Tell when LIBERO saw a row, from where the joints were in the states before each action."""
    joints, states = demo.get("obs/joint_states"), demo.get("states")
    if joints is None or states is None or states.ndim != 2 or joints.ndim != 2 or len(states) != len(joints):
        return None
    seen, recorded = joints[()], states[:, _ARM]
    if seen.shape != recorded.shape or len(seen) < 2:
        return None
    before, after = np.abs(seen - recorded).mean(), np.abs(seen[:-1] - recorded[1:]).mean()
    if max(before, after) == 0 or min(before, after) > _CLEAR * max(before, after):
        return None
    return bool(after < before)


def _states_as_observation(demo: Foreign) -> Foreign:
    states = demo.rest.get("states")
    return demo if states is None or demo.obs else replace(demo, obs={"states": states})


def _env_name(facts: Facts) -> str:
    return str(facts.env.get("env_name") or "")


def _libero_name(facts: Facts) -> str:
    return Path(str(facts.attributes.get("bddl_file_name") or "")).stem


_ALL = (
    Layout(
        name="libero",
        sign="which has the attributes problem_info and bddl_file_name of /data",
        fits=lambda facts: {"problem_info", "bddl_file_name"} <= set(facts.attributes) and "obs" in facts.members,
        names=_libero_name,
        after=_seen_after,
    ),
    Layout(
        name="robosuite",
        sign="which has states and actions, and no observations",
        fits=lambda facts: "obs" not in facts.members and {"states", "model_file"} <= facts.members,
        names=lambda facts: str(facts.attributes.get("env") or _env_name(facts)),
        complete=_states_as_observation,
    ),
    Layout(
        name="isaaclab",
        sign="which has initial_state or processed_actions in each demo",
        fits=lambda facts: "obs" in facts.members and bool({"initial_state", "processed_actions"} & facts.members),
        names=_env_name,
    ),
    Layout(
        name="robomimic",
        sign="which has obs and actions in each demo",
        fits=lambda facts: {"obs", "actions"} <= facts.members,
        names=_env_name,
    ),
)
LAYOUTS: Mapping[str, Layout] = MappingProxyType({layout.name: layout for layout in _ALL})
"""Name to layout, the most particular ones first."""
