"""The verb ``doctor``: what this machine has, what it lacks, and what to install."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from metasim.cli.output import as_json, note, stdout_kept, table

WORDS = {"ok": "ok", "missing": "MISSING", "optional": "without"}


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Say what works on this machine; the exit code is 1 if something that is needed is missing.

    Args:
        json: Print JSON.
    """

    json: bool = False

    def run(self) -> int:
        """Look and print."""
        from metasim.cli.findings import examine

        with stdout_kept():
            findings = list(examine())
        healthy = all(finding.state != "missing" for finding in findings)
        if self.json:
            as_json({"ok": healthy, "findings": [asdict(finding) for finding in findings]})
        else:
            table("", ("", "what", "detail"), [(WORDS[f.state], f.name, f.detail) for f in findings])
            for finding in findings:
                if finding.fix:
                    note(f"{finding.name}: {finding.fix}", "red" if finding.state == "missing" else "yellow")
            note(
                "everything needed is here" if healthy else "something needed is missing",
                "" if healthy else "red",
            )
        return 0 if healthy else 1
