"""Learning algorithms: Stable-Baselines3's SAC and PPO, whose results are policies of ours."""

from metasim.policies.training.config import Progress, Row, TrainConfig
from metasim.policies.training.run import train
from metasim.policies.training.settings import TABLES, PPOSettings, SACSettings, Settings, parse_changes, settings_of

__all__ = [
    "TABLES",
    "PPOSettings",
    "Progress",
    "Row",
    "SACSettings",
    "Settings",
    "TrainConfig",
    "parse_changes",
    "settings_of",
    "train",
]
