"""Hostile names, files and folders, met in a process that watches what it does to the machine.

`python -m runs.hostile_runs FOLDER` prints what came of every case, and every event of code execution, foreign import,
process, network, or writing outside of the folder of the case.
"""

import collections
import contextlib
import json
import os
import pickle
import re
import shutil
import signal
import struct
import sys
import time
from pathlib import Path

import stackelberg as sg
from stackelberg.experiments.digests import sealed, sha256
from stackelberg.experiments.running import checkpoints

from . import damages, faults
from .faults import AFTER, FaultyDisk, Quick


STEPS = 6
EXECUTES = (
    "exec", "compile", "import", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.",
    "socket.", "pickle.", "ctypes.", "marshal.", "urllib.", "code.__new__", "function.__new__", "os.kill", "shutil.",
)  # fmt: skip
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
HARMLESS = ("socket.gethostname",)


PLAIN = re.compile(r"(?!(con|nul|com1|lpt9|aux|prn)\b)[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_-]?", re.IGNORECASE)


class Bomb:
    """What a pickle can do to its reader."""

    def __reduce__(self):
        return os.system, ("touch hacked",)


IMPORTS = [
    "os:system", "os.system", "builtins.eval", "builtins:exec", "subprocess:Popen", "importlib:import_module",
    "stackelberg.experiments.running.runner:run", "logging.os.system", "posix.system",
    "__import__('os').system('touch hacked')",
    "!!python/object/apply:os.system", "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd", "Repeated", "__class__",
    "__globals__", "entry_point:x", "%00", "$(touch hacked)", "`touch hacked`", "'; touch hacked; '",
]  # fmt: skip


def names():
    """Names of runs that must not be."""
    yield from ("..", "../x", "a/../../x", "./..", "x/..", "../../../../tmp/escape", "..\\x", ".hidden", "-x", "_x", "")
    yield from (
        "x\0y",
        "x\ny",
        "x\x1b[31m",
        "x y",
        "x/",
        "é",
        "ｘ",
        "x‮y",
        "x\u200b",
        "․․",
        "／etc",
        "\ud800",
        "💣",
        "x:y",
    )
    yield from (
        "con",
        "CON",
        "nul.txt",
        "com1",
        "LPT9",
        "aux.",
        "prn.json",
        "x.",
        "x" * 65,
        "x" * 4096,
        "~",
        "~root",
        "*",
    )
    yield from (
        "/proc/self/x y",
        "/dev/null/x",
        "/dev/null",
        "/etc/passwd/x",
        "http:",
        "file:///tmp/x y",
        "$HOME",
        "x;y",
    )
    yield from (
        'x"y',
        "x'y",
        "x|y",
        "x<y",
        "x>y",
        "x?y",
        "x&y",
        "{x}",
        "%2e%2e",
        "..%2fx",
        "a/b\0c/d",
        "\\\\server\\x",
        "@",
    )
    yield from IMPORTS
    yield from (None, 3, 1.5, b"x", [], {}, object(), ("a",), True)


def experiments():
    """(suffix, bytes) of files of experiments that try something."""
    good = sg.experiment_to_json(faults.experiment(STEPS))
    for word in IMPORTS:
        for change in (
            {"learner": {"kind": word}}, {"learner": word}, {"schema": word}, {"kind": word}, {"_target_": word},
            {"monitor": {"kind": word}}, {"monitor": {"kind": "height", "__init__": word}}, {"__class__": word},
            {"over": {word: [1.0]}}, {"seeds": [word]}, {"num_steps": word}, {word: 1},
            {"learner": {"kind": "repeated", "agent": {"kind": word}, "world": {}}},
        ):  # fmt: skip
            yield ".json", json.dumps({**good, **change}).encode()
        yield ".toml", f'schema = "stackelberg-experiment/1"\nlearner = {word}\n'.encode()
        yield ".toml", f'schema = "stackelberg-experiment/1"\nnum_steps = 3\n[learner]\nkind = "{word}"\n'.encode()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for suffix in (".json", ".toml"):
            yield suffix, pickle.dumps(Bomb(), protocol)
    for depth in (100, 10_000, 1_000_000):
        for opening in ("[", '{"a":', '{"learner":'):
            yield ".json", (opening * depth).encode()
        yield ".toml", b"a = " + b"[" * depth
        yield ".toml", b"[" + b"a." * depth + b"a]\n"
        yield ".toml", b"a = " + b"{a = " * depth
    for digits in (5_000, 1_000_000):
        yield ".json", json.dumps(good).replace(f'"num_steps": {STEPS}', '"num_steps": ' + "9" * digits).encode()
        yield ".toml", b"num_steps = " + b"9" * digits
    for number in ("1e999", "-1", "NaN", "Infinity", "2147483648", "1e18", "true", "null", "[]", '"6"', "6.5"):
        text = json.dumps(good)
        yield ".json", text.replace(f'"num_steps": {STEPS}', f'"num_steps": {number}').encode()
        yield ".json", text.replace('"seeds": [0, 1]', f'"seeds": [{number}]').encode()
        yield ".json", text.replace('"rate": 0.1', f'"rate": {number}').encode()
    yield ".json", b'{"schema": "stackelberg-experiment/1", "schema": "stackelberg-experiment/1"}'
    yield ".toml", b"a = 1\na = 2\n"
    yield ".json", b"\xff\xfe" + json.dumps(good).encode("utf-16")
    yield ".json", b'{"a": "' + b"\\u0000" * 100_000 + b'"}'
    yield ".yaml", b"!!python/object/apply:os.system ['touch hacked']"
    yield ".json", b"&a [*a, *a]"


def tensors(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def arrays():
    """Files of arrays that lie about themselves."""
    entry = {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}
    for change in (
        {"shape": [2**62]}, {"shape": [2**32, 2**32]}, {"shape": [-2]}, {"shape": [2.5]}, {"shape": "2"},
        {"shape": None},
        {"shape": [10**30]}, {"data_offsets": [0, 2**63]}, {"data_offsets": [16, 0]}, {"data_offsets": [-16, 0]},
        {"data_offsets": [0, 10**30]}, {"data_offsets": []}, {"dtype": "O"}, {"dtype": "os:system"}, {"dtype": None},
        {"dtype": "BF16"}, {"dtype": "F8_E4M3"}, {"dtype": "C64"}, {"extra": 1},
    ):  # fmt: skip
        yield tensors({".position": {**entry, **change}}, bytes(16))
    yield tensors({"a": entry, "b": {**entry, "data_offsets": [8, 24]}}, bytes(24))
    yield tensors({"a": entry, "b": entry}, bytes(16))
    yield tensors(b'{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},' * 2 + b'"c":1}', bytes(16))
    yield tensors({"__metadata__": {"a": "b" * 100_000}})
    yield tensors({"__metadata__": {"a": 1}})
    yield tensors({"../../escape": entry}, bytes(16))
    yield tensors({"__class__": entry}, bytes(16))
    for size in (0, 1, 2**20, 2**31, 2**63 - 1, 2**64 - 1):
        yield tensors(b"{}", size=size)
    yield b"[" * 100_000
    yield tensors(b"[" * 100_000)
    yield tensors(b'{"a":' * 100_000)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.dumps(Bomb(), protocol)
    yield b"PK\x03\x04" + bytes(100)
    yield b"\x93NUMPY\x01\x00" + bytes(100)


VALUES = (
    None, True, -1, 0, 2**63, 10**400, 1.5, "x", "os:system", [], [1], [[]], {}, {"a": 1}, {"__class__": "os.system"},
)  # fmt: skip


def folders():
    """(name, what to do to a folder) for runs that were tampered with; everything that can be made to fit fits."""
    for number, data in enumerate(arrays()):

        def change(folder, data=data):
            for place in damages.checkpoints_of(folder):
                (place / "arrays.safetensors").write_bytes(data)
                remade(place)

        yield f"arrays {number}", change
    for field in ("schema", "step", "leaves", "config", "precision", "seeds", "settings", "log", "random_bits"):
        for number, value in enumerate(VALUES):
            yield f"state {field} {number}", lambda folder, field=field, value=value: story(folder, {field: value})
    for field in ("shape", "dtype", "key"):
        for number, value in enumerate(VALUES):
            yield f"leaf {field} {number}", lambda folder, field=field, value=value: leaf(folder, field, value)
    for number, value in enumerate(VALUES):
        for field in ("size", "sha256"):
            yield (
                f"log {field} {number}",
                lambda folder, field=field, value=value: story(
                    folder, {"log": {"size": 0, "sha256": "", field: value}}
                ),
            )
        yield f"files {number}", lambda folder, value=value: resealed(folder, "manifest.json", {"files": value})
        for field in ("num_steps", "checkpoint", "log", "experiment", "config", "seeds"):
            yield (
                f"result {field} {number}",
                lambda folder, field=field, value=value: resealed(folder, "result.json", {field: value}),
            )
        for field in ("sessions", "notes", "environment", "certificate"):
            yield (
                f"provenance {field} {number}",
                lambda folder, field=field, value=value: resealed(folder, "provenance.json", {field: value}),
            )
    for name in ("../../outside", "/etc", "..", "000000000006/../../../outside", "\0", "x" * 5000):
        yield (
            f"result points to {name[:20]!r}",
            lambda folder, name=name: resealed(folder, "result.json", {"checkpoint": {"name": name, "manifest": ""}}),
        )
    every = ("experiment.json", "provenance.json", "metrics.jsonl", "result.json", "run.lock")
    inner = ("arrays.safetensors", "state.json", "manifest.json")
    contents = {
        "pickle": pickle.dumps(Bomb()), "yaml": b"!!python/object/apply:os.system ['touch hacked']",
        "deep": b'{"a":' * 100_000, "zero": bytes(4096), "twice": b'{"schema": 1, "schema": 2}', "nan": b'{"a": NaN}',
        "digits": b'{"a": ' + b"9" * 100_000 + b"}", "not text": b"\xff\xfe\x00",
    }  # fmt: skip
    for name in every:
        for kind, data in contents.items():
            yield f"{kind} {name}", lambda folder, name=name, data=data: (folder / name).write_bytes(data)
        for kind, put in SPECIAL.items():
            yield f"{kind} {name}", lambda folder, name=name, put=put: put(folder / name)
    for name in inner:
        for kind, data in contents.items():
            yield f"{kind} {name}", lambda folder, name=name, data=data: in_each(folder, name, Path.write_bytes, data)
        for kind, put in SPECIAL.items():
            yield f"{kind} {name}", lambda folder, name=name, put=put: in_each(folder, name, put)
    for name in ("checkpoints", "failures"):
        for kind, put in SPECIAL.items():
            yield f"{kind} {name}", lambda folder, name=name, put=put: put(folder / name)
    for name in (
        "²²²²²²²²²²²²",
        "٣٣٣٣٣٣٣٣٣٣٣٣",
        "999999999999",
        "00000000000x",
        "0",
        "-00000000001",
        "damaged-x",
        ".tmp-x",
    ):
        yield (
            f"named {name}",
            lambda folder, name=name: shutil.copytree(
                damages.checkpoints_of(folder)[-1], folder / "checkpoints" / name
            ),
        )
    yield "linked temporary", lambda folder: (folder / ".tmp-x").symlink_to(folder.parent / "outside")
    yield "linked checkpoint", linked_checkpoint


def gone(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


SPECIAL = {
    "pipe": lambda path: os.mkfifo(gone(path)),
    "link": lambda path: gone(path).symlink_to(outside(path) / "file"),
    "dead link": lambda path: gone(path).symlink_to(outside(path) / "missing"),
    "link to folder": lambda path: gone(path).symlink_to(outside(path)),
    "device": lambda path: gone(path).symlink_to("/dev/zero"),
    "loop": lambda path: gone(path).symlink_to(path),
    "folder": lambda path: gone(path).mkdir(),
}


def outside(path):
    """The folder beside the run's that nothing may touch."""
    return next(parent for parent in path.parents if parent.name == "finished").parent / "outside"


def linked_checkpoint(folder):
    place = damages.checkpoints_of(folder)[-1]
    target = folder.parent / "outside" / "checkpoint"
    shutil.rmtree(target, ignore_errors=True)
    place.rename(target)
    place.symlink_to(target)


def in_each(folder, name, put, *arguments):
    for place in damages.checkpoints_of(folder):
        put(place / name, *arguments)


def remade(place):
    listed = {
        name: {"size": len(data), "sha256": sha256(data)}
        for name in ("arrays.safetensors", "state.json")
        for data in [(place / name).read_bytes()]
    }
    (place / "manifest.json").write_bytes(sealed({"schema": checkpoints.MANIFEST_SCHEMA, "files": listed}))


def story(folder, changes):
    for place in damages.checkpoints_of(folder):
        facts = json.loads((place / "state.json").read_bytes())
        (place / "state.json").write_bytes(sealed(facts | changes))
        remade(place)


def leaf(folder, field, value):
    for place in damages.checkpoints_of(folder):
        facts = json.loads((place / "state.json").read_bytes())
        for kind in facts["leaves"].values():
            kind[field] = value
        (place / "state.json").write_bytes(sealed(facts))
        remade(place)


def resealed(folder, name, changes):
    paths = [place / name for place in damages.checkpoints_of(folder)] if name == "manifest.json" else [folder / name]
    for path in paths:
        path.write_bytes(sealed(json.loads(path.read_bytes()) | changes))


class TooLong(BaseException):
    """A case that hangs."""


def main():
    root = Path(sys.argv[1]).resolve()
    stride = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    faults.register()
    experiment = faults.experiment(STEPS)
    disk = FaultyDisk()
    sg.run(experiment, root / "whole", disk=disk)
    expected = faults.finals(root / "whole")
    last = max(k for k, (operation, *_) in enumerate(disk.operations) if operation == "append")
    with contextlib.suppress(faults.Killed):
        sg.run(experiment, root / "killed", disk=FaultyDisk(last, AFTER))
    events, allowed = collections.Counter(), [None]

    def watch(event, arguments):
        if allowed[0] is None or event in HARMLESS:
            return
        is_bad = any(event.startswith(name) for name in EXECUTES)
        if event == "open":
            path, mode, flags = arguments
            writes = bool(set(mode or "") & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            is_bad |= writes and not inside(path)
        if event in CHANGES and not (event == "os.mkdir" and os.path.lexists(arguments[0])):  # there it fails
            is_bad |= not all(inside(path) for path in arguments if isinstance(path, (str, bytes, os.PathLike)))
        if is_bad:
            events[f"{allowed[1]}: {event} {arguments!r}"[:300]] += 1

    def inside(path):
        if isinstance(path, int):
            return True
        parent = os.path.realpath(os.path.dirname(os.fspath(path)) or ".")
        return (
            parent == str(allowed[0])
            or parent.startswith(f"{allowed[0]}{os.sep}")
            or os.fspath(path) == str(allowed[0])
        )

    def ring(number, frame):
        raise TooLong

    signal.signal(signal.SIGALRM, ring)
    for data in (b"\xef\xbb\xbf", b"a = 1", b"[", b"a = 1e5\nb = 1979-05-27\nc = true"):  # imports what reading needs
        for suffix in (".toml", ".json"):
            (root / f"warm{suffix}").write_bytes(data)
            with contextlib.suppress(sg.StackelbergError):
                sg.read_experiment(root / f"warm{suffix}")
            (root / f"warm{suffix}").unlink()
    for read in (sg.verify, sg.read_run, sg.find_runs):
        read(root / "killed")
    sys.addaudithook(watch)
    found, foreign, slowest, cases = collections.Counter(), [], 0.0, 0

    def case(sort, name, place, work):
        nonlocal slowest, cases
        cases += 1
        signal.alarm(30)
        start, allowed[:] = time.process_time(), [place, f"{sort} {name}"]
        try:
            outcome = work()
        except sg.StackelbergError as error:
            outcome = "refused" if str(error).isprintable() else f"foreign: unprintable {error!r}"
        except BaseException as error:
            outcome = f"foreign {type(error).__name__}: {error}"
        allowed[0] = None
        signal.alarm(0)
        slowest = max(slowest, time.process_time() - start)
        found[f"{sort}: {outcome.partition(' ')[0]}"] += 1
        if outcome.startswith(("foreign", "silent")):
            foreign.append([sort, str(name)[:200], outcome[:300]])

    os.chdir(root)
    here = root / "names"
    here.mkdir()
    for name in names():
        full = [name]
        if isinstance(name, str) and PLAIN.fullmatch(name.rstrip("/").rpartition("/")[2]):
            full = [name] if name.startswith("/") else []  # a name like any other where it is not absolute
        elif isinstance(name, str) and name:
            full = [name, f"names/{name}", f"{here}/{name}", f"names/{name}/run/{name}"]
        for path in full:
            case("name", repr(path), root / "nowhere", lambda path=path: sg.run(experiment, path) and "silent: it ran")
            case("name read", repr(path), root / "nowhere", lambda path=path: sg.read_run(path) and "silent: read")
    for number, (suffix, data) in enumerate(experiments()):
        path = root / f"experiment{number}{suffix}"
        path.write_bytes(data)

        def read(path=path):
            sg.read_experiment(path)
            return "read"

        case("experiment", f"{number} {data[:60]!r}", root / "nowhere", read)
        path.unlink()
    for number, (name, change) in enumerate(folders()):
        if number % stride:
            continue
        for sort in ("whole", "killed"):
            if sort == "killed" and "result" in name:
                continue
            place = root / f"case{number}-{sort}"
            (place / "outside").mkdir(parents=True)
            (place / "outside" / "file").write_bytes(b"untouched")
            folder = faults.copied(root / sort, place / "finished")
            change(folder)

            def reads(folder=folder):
                for read in (sg.verify, sg.read_run, lambda folder: sg.find_runs(folder.parent)):
                    try:
                        read(folder)
                    except sg.StackelbergError:
                        continue
                return "read"

            def goes_on(folder=folder):
                sg.run(experiment, folder, disk=Quick())
                if faults.finals(folder) != expected:
                    return "silent: another result"
                return "finished"

            case("folder read", f"{name} {sort}", root / "nowhere", reads)
            case("folder", f"{name} {sort}", folder, goes_on)
            kept = sorted(path.name for path in (place / "outside").iterdir())
            if (
                kept not in (["file"], ["checkpoint", "file"])
                or (place / "outside" / "file").read_bytes() != b"untouched"
            ):
                foreign.append([sort, name, f"the outside was changed: {kept}"])
            shutil.rmtree(place)
    left = sorted(path.name for path in root.iterdir())
    json.dump(
        {
            "cases": cases, "found": found, "foreign": foreign[:40], "events": events, "slowest": slowest, "left": left,
            "names": sorted(str(path) for path in here.rglob("*")),
        },
        sys.stdout,
    )  # fmt: skip


if __name__ == "__main__":
    main()
