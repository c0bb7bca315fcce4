"""Fails where an installed package brings code that runs at every start of Python.

A `.pth` line that begins with `import` is executed by `site`; litellm 1.82.8 and 1.107.0 were
published with such files.
"""

import sys
import sysconfig
from pathlib import Path

# Where a known tool does it for a stated reason.
ALLOWED = {
    "distutils-precedence.pth": "setuptools, to provide distutils",
    "_virtualenv.pth": "virtualenv and uv",
}


def main() -> int:
    folder = Path(sysconfig.get_paths()["purelib"])
    found = [
        path
        for path in folder.glob("*.pth")
        if path.name not in ALLOWED
        and any(line.startswith(("import ", "import\t")) for line in path.read_text().splitlines())
    ]
    found += [folder / name for name in ("sitecustomize.py", "usercustomize.py", "cook.py")]
    found = [path for path in found if path.exists()]
    for path in found:
        print(f"{path} runs at every start of Python", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
