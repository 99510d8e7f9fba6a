"""The whole state of a training in one file without pickle, so that a killed run goes on from its last checkpoint.

safetensors with a JSON header: networks, optimisers, normalisation, replay buffer, and the random generators of torch,
numpy and the action space. Not in it: where the worlds were in their episodes; each begins its next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import MissingDependency
from metasim.policies.learned import InvalidPolicy
from metasim.policies.state_file import read_header, read_state, write_state

try:
    import torch  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.base_class import BaseAlgorithm  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise MissingDependency(
        f'training needs {error.name!r}, which is not installed: pip install "metasim-robotics[learn]"'
    ) from error

Array = Any
SCHEMA = "metasim.training/1"
_STATISTICS = ("mean", "var", "count")
_REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num")


def save_state(path: Path, learner: BaseAlgorithm, extra: Mapping[str, Any]) -> None:
    """Write the state of a learner, and plain JSON values ``extra``, all or nothing."""
    env: Any = learner.env
    arrays = {f"learner.{k}": v.detach().cpu().numpy() for k, v in _tensors(learner).items()}
    for name, running in _running(learner).items():
        arrays |= {f"{name}.{k}": np.asarray(getattr(running, k), np.float64) for k in _STATISTICS}
    _, keys, position, has_gauss, gauss = np.random.get_state()
    arrays |= {"random.torch": torch.get_rng_state().numpy(), "random.numpy": np.asarray(keys)}
    replay: Any = getattr(learner, "replay_buffer", None)
    if replay is not None:
        filled = replay.buffer_size if replay.full else replay.pos
        arrays |= {f"replay.{name}": getattr(replay, name)[:filled] for name in _REPLAY}
    header = {
        "counters": {name: getattr(learner, name, 0) for name in _COUNTERS},
        "numpy": [int(position), int(has_gauss), float(gauss)],
        "actions": learner.action_space.np_random.bit_generator.state,
        "next_episodes": env.get_attr("next_episodes", 0)[0].tolist(),
        "replay": None if replay is None else [int(replay.pos), bool(replay.full)],
        "recent": [
            [{k: e[k] for k in ("r", "l")} for e in learner.ep_info_buffer or ()],
            [bool(s) for s in learner.ep_success_buffer or ()],
        ],
        **extra,
    }
    write_state(path, SCHEMA, header, arrays)


def load_header(path: Path) -> dict[str, Any]:
    """Return the JSON of a state file, with InvalidPolicy where it is damaged or of another kind."""
    return read_header(path, SCHEMA)


def load_state(path: Path, learner: BaseAlgorithm) -> None:
    """Put a state into a learner that was made with the same configuration.

    Raises:
        InvalidPolicy: If it is damaged, or of another training.
        InvalidConfig: If it was written under another version of torch.
    """
    header, arrays = read_state(path, SCHEMA)
    env: Any = learner.env
    try:
        _fill(learner, {k.removeprefix("learner."): v for k, v in arrays.items() if k.startswith("learner.")})
        for name, running in _running(learner).items():
            for k in _STATISTICS:
                value = arrays[f"{name}.{k}"]
                setattr(running, k, value if value.ndim else float(value))
        if header["replay"] is not None:
            replay: Any = learner.replay_buffer  # type: ignore[attr-defined]
            replay.pos, replay.full = header["replay"]
            for name in _REPLAY:
                value = arrays[f"replay.{name}"]
                getattr(replay, name)[: len(value)] = value
    except (KeyError, RuntimeError, ValueError) as error:
        raise InvalidPolicy(f"{path} does not fit this training: {error}; delete it to begin anew") from error
    for name, value in header["counters"].items():
        setattr(learner, name, value)
    for buffer, values in zip((learner.ep_info_buffer, learner.ep_success_buffer), header["recent"], strict=True):
        if buffer is not None:
            buffer.extend(values)
    env.set_options({"episodes": np.asarray(header["next_episodes"])})
    learner.action_space.np_random.bit_generator.state = header["actions"]
    np.random.set_state(("MT19937", arrays["random.numpy"], *header["numpy"]))
    torch.set_rng_state(torch.from_numpy(arrays["random.torch"]))


def _tensors(learner: BaseAlgorithm) -> dict[str, torch.Tensor]:
    """Return every tensor of networks and optimisers by a flat name."""
    found: dict[str, torch.Tensor] = {}
    for name, state in learner.get_parameters().items():
        if "param_groups" in state:
            for k, values in state["state"].items():
                found |= {f"{name}/{k}/{key}": value for key, value in values.items()}
        else:
            found |= {f"{name}/{key}": value for key, value in state.items()}
    temperature: Any = getattr(learner, "log_ent_coef", None)
    return found if temperature is None else {**found, "log_ent_coef": temperature}


def _fill(learner: BaseAlgorithm, arrays: Mapping[str, Array]) -> None:
    states: dict[str, Any] = learner.get_parameters()
    for name, state in states.items():
        mine = {k.removeprefix(f"{name}/"): torch.tensor(v) for k, v in arrays.items() if k.startswith(f"{name}/")}
        if "param_groups" in state:
            state["state"] = {}
            for key, value in mine.items():
                k, _, field = key.partition("/")
                state["state"].setdefault(int(k), {})[field] = value
        else:
            states[name] = mine
    learner.set_parameters(states)
    if "log_ent_coef" in arrays:
        temperature: Any = learner.log_ent_coef  # type: ignore[attr-defined]
        temperature.data.copy_(torch.tensor(arrays["log_ent_coef"]))


def _running(learner: BaseAlgorithm) -> dict[str, Any]:
    """Return the running statistics of observations and returns, where there are any."""
    normalizer: Any = learner.get_vec_normalize_env()
    if normalizer is None:
        return {}
    found = {"returns": normalizer.ret_rms}
    return found | ({"observations": normalizer.obs_rms} if normalizer.norm_obs else {})
