"""The table that gpu_check.py writes: what was measured beside what was to be reached."""

import datetime
import pathlib
import re


class Report:
    def __init__(self):
        self.rows = []
        self.notes = []

    def row(self, what, measured, target="", reached=None):
        verdict = "" if reached is None else ("reached" if reached else "**missed**")
        self.rows.append((what, measured, target, verdict))

    def not_run(self, what, why, target=""):
        self.rows.append((what, f"not run: {why}", target, ""))

    def note(self, text):
        self.notes.append(text)

    def markdown(self, device, program, command, seconds, rehearsal):
        date = datetime.datetime.now(datetime.timezone.utc)
        lines = [f"# gpu-check on {device}", ""]
        if rehearsal:
            lines += ["**A rehearsal with tiny shapes: it shows that the script runs, no figure means anything.**", ""]
        lines += [f"- date: {date:%Y-%m-%d %H:%M} UTC", f"- device: {device}", f"- program: {program}",
                  f"- command: `{command}`", f"- took {seconds:.0f} s", "",
                  "| what | measured | to reach | |", "| --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
                  for row in self.rows]
        if self.notes:
            lines += ["", "Notes:", ""] + [f"- {note}" for note in self.notes]
        return "\n".join(lines) + "\n"

    def write(self, folder, device, text):
        """Writes FOLDER/<date>-<device>.md whole or not at all and returns its path."""
        name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"^cuda:\d+ ", "", device).lower()).strip("-")
        date = datetime.datetime.now(datetime.timezone.utc)
        path = pathlib.Path(folder, f"{date:%Y-%m-%d}-{name}.md")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        return path
