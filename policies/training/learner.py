"""Stable-Baselines3's learners: made from hyperparameters, and their networks as policies of ours."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np

from metasim.core.errors import MissingDependency
from metasim.core.protocol import PROTOCOLS, protocol_goals
from metasim.core.seeding import EpisodeSeed
from metasim.envs import Episodes, make_protocol
from metasim.envs.making import GOAL
from metasim.policies.learned import Learned, PolicyInfo
from metasim.policies.training.config import TrainConfig
from metasim.policies.training.settings import PPOSettings, SACSettings

try:
    import torch  # pyright: ignore[reportMissingImports]
    from stable_baselines3 import PPO, SAC  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.base_class import BaseAlgorithm  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.vec_env import VecNormalize  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise MissingDependency(
        f'training needs {error.name!r}, which is not installed: pip install "metasim-robotics[learn]"'
    ) from error

from metasim.adapters.sb3 import SB3VecEnv

Array = Any
_CLIP_OBSERVATION = 10.0
_PACKAGES = {"metasim": "metasim-robotics", "stable-baselines3": "stable-baselines3", "torch": "torch"}


def make_learner(config: TrainConfig) -> BaseAlgorithm:
    """Return a learner with its worlds, everything seeded."""
    settings = config.settings
    env: Any = _worlds(config)
    try:
        if settings.normalize_observation or settings.normalize_reward:
            env = VecNormalize(
                env,
                norm_obs=settings.normalize_observation,
                norm_reward=settings.normalize_reward,
                clip_obs=_CLIP_OBSERVATION,
                gamma=settings.gamma,
            )
        layers = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
        common: dict[str, Any] = {
            "learning_rate": settings.learning_rate,
            "batch_size": settings.batch_size,
            "gamma": settings.gamma,
            "seed": config.seed,
            "device": config.device,
            "policy_kwargs": {"net_arch": [*settings.hidden], "activation_fn": layers[settings.activation]},
        }
        return _ppo(env, settings, common) if isinstance(settings, PPOSettings) else _sac(env, settings, common)
    except BaseException:
        env.close()
        raise


def policy_of(learner: BaseAlgorithm, config: TrainConfig) -> Learned:
    """Return what a learner would do now, and what it explores with."""
    policy: Any = learner.policy
    sac = config.algorithm == "sac"
    trunk = policy.actor.latent_pi if sac else policy.mlp_extractor.policy_net
    head = policy.actor.mu if sac else policy.action_net
    weights: dict[str, Array] = {}
    for k, layer in enumerate([*(m for m in trunk if isinstance(m, torch.nn.Linear)), head]):
        weights |= {f"layers.{k}.weight": _numbers(layer.weight), f"layers.{k}.bias": _numbers(layer.bias)}
    if sac:
        spread = policy.actor.log_std
        weights |= {"spread.weight": _numbers(spread.weight), "spread.bias": _numbers(spread.bias)}
    else:
        weights["spread.bias"] = _numbers(policy.log_std)
    normalizer: Any = learner.get_vec_normalize_env()
    if normalizer is not None and normalizer.norm_obs:
        weights["observation.mean"] = normalizer.obs_rms.mean.copy()
        weights["observation.deviation"] = np.sqrt(normalizer.obs_rms.var + normalizer.epsilon)
    info = PolicyInfo(
        algorithm=config.algorithm,
        task=config.task,
        backend=config.backend,
        observation_size=int(learner.observation_space.shape[0]),  # type: ignore[index]
        action_size=int(learner.action_space.shape[0]),  # type: ignore[index]
        activation=config.settings.activation,
        squash=sac,
        clip_observation=_CLIP_OBSERVATION,
        seed=config.seed,
        steps=int(learner.num_timesteps),
        versions=versions(config.backend),
        shown=shown_factors(config),
    )
    return Learned(info, weights)


def shown_factors(config: TrainConfig) -> tuple[str, ...]:
    """Return the factors whose values stand at the end of what the learner sees."""
    if not config.show_goals:
        return ()
    episodes = Episodes(config.task, config.backend, 1)
    try:
        observed = GOAL in episodes.example(EpisodeSeed(root=0, task=config.task, episode=0))
    finally:
        episodes.close()
    return () if observed else (protocol_goals(config.goals, (config.task,), config.seed)[0],)


def versions(backend: str) -> dict[str, str]:
    """Return the versions that the outcome of a training depends on."""
    found = {}
    for name, package in (_PACKAGES | {"numpy": "numpy", "mujoco": "mujoco", backend: backend}).items():
        try:
            found[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # an engine whose package has another name
    return found


def _worlds(config: TrainConfig) -> SB3VecEnv:
    options = {"backend": config.backend, "workers": config.workers}
    if not config.goals:
        return SB3VecEnv(config.task, config.worlds, horizon=config.horizon, **options)
    protocol = PROTOCOLS[config.goals]
    chosen = {"task": config.task} if protocol.choices == ("task",) else {}
    env = make_protocol(
        config.goals,
        config.worlds,
        seed=config.seed,
        goal_choice="random",
        goals_visible=config.show_goals,
        max_episode_steps=config.horizon,
        **chosen,
        **options,
    )
    return SB3VecEnv(env)


def _numbers(tensor: Any) -> Array:
    return tensor.detach().cpu().numpy().copy()


def _ppo(env: Any, s: PPOSettings, common: dict[str, Any]) -> PPO:
    return PPO(
        "MlpPolicy",
        env,
        n_steps=s.rollout // env.num_envs,
        n_epochs=s.epochs,
        gae_lambda=s.gae_lambda,
        clip_range=s.clip_range,
        ent_coef=s.entropy,
        vf_coef=s.value,
        max_grad_norm=s.max_grad_norm,
        **common,
    )


def _sac(env: Any, s: Any, common: dict[str, Any]) -> SAC:
    assert isinstance(s, SACSettings)
    common["policy_kwargs"]["optimizer_kwargs"] = {"fused": True}  # a seventh less time per update on a CPU
    return SAC(
        "MlpPolicy",
        env,
        buffer_size=s.buffer,
        learning_starts=s.warmup,
        tau=s.tau,
        gradient_steps=max(1, round(s.updates * env.num_envs)),
        **common,
    )
