"""Checks that every relative link of the project's Markdown files leads to a file. usage: readme_names.py ROOT"""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
pages = [*root.glob("*.md"), *root.glob("*/*.md"), *root.glob("tests/**/*.md")]
pages = [page for page in pages if "build" not in page.relative_to(root).parts]
broken = []
for page in pages:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
            broken.append(f"{page.relative_to(root)} links to {target}, which does not exist")
print("\n".join(broken) or f"{len(pages)} pages, every link leads somewhere")
sys.exit(bool(broken))
