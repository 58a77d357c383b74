"""Run the commands shown in a page of the docs and put their real output below them.

    python docs/refresh.py docs/tutorial.md docs/how-to/command-line.md

In a block of the kind ```console every line `$ stackelberg ...` is run, in the order of the page, in one empty folder;
`$ cat FILE` prints a file that an earlier command wrote. The tests run the same and compare.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from stackelberg.cli import app


BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def refreshed(text: str) -> str:
    """`text` with every console block replaced by what its commands print now."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.getcwd()
        os.chdir(folder)
        try:
            return BLOCK.sub(lambda block: f"```console\n{_session(block.group(1))}```", text)
        finally:
            os.chdir(before)


def differences(shown: str, real: str) -> list[str]:
    """Lines that differ in more than the last digits of a number; rounding differs between processors."""
    pairs = zip(shown.splitlines(), real.splitlines(), strict=False)
    found = [f"shown: {one}\nreal:  {two}" for one, two in pairs if not _alike(one, two)]
    if len(shown.splitlines()) != len(real.splitlines()):
        found.append(f"{len(shown.splitlines())} lines are shown and {len(real.splitlines())} are printed")
    return found


def _session(block: str) -> str:
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "\n".join(f"{command}\n{_output(command[2:])}" for command in commands)


def _output(command: str) -> str:
    name, *arguments = shlex.split(command)
    if name == "cat":
        printed = Path(arguments[0]).read_text(encoding="utf-8")
    else:
        assert name == "stackelberg", f"only stackelberg and cat are run, not {name}"
        sys.argv = [name, *arguments]
        printed = CliRunner().invoke(app, arguments, prog_name="stackelberg").output
    return printed if not printed or printed.endswith("\n") else printed + "\n"


def _alike(one: str, two: str) -> bool:
    if NUMBER.sub("#", one).split() != NUMBER.sub("#", two).split():
        return False
    numbers = (map(float, NUMBER.findall(line)) for line in (one, two))
    return all(abs(a - b) <= 1e-6 + 2e-3 * max(abs(a), abs(b)) for a, b in zip(*numbers, strict=True))


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")
