"""The classic continuous-control tasks, with the semantics of gymnasium's v5 MuJoCo environments, on every engine."""

from metasim.tasks.classic import contact_runners, family, runners, scenes, still

__all__ = ["contact_runners", "family", "runners", "scenes", "still"]
