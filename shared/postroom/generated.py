"""Generated files: written, or compared with what is there."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

USAGE = "usage: python -m {module} PATH [--check]\n"


def run(arguments: Sequence[str], files: Mapping[Path, str], obsolete: Sequence[Path]) -> int:
    """Write files and remove obsolete ones, or with `--check` name what differs; returns the exit code."""
    differing = [path for path, text in files.items() if not _has(path, text)]
    if "--check" in arguments:
        for path in [*differing, *obsolete]:
            sys.stderr.write(f"{path} is not what the code says: run `make asyncapi`\n")
        return 1 if differing or obsolete else 0
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
    for path in obsolete:
        path.unlink()
    return 0


def target(module: str, arguments: Sequence[str]) -> Path:
    """The path on the command line; SystemExit with the usage if it is not one path."""
    paths = [Path(argument) for argument in arguments if argument != "--check"]
    if len(paths) != 1 or str(paths[0]).startswith("-"):
        sys.stderr.write(USAGE.format(module=module))
        raise SystemExit(2)
    return paths[0]


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
