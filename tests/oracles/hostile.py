"""Damaged and hostile files, read in a process that watches what it does to the machine.

`python -m oracles.hostile FOLDER COUNT` reads `COUNT` damaged copies of good files, and hostile ones, and prints what
came of them: games, refusals, foreign errors, and every event of code execution, writing, network or process.
"""

import builtins
import collections
import io
import json
import os
import pickle
import sys
import time
import zipfile
from pathlib import Path

import numpy as np

import stackelberg as sg


WATCHED = (
    "exec",
    "compile",
    "import",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.Popen",
)
WATCHED += (
    "socket.",
    "pickle.find_class",
    "ctypes.",
    "marshal.",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "shutil.",
    "urllib.",
)


class Bomb:
    """What a pickle can do to its reader."""

    def __reduce__(self):
        return os.system, ("touch hacked",)


def good_files(folder):
    """One file of each format and kind, and a log of choices."""
    paths = []
    for kind in ("normal-form", "bayesian", "security", "markov", "tariff"):
        for suffix in (".json", ".npz", *([".nfg"] if kind == "normal-form" else [])):
            paths.append(folder / f"{kind}{suffix}")
            sg.write_game(sg.game_template(kind), paths[-1])
    paths.append(folder / "choices.csv")
    paths[-1].write_text("commitment.up,commitment.down,action,count\n0.5,0.5,left,10\n0.25,0.75,right,3\n")
    return paths


def damaged(data, rng):
    """`data` cut, with bits flipped, bytes replaced, or a piece moved."""
    data = bytearray(data)
    way = rng.integers(5)
    if way == 0:
        return bytes(data[: rng.integers(len(data))])
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(data)))
        if way == 1:
            data[place] ^= 1 << int(rng.integers(8))
        elif way == 2:
            data[place] = int(rng.integers(256))
        elif way == 3:
            del data[place : place + int(rng.integers(1, 20))]
            if not data:
                break
        else:
            piece = data[place : place + int(rng.integers(1, 50))]
            other = int(rng.integers(len(data)))
            data[other:other] = piece
    return bytes(data)


def hostile_files():
    """(suffix, bytes) of files that try to make the reader do something."""
    import_strings = [
        "os:system", "os.system", "builtins:eval", "builtins.exec", "subprocess:Popen", "importlib:import_module",
        "stackelberg.games.normal_form:NormalFormGame", "logging.os.system", "posix.system", "__import__('os')",
        "!!python/object/apply:os.system", "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd", "NormalFormGame",
        "__class__",
    ]  # fmt: skip
    template = sg.game_to_json(sg.game_template("normal-form"))
    for word in import_strings:
        for change in (
            {"kind": word}, {"schema": word}, {"_target_": word}, {"__class__": word}, {"py/object": word},
            {"leader_payoff": {"kind": word}}, {"leader_payoff": word}, {"title": {"__reduce__": word}},
            {"leader_actions": [{"kind": word}, "b"]}, {word: 1}, {"follower_payoff": [[{"kind": word}, 0], [0, 1]]},
        ):  # fmt: skip
            yield ".json", json.dumps({**template, **change}).encode()
        yield ".nfg", f'NFG 1 R "{word}" {{ "1" "2" }} {{ 1 1 }} {word} 0'.encode()
        yield ".csv", f"commitment.up,commitment.down,action,count\n0.5,0.5,{word},1".encode()
        yield ".csv", f"commitment.up,commitment.down,action,count\n=cmd|'{word}',0.5,left,1".encode()
        yield ".npz", _packed(kind=word)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        bomb = pickle.dumps(Bomb(), protocol)
        for suffix in (".json", ".nfg", ".npz", ".csv"):
            yield suffix, bomb
        for name in ("leader_payoff", "schema", "kind"):
            header = _npy_header("|O") + bomb
            yield ".npz", _zipped({f"{name}.npy": header})
            yield ".npz", _zipped({f"{name}.pkl": bomb})
        yield ".npz", _packed_with_object(protocol)
    for name in (
        "../escape.npy",
        "/tmp/escape.npy",
        "..\\escape.npy",
        "a/../../b.npy",
        "con.npy",
        "x\x00.npy",
        "x" * 5000 + ".npy",
    ):
        yield ".npz", _zipped({name: _npy_header("<f8") + bytes(32)})
    for descr in ("|O", "<U99999999", "|V9999999", "<f8" * 50, "__import__('os').system('touch hacked')", "()", "|S0"):
        yield ".npz", _zipped({"leader_payoff.npy": _npy_header(descr) + bytes(32)})
    yield ".npz", _zipped({"leader_payoff.npy": bytes(50 * 2**20)})  # a bomb of zeros
    for depth in (65, 1_000, 100_000, 2_000_000):
        for opening in ("[", '{"a":', '[{"a":', "[[[", '{"kind":['):
            yield ".json", (opening * depth).encode()
    for digits in (5_000, 1_000_000):
        yield ".json", b"[" + b"9" * digits + b"]"
        yield ".json", b"[1e" + b"9" * digits + b"]"
        yield ".nfg", b'NFG 1 R "" { "1" "2" } { 1 1 } ' + b"9" * digits + b" 0"
        yield ".nfg", b'NFG 1 R "' + b"\\" * digits
        yield ".csv", b"action\n" + b"9" * digits
    yield ".nfg", b'NFG 1 R "" { "1" "2" } { 1 1 } 1/' + b"3" * 100_000 + b" 0"
    yield ".json", b'{"a":"' + b"\\u0000" * 100_000 + b'"}'


def _npy_header(descr):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 2), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def _zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _packed(**names):
    arrays = {
        "schema": "stackelberg-game/1",
        "kind": "normal-form",
        "leader_payoff": np.eye(2),
        "follower_payoff": np.eye(2),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(value) for name, value in {**arrays, **names}.items()})
    return buffer.getvalue()


def _packed_with_object(protocol):
    del protocol
    array = np.empty((1, 1), dtype=object)
    array[0, 0] = Bomb()
    return _packed(leader_payoff=array)


def main():
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    game = sg.game_template("normal-form")
    originals = [(path.suffix, path.read_bytes()) for path in good_files(folder)]
    for path in folder.iterdir():
        assert read(path, game) == "read", path  # and imports what reading needs, before anything is watched
    rng = np.random.default_rng(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    cases = [("hostile", *case) for case in hostile_files()]
    for index in range(number):
        suffix, data = originals[index % len(originals)]
        cases.append(("damaged", suffix, damaged(data, rng)))
    events, watching = collections.Counter(), False

    def watch(event, arguments):
        if not watching:
            return
        writes = event == "open" and bool(
            set(arguments[1] or "") & set("wax+") or arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if writes or any(event.startswith(name) for name in WATCHED):
            events[f"{event} {arguments!r}"[:200]] += 1

    sys.addaudithook(watch)
    found, foreign, slowest = collections.Counter(), [], 0.0
    for index, (sort, suffix, data) in enumerate(cases):
        path = folder / f"case{index % 7}{suffix}"
        path.write_bytes(data)
        start, watching = time.process_time(), True
        outcome = read(path, game)
        watching = False
        slowest = max(slowest, time.process_time() - start)
        found[f"{sort}: {outcome.partition(' ')[0]}"] += 1
        if outcome.startswith("foreign"):
            foreign.append([sort, suffix, outcome[:300], data[:200].hex()])
    json.dump(
        {"cases": len(cases), "found": found, "foreign": foreign[:20], "events": events, "slowest": slowest}, sys.stdout
    )


def read(path, game):
    """What reading came to: a checked game, a refusal, or something that must not happen."""
    try:
        if path.suffix == ".csv":
            return "read" if len(sg.read_choices(path, game)) else "foreign: an empty log"
        found = sg.read_game(path)
        arrays = [value for value in vars(found).values() if isinstance(value, np.ndarray)]
        return "read" if all(np.isfinite(array).all() for array in arrays) else "foreign: a game that is not finite"
    except sg.StackelbergError:
        return "refused"
    except builtins.BaseException as error:
        return f"foreign {type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
