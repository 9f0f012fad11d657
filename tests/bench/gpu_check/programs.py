"""Runs the programs that gpu_check.py needs, each with a limit of time and only while the whole check has time left."""

import json
import os
import pathlib
import subprocess
import time


class Failed(Exception):
    """A program that failed, ran out of time or is not there; the text is one line."""


class Missing(Failed):
    """What cannot be had on this machine: no fault of the device."""


class Programs:
    def __init__(self, folder, libraries, seconds):
        """`folder` holds the programs, at any depth; `libraries` (or None) the shared libraries they need."""
        self.files = {path.name: path for path in sorted(pathlib.Path(folder).rglob("*"))
                      if path.is_file() and os.access(path, os.X_OK)}
        self.environment = dict(os.environ)
        if libraries:  # for these programs only: Python itself keeps the system's libraries
            self.environment["LD_LIBRARY_PATH"] = str(libraries)
        self.end = time.monotonic() + seconds

    def has(self, name):
        return name in self.files

    def left(self):
        return self.end - time.monotonic()

    def start(self, name, *args):
        """Starts a program in the background; finish() waits for it."""
        if name not in self.files:
            raise Missing(f"{name} was not built")
        command = [str(self.files[name]), *map(str, args)]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process, limit, codes=(0,)):
        limit = min(limit, self.left())
        if limit <= 0:
            process.kill()
            process.communicate()
            raise Missing("no time was left")
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed(f"stopped after {limit:.0f} s") from None
        if process.returncode not in codes:
            lines = [line for line in (err or out).splitlines() if line.strip()]
            raise Failed(f"exit code {process.returncode}: {lines[-1] if lines else 'no output'}")
        return out, err

    def run(self, name, *args, limit=120, codes=(0,)):
        return self.finish(self.start(name, *args), limit, codes)

    def json(self, name, *args, limit=120):
        return json.loads(self.run(name, *args, limit=limit)[0])
