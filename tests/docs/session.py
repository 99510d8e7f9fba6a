"""Where a reader types: a Python session, and a shell that has ``metasim`` and ``python``, both in one folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from .pages import Block

LIMIT_S, SLOW_LIMIT_S = 120.0, 3600.0
PLAIN = re.compile(r"""metasim( ([\w./:=,@%+-]+|'[^']*'|"[^"$`\\]*"))*""")  # a command that needs no shell


class BadBlock(Exception):
    """A block that does not do what the page says; the message shows it."""


class Worker:
    """A process that is told what to do by lines of JSON, and says by a line how each ended; started when first asked.

    Args:
        script: What it runs, beside this file.
        words: Its arguments.
        options: Of ``subprocess.Popen``.
    """

    def __init__(self, script: str, *words: Path, **options: Any) -> None:
        self._command = [sys.executable, Path(__file__).with_name(script), *words]
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def ask(self, job: object, limit_s: float) -> str:
        """Return the reply without its end of line; empty if the process ended, or had to be killed."""
        if self._process is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._process = subprocess.Popen(self._command, **pipes, **self._options)
        process = self._process
        assert process.stdin and process.stdout
        timer = threading.Timer(limit_s, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            return process.stdout.readline().removesuffix("\n")
        except BrokenPipeError:
            return ""
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        with suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self._process.communicate(timeout=20)
        self._process.kill()
        self._process.wait()
        self._process = None


class Session:
    """A Python session and a shell.

    Args:
        folder: Where the reader is.
        tools: A folder for what the session itself needs.
        typist: Runs plain ``metasim`` commands; serves many sessions.
    """

    def __init__(self, folder: Path, tools: Path, typist: Worker) -> None:
        self.folder, self.tools = folder, tools
        self._typist = typist
        self._output = tools / "output.txt"
        for name, words in {"metasim": "-P -m metasim", "python": ""}.items():
            (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (tools / name).chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(tools), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(tools / "installed")])),
            "COLUMNS": "200",
            "OMP_NUM_THREADS": "1",
        }
        self._python = Worker("page_process.py", self._output, cwd=folder, env=self.environment)

    def python(self, block: Block, limit_s: float) -> str:
        """Run a block and return what it printed.

        Raises:
            BadBlock: If it raises, or takes too long.
        """
        self._output.write_text("")
        reply = self._python.ask({"text": block.as_tested, "line": block.line, "page": str(block.page)}, limit_s)
        printed = self._output.read_text()
        if reply != '""':
            said = json.loads(reply) if reply else f"the process ended, or took more than {limit_s:.0f} s"
            raise BadBlock(f"{block.place}\n{printed}\n{said}")
        return printed

    def shell(self, command: str, block: Block, limit_s: float) -> str:
        """Run a command and return what it printed.

        Raises:
            BadBlock: If it ends with another code than it should, or takes too long.
        """
        code, printed = (self._typed if PLAIN.fullmatch(command) else self._bash)(command, limit_s)
        wanted = [int(code) for rest in block.all("exits") or ["0"] for code in rest.split(" or ")]
        if code not in wanted:
            raise BadBlock(f"{block.place}\n$ {command}\nexit code {code}, none of {wanted}\n{printed}")
        return printed

    def _typed(self, command: str, limit_s: float) -> tuple[int, str]:
        job = {"words": shlex.split(command)[1:], "folder": str(self.folder), "environment": self.environment}
        reply = self._typist.ask({**job, "output": str(self._output), "limit_s": limit_s}, limit_s + 60.0)
        return int(reply or "137"), self._output.read_text()

    def _bash(self, command: str, limit_s: float) -> tuple[int, str]:
        done = subprocess.run(
            ["timeout", f"{limit_s:.0f}", "bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode if done.returncode >= 0 else 128 - done.returncode, done.stdout

    def install(self, project: Path) -> None:
        """Install a package where the session finds it, without a network."""
        source = self.tools / "source" / project.name
        shutil.copytree(project, source, dirs_exist_ok=True)  # the build writes beside the sources
        options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", self.tools / "installed", source]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S)

    def close(self) -> None:
        """End the Python session."""
        self._python.close()
