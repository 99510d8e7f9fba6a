"""How far single steps of the classic suite are from gymnasium's own v5 environments, and from PyBullet's.

``python -m metasim.benchmarks.classic`` prints the tables of the page on the suite, as Markdown.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from metasim.core.seeding import EpisodeSeed
from metasim.envs.episodes import Episodes

Array = Any
ORIGINALS: Mapping[str, str] = MappingProxyType(
    {
        "cart-pole": "InvertedPendulum-v5",
        "reacher": "Reacher-v5",
        "half-cheetah": "HalfCheetah-v5",
        "hopper": "Hopper-v5",
        "walker2d": "Walker2d-v5",
        "ant": "Ant-v5",
        "humanoid": "Humanoid-v5",
    }
)
"""Task of the suite to the environment it stands for."""
SUNK_M: Mapping[str, float] = MappingProxyType(
    {"half-cheetah": 0.2, "hopper": 0.2, "walker2d": 0.2, "ant": 0.6, "humanoid": 0.4}
)
"""How far the bodies that run are put into the floor at most."""
WRENCHES: Mapping[str, int] = MappingProxyType({"ant": 78, "humanoid": 78})
"""How many numbers at the end of an observation are wrenches."""
STATES, EPISODES, WORLDS = 100, 40, 20


@contextlib.contextmanager
def originals(names: Sequence[str] = tuple(ORIGINALS)) -> Iterator[dict[str, Any]]:
    """Give the original environments without wrappers; what their files warn of goes into a log that is thrown away."""
    import gymnasium

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        envs: dict[str, Any] = {name: gymnasium.make(ORIGINALS[name]).unwrapped for name in names}
        try:
            yield envs
        finally:
            for env in envs.values():
                env.close()


def one_step(name: str, env: Any, *, lifted: bool, states: int = STATES) -> dict[str, Array]:
    """Take one step with random actions from the same states here and in the original.

    States are those of a reset with random velocities; bodies that run are lifted by 3 m, or sunk into the floor.

    Returns:
        Absolute differences, a row for each state: ``before`` (largest of the observations before the step),
        ``coordinates`` (largest), ``observation`` ``(states, K)``, ``reward``, ``ended`` (1 where only one ended); and
        ``free`` (1 without contact), ``size`` (largest number observed).
    """
    seeds = [EpisodeSeed(root=0, task="classic", episode=k) for k in range(states)]
    episodes, rng = Episodes(f"classic/{name}-v0", "mujoco", states), np.random.default_rng(1)
    episodes.begin(np.arange(states), seeds)
    task, backend = episodes.task, episodes.backend
    body: Any = task.body  # type: ignore[attr-defined]
    qpos = backend.state.qpos.copy()
    qvel = backend.state.qvel + rng.normal(size=backend.state.qvel.shape) * (0.1 if lifted else 0.3)
    if name in SUNK_M:
        qpos[:, body.hidden] += 3.0 if lifted else -rng.uniform(0.0, SUNK_M[name], states)
    backend.write_state(qpos, qvel)
    episodes.memory = dict(task.begin(backend.state, episodes.draw(seeds)))
    before = _flat(task.observe(backend.state, episodes.memory))
    action = rng.uniform(-1.0, 1.0, (states, episodes.action_size)).astype(np.float32)
    step = episodes.step(action)
    after, rows = _flat(step.observation), []
    for i in range(states):
        _set(env, qpos[i], qvel[i])
        touching, first = env.data.ncon, np.abs(env._get_obs() - before[i]).max()
        seen, reward, ended, _, _ = env.step(action[i].astype(float) * env.model.actuator_ctrlrange[:, 1])
        coordinates = np.concatenate([env.data.qpos - backend.state.qpos[i], env.data.qvel - backend.state.qvel[i]])
        rows.append(
            {
                "before": first,
                "coordinates": np.abs(coordinates).max(),
                "observation": np.abs(seen - after[i]),
                "reward": abs(reward - step.reward[i]),
                "ended": float(ended != step.terminated[i]),
                "free": float(touching + env.data.ncon == 0),
                "size": np.abs(seen).max(),
            }
        )
    episodes.close()
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def episodes_in_contact(name: str, env: Any, count: int = EPISODES, steps: int = 100) -> dict[str, Array]:
    """Run episodes with random actions here and in the original; return differences in its steps with contact.

    Returns:
        ``wrench`` (largest difference, for the humanoid as a share of the largest number observed), ``reward``, and
        ``coordinates``, the largest difference of all.
    """
    episodes, rng = Episodes(f"classic/{name}-v0", "mujoco", count), np.random.default_rng(2)
    episodes.begin(np.arange(count), [EpisodeSeed(root=1, task="classic", episode=k) for k in range(count)])
    state = episodes.backend.state
    starts = state.qpos.copy(), state.qvel.copy()
    actions = rng.uniform(-1.0, 1.0, (steps, count, episodes.action_size)).astype(np.float32)
    taken = []
    for action in actions:
        step = episodes.step(action)
        taken.append((_flat(step.observation), step.reward.copy(), episodes.backend.state.qpos.copy()))
    episodes.close()
    rows, apart = [], 0.0
    for i in range(count):
        _set(env, starts[0][i], starts[1][i])
        for action, (observed, rewards, qpos) in zip(actions[:, i], taken, strict=True):
            seen, reward, ended, _, _ = env.step(action.astype(float) * env.model.actuator_ctrlrange[:, 1])
            apart = max(apart, float(np.abs(env.data.qpos - qpos[i]).max()))
            if env.data.ncon:
                scale = np.abs(seen).max() if name == "humanoid" else 1.0
                off = np.abs(seen - observed[i])[-WRENCHES[name] :].max() / scale
                rows.append((off, abs(reward - rewards[i])))
            if ended:
                break
    found = np.array(rows)
    return {"wrench": found[:, 0], "reward": found[:, 1], "coordinates": np.array([apart])}


def engines_apart(name: str, worlds: int = WORLDS) -> float:
    """Return the largest difference of coordinates [m, rad] of the two engines after one action from equal starts."""
    seeds, after = [EpisodeSeed(root=0, task="classic", episode=k) for k in range(worlds)], []
    for backend in ("mujoco", "pybullet"):
        episodes = Episodes(f"classic/{name}-v0", backend, worlds)
        episodes.begin(np.arange(worlds), seeds)
        if name == "half-cheetah":  # else its feet may touch
            body: Any = episodes.task.body  # type: ignore[attr-defined]
            qpos = episodes.backend.state.qpos.copy()
            qpos[:, body.hidden] += 3.0
            episodes.backend.write_state(qpos, episodes.backend.state.qvel.copy())
        action = np.random.default_rng(0).uniform(-1, 1, (worlds, episodes.action_size)).astype(np.float32)
        episodes.step(action)
        after.append(episodes.backend.state.qpos.copy())
        episodes.close()
    return float(np.abs(after[0] - after[1]).max())


def tables() -> str:
    """Measure everything and return it as Markdown."""
    lines = [
        "| task | where | coordinates | observation | reward | ends that differ |",
        "|---|---|---:|---:|---:|---:|",
    ]
    wrenches = [
        "| task | steps with contact | coordinates | wrenches: median, 99 % | reward: median, 99 % |",
        "|---|---:|---:|---:|---:|",
    ]
    with originals() as envs:
        for name, env in envs.items():
            for lifted in (True, False) if name in SUNK_M else (True,):
                lines.append(_row(name, one_step(name, env, lifted=lifted), lifted=lifted))
        for name in WRENCHES:
            found = episodes_in_contact(name, envs[name])
            shares = [", ".join(f"{np.quantile(found[k], q):.1g}" for q in (0.5, 0.99)) for k in ("wrench", "reward")]
            apart = f"{found['coordinates'].max():.1g}"
            wrenches.append(f"| {name} | {len(found['wrench'])} | {apart} | {shares[0]} | {shares[1]} |")
    apart = {name: engines_apart(name) for name in ORIGINALS}
    engines = [f"| {' | '.join(apart)} |", "|" + "---:|" * len(apart)]
    engines.append(f"| {' | '.join(f'{value:.1g}' for value in apart.values())} |")
    return "\n".join([*lines, "", *wrenches, "", *engines])


def _row(name: str, found: Mapping[str, Array], *, lifted: bool) -> str:
    wrench = WRENCHES.get(name, 0)
    places = found["observation"][:, : found["observation"].shape[1] - wrench].max()
    coordinates = max(found["before"].max() if not wrench else 0.0, found["coordinates"].max())
    where = "in the air" if lifted else f"in contact ({int((found['free'] == 0).sum())} of {len(found['free'])})"
    numbers = " | ".join(f"{value:.1g}" for value in (coordinates, places, found["reward"].max()))
    return f"| {name} | {where} | {numbers} | {int(found['ended'].sum())} |"


def _set(env: Any, qpos: Array, qvel: Array) -> None:
    env.reset()
    env.data.qacc_warmstart[:] = 0.0  # as after mj_resetData
    env.set_state(qpos, qvel)


def _flat(observation: Mapping[str, Array]) -> Array:
    return np.concatenate([*observation.values()], axis=1)


if __name__ == "__main__":
    sys.stdout.write(tables() + "\n")
