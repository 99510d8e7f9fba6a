"""Learning algorithms: Stable-Baselines3's SAC and PPO, whose results are policies of ours."""

from metasim.policies.training.config import Progress, Row, TrainConfig
from metasim.policies.training.offline import make_offline
from metasim.policies.training.recipe import OfflineConfig
from metasim.policies.training.run import train
from metasim.policies.training.settings import TABLES, PPOSettings, SACSettings, Settings, parse_changes, settings_of

__all__ = [
    "TABLES",
    "OfflineConfig",
    "PPOSettings",
    "Progress",
    "Row",
    "SACSettings",
    "Settings",
    "TrainConfig",
    "make_offline",
    "parse_changes",
    "settings_of",
    "train",
]
