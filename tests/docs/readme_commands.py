"""Runs the commands in README.md's ```sh blocks, in order, in one shell and a fresh folder.

usage: readme_commands.py KVWAVE ROOT. Lines that set MODEL and PATH are replaced (KVWAVE_MODEL, KVWAVE); `./run VERB`
lines are only checked against `./run help`, because they would run this test again.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

kvwave, root = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
model = os.environ.get("KVWAVE_MODEL", "")
if not os.path.isfile(model):
    print("skipped: KVWAVE_MODEL names no model file")
    sys.exit(77)

readme = (root / "README.md").read_text(encoding="utf-8")
usage = subprocess.run([root / "run", "help"], check=True, capture_output=True, text=True).stdout
script = ["set -euo pipefail", f"export PATH={kvwave.parent}:$PATH MODEL={model!r}"]
commands = 0
for block in re.findall(r"^```sh\n(.*?)^```", readme, flags=re.M | re.S):
    for line in block.replace("\\\n", " ").splitlines():
        line = line.strip()
        if not line or line.startswith(("#", "MODEL=", "export PATH=")):
            continue
        verb = re.match(r"\./run (\w+)", line)
        if verb:
            assert re.search(rf"^  {verb[1]}\s", usage, flags=re.M), f"README names ./run {verb[1]}, the script does not"
            continue
        commands += 1
        script += [f"echo {('$ ' + line)!r} >&2", line]
assert commands >= 8, f"only {commands} commands found in README.md"

with tempfile.TemporaryDirectory(prefix="kvwave-readme-") as folder:
    for name in ("tests",):
        os.symlink(root / name, pathlib.Path(folder, name))
    done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=folder, text=True, capture_output=True)
print(done.stderr[-6000:])
if done.returncode:
    print(done.stdout[-2000:])
    sys.exit(f"a README command failed with exit code {done.returncode}")
print(f"{commands} README commands ran")
