"""Where the command begins: which verb it is, what its words mean, and how it ends.

Exit codes: 0 done, 1 a negative verdict (a verification failed, something is missing), 2 bad usage or input,
130 Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from metasim.cli.output import complain, plain
from metasim.core.errors import EngineFailure, MetasimError, UnknownName

OK, NO, USAGE, INTERRUPTED = 0, 1, 2, 130
VERBS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "list": ("metasim.cli.listing:List", "tasks, backends, robots, policies, protocols or plug-ins"),
        "render": ("metasim.cli.pictures:Render", "a picture of a task's start (PNG)"),
        "play": ("metasim.cli.pictures:Play", "a video of a policy (MP4 or GIF)"),
        "view": ("metasim.cli.view:View", "a running task, or a dataset, in a browser"),
        "collect": ("metasim.cli.data:Collect", "demonstrations of tasks into one HDF5 file"),
        "verify": ("metasim.cli.data:Verify", "replay a dataset and say whether it holds"),
        "merge": ("metasim.cli.data:Merge", "several datasets into one"),
        "inspect": ("metasim.cli.data:Inspect", "what a dataset holds"),
        "split": ("metasim.cli.dataset_tools:Split", "a dataset into parts such as train and valid"),
        "filter": ("metasim.cli.dataset_tools:Filter", "some episodes of a dataset into a new one"),
        "diff": ("metasim.cli.dataset_tools:Diff", "what differs between two datasets"),
        "render-dataset": ("metasim.cli.dataset_tools:RenderDataset", "a dataset with pictures of its recorded states"),
        "train": ("metasim.cli.train:Train", "a policy, with SAC, PPO or behaviour cloning"),
        "serve-policy": ("metasim.cli.serve:ServePolicy", "a policy to other processes and machines (WebSocket)"),
        "offline": (
            "metasim.cli.offline:Offline",
            "offline data of a meta-RL family: a training, and files by quality",
        ),
        "eval": ("metasim.cli.evaluation:Eval", "success of a policy, every episode in a results file"),
        "bench": ("metasim.cli.bench:Bench", "a policy through a frozen protocol: levels, and one axis at a time"),
        "report": ("metasim.cli.evaluation:Report", "results files into one page a person can read"),
        "compare": ("metasim.cli.compare:Compare", "results files against each other, with exact tests"),
        "robots": ("metasim.cli.robots:Robots", "the robots on one sheet, or as a table"),
        "convert": ("metasim.cli.convert:Convert", "a URDF robot into an MJCF, or datasets to and from other projects"),
        "demo": ("metasim.cli.demo:Demo", "all of it on ten tasks in both engines, in minutes"),
        "doctor": ("metasim.cli.doctor:Doctor", "what this machine has, and what it lacks"),
        "check-backend": ("metasim.cli.engines:CheckBackend", "hold an engine against the contract"),
        "compare-engines": ("metasim.cli.engines:CompareEngines", "what each engine measures, side by side"),
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``argv`` has no program name, None takes the process's."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except MetasimError as error:
        complain(str(error))
        return NO if isinstance(error, EngineFailure) else USAGE
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return USAGE
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        plain(overview())
        return OK if words else USAGE
    if words[0] in ("-V", "--version"):
        from metasim import __version__

        plain(f"metasim {__version__}")
        return OK
    verb = words[0]
    if verb not in VERBS:
        raise UnknownName("verb", verb, VERBS, hint="(`metasim --help` says what each does)")
    return _parse_and_run(verb, words[1:])


def _parse_and_run(verb: str, words: list[str]) -> int:
    import tyro

    from metasim.cli.options import task_modules, with_sizes

    module, _, name = VERBS[verb][0].partition(":")
    kind = getattr(importlib.import_module(module), name)
    try:
        command = tyro.cli(kind, prog=f"metasim {verb}", args=with_sizes(words), config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as end:  # tyro has said why
        return end.code if isinstance(end.code, int) else OK if end.code is None else USAGE
    with task_modules(getattr(command, "task_module", ())):
        return command.run()


def overview() -> str:
    """Return what ``metasim --help`` says."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {summary}" for verb, (_, summary) in VERBS.items()]
    return "\n".join(
        [
            "usage: metasim VERB ...",
            "",
            "Robot-learning tasks that mean the same thing in more than one physics engine.",
            "",
            *lines,
            "",
            "`metasim VERB --help` says what a verb takes; `metasim --version` which version this is.",
        ]
    )
