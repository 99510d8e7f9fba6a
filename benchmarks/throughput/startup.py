"""How long until one can begin, and what it takes: import, environment, memory; each in fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from metasim.benchmarks.measuring.report import Column, Goal, Report
from metasim.core.errors import EngineFailure

HEAVY = ("mujoco", "pybullet", "gymnasium", "torch")
TASK = "metaworld/pick-place-v3"
MEMORY_STEPS = 20
COLUMNS = (Column(key="value", heading="", digits=1), Column(key="wanted", heading="at most", digits=0))
GOALS = (
    Goal(key="import_ms", at_most=100),
    Goal(key="heavy_modules", at_most=0),
    Goal(key="ready_s", at_most=2),
    Goal(key="memory_mb", at_most=300),
)
IMPORTED = "import json, sys, metasim; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
READY = """
import sys, metasim
env = metasim.make_vec(sys.argv[1], num_envs=int(sys.argv[2]))
env.reset(seed=0)
print("ready", flush=True)
"""
MEMORY = """
import json, resource, sys, metasim
env = metasim.make_vec(sys.argv[1], num_envs=int(sys.argv[2]), workers=2)
env.reset(seed=0)
for _ in range(int(sys.argv[3])):
    env.step(env.action_space.sample())
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def run(*, task: str = TASK, num_envs: int = 64, many: int = 256, imports: int = 5, starts: int = 3) -> Report:
    """Measure the import, the start of a vector environment (the best of some each), and the memory of many worlds."""
    import_s = min(import_seconds() for _ in range(imports))
    heavy = [name for name in HEAVY if name in json.loads(_python("-c", IMPORTED).stdout)]
    ready_s = min(ready_seconds(task, num_envs) for _ in range(starts))
    peak_kb = json.loads(_python("-c", MEMORY, task, str(many), str(MEMORY_STEPS)).stdout.splitlines()[-1])
    summary = {
        "import_ms": 1000.0 * import_s,
        "heavy_modules": float(len(heavy)),
        "ready_s": ready_s,
        "memory_mb": peak_kb / 1024.0,
    }
    return Report(
        benchmark="startup",
        settings={"task": task, "num_envs": num_envs, "many": many, "imports": imports, "starts": starts},
        columns=COLUMNS,
        rows={
            "import metasim [ms]": _line(summary, "import_ms"),
            f"of {', '.join(HEAVY)} it loads": _line(summary, "heavy_modules"),
            f"{num_envs} worlds, from a new process to the first observation [s]": _line(summary, "ready_s"),
            f"{many} worlds, most memory held [MiB]": _line(summary, "memory_mb"),
        },
        summary=summary,
        goals=GOALS,
    )


def import_seconds() -> float:
    """Return what ``python -X importtime`` says of ``import metasim``, cumulative."""
    lines = _python("-X", "importtime", "-c", "import metasim").stderr.splitlines()
    return next(us for us, name in map(_import_line, lines) if name == "metasim") * 1e-6


def ready_seconds(task: str, num_envs: int) -> float:
    """Return the time from the start of a process to the first observation, interpreter and imports included."""
    start = time.perf_counter()
    command = [sys.executable, "-c", READY, task, str(num_envs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        seconds = time.perf_counter() - start
        process.stdout.read()
    if said != "ready":
        raise EngineFailure(f"{task!r} with {num_envs} worlds did not start; exit code {process.returncode}")
    return seconds


def _import_line(line: str) -> tuple[float, str]:
    """Return cumulative microseconds and module of a line ``import time: self | cumulative | module``."""
    parts = line.removeprefix("import time:").split("|")
    return (float(parts[1]), parts[2].strip()) if len(parts) == 3 and parts[1].strip().isdigit() else (0.0, "")


def _line(summary: dict[str, float], key: str) -> dict[str, float]:
    goal = next(g for g in GOALS if g.key == key)
    return {"value": summary[key], "wanted": goal.at_most or 0.0}


def _python(*words: str) -> Any:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailure(f"a fresh process failed with exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    return done
