"""Runs the Python blocks of a page, one after another, in one namespace, as if they were typed into one session.

Started by ``reader.Session`` with the file that output goes to. Each line of standard input is a block in JSON; each
line of standard output says how it ended: "" or the traceback.
"""

import json
import linecache
import os
import sys
import traceback
import types


def main(output: str) -> None:
    """Run blocks until there are no more."""
    replies = os.fdopen(os.dup(1), "w")
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    page = types.ModuleType("__main__")
    sys.modules["__main__"] = page
    sys.path[0] = os.getcwd()
    for line in sys.stdin:
        block = json.loads(line)
        code, place = "\n" * block["line"] + block["text"], block["page"]
        linecache.cache[place] = (len(code), None, code.splitlines(keepends=True), place)
        said = ""
        try:
            exec(compile(code, place, "exec"), vars(page))
        except BaseException:  # SystemExit, too, is the end of a block that should have gone on
            said = traceback.format_exc()
        sys.stdout.flush()
        replies.write(json.dumps(said) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(sys.argv[1])
