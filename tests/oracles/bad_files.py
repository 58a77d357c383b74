"""Files and command lines that nobody should accept, as calls that must be refused."""

import contextlib
import io
import json
import os
import re
import sys
import zipfile
from itertools import count

import numpy as np

import stackelberg as sg


KINDS = ("normal-form", "bayesian", "security", "markov", "tariff")
BAD_LITERALS = ("NaN", "Infinity", "-Infinity", "1e999", "nul", "[", '"inf"', "{}", "0x10", "1_000", "true", "[[]]")


def file_cases(folder):
    """(label, call, None) for every way to misread a file."""
    number = count()

    def reading(suffix, content):
        path = folder / f"bad{next(number)}{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return lambda: sg.read_game(path)

    for label, text in json_texts():
        yield f"json {label}", reading(".json", text), None
    for label, text in nfg_texts():
        yield f"nfg {label}", reading(".nfg", text), None
    for label, data in npz_archives():
        yield f"npz {label}", reading(".npz", data), None
    game = sg.NormalFormGame([[2, 4], [1, 3]], [[1, 0], [0, 1]], leader_actions=["up", "down"])
    for label, text in csv_texts():
        path = folder / f"bad{next(number)}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        yield f"csv {label}", (lambda p=path: sg.read_choices(p, game)), None
    yield from path_cases(folder, game)


def json_texts():
    for kind in KINDS:
        good = sg.game_to_json(sg.game_template(kind))
        yield from ((f"{kind}: {label}", text) for label, text in _json_of(good))
    text = json.dumps(sg.game_to_json(sg.game_template("normal-form")))
    for part in range(1, 40):
        yield f"cut at {part}/40", text[: len(text) * part // 40]
    yield from {
        "empty": "",
        "blank": " \n\t",
        "no object": "[1, 2]",
        "a number": "3",
        "null": "null",
        "two values": text + text,
        "nested lists": "[" * 100_000,
        "nested objects": '{"a":' * 100_000,
        "nested payoffs": text.replace("[[2.0", "[" * 70 + "2.0"),
        "deep but closed": text.replace("2.0", "[" * 90 + "2.0" + "]" * 90),
        "endless digits": text.replace("2.0", "9" * 6_000),
        "not UTF-8": text.encode() + b"\xff\xfe",
        "UTF-16": text.encode("utf-16"),
        "NUL": text.replace("up", "u\0p"),
        "escaped NUL": text.replace("up", "u\\u0000p"),
        "half a character": text.replace("up", "\\ud800"),
        "control characters": text.replace("up", "\\u001b[2J"),
        "comments": "// a game\n" + text,
        "single quotes": text.replace('"', "'"),
        "trailing comma": text[:-1] + ",}",
        "other schema": text.replace("stackelberg-game/1", "stackelberg-game/2"),
        "schema of a number": text.replace('"stackelberg-game/1"', "1"),
        "import string": text.replace('"normal-form"', '"os:system"'),
        "kind that is no text": text.replace('"normal-form"', "[1]"),
        "kind twice": text.replace('"kind"', '"kind": "normal-form", "kind"'),
    }.items()


def _json_of(good):
    for key in good:
        without = {name: entry for name, entry in good.items() if name != key}
        if key in ("schema", "kind") or key not in OPTIONAL:
            yield f"without {key}", json.dumps(without)
        yield f"{key} misspelt", json.dumps({**without, key[:-1]: good[key]})
        yield f"{key} doubled", json.dumps(good)[:-1] + f", {json.dumps(key)}: {json.dumps(good[key])}}}"
        yield f"{key} an object", json.dumps({**good, key: {"x": 1}})
        yield f"{key} an object with a kind", json.dumps({**good, key: {"kind": "os.system"}})
        if not isinstance(good[key], str):
            text = json.dumps(good)
            written = json.dumps(good[key])
            for literal in BAD_LITERALS:
                if literal == '"inf"' and isinstance(good[key], list) and isinstance(good[key][0], str):
                    continue  # an odd name, but a name
                start = text.index(written, text.index(json.dumps(key)))
                spoilt = re.sub(r'-?\d+(\.\d+)?(e-?\d+)?|".*?"', lambda _, word=literal: word, written, count=1)
                yield f"{key} {literal}", text[:start] + spoilt + text[start + len(written) :]


OPTIONAL = {
    "leader_actions", "follower_actions", "types", "states", "targets", "periods", "title", "horizon",
    "leader_discount", "follower_discount", "features", "schedules", "capacity_cost",
}  # fmt: skip


def nfg_texts():
    payoffs = 'NFG 1 R "title" { "one" "two" } { { "a" "b" } { "c" "d" } } "why" 1 2 3 4 5 6 7 8'
    outcomes = 'NFG 1 R "title" { "one" "two" } { { "a" "b" } { "c" "d" } } "" { { "x" 1, 2 } { "" 3, 4 } } 1 2 0 1'
    for name, text in (("payoffs", payoffs), ("outcomes", outcomes)):
        tokens = text.split(" ")
        for index, token in enumerate(tokens):
            without = tokens[:index] + tokens[index + 1 :]
            if token not in ('"why"', '""', '"a"', '"b"', '"c"', '"d"'):  # a file may do without these
                yield f"{name}: without {token} ({index})", " ".join(without)
            for other in ("}", "{", "nan", "inf", "1e999", "1/0", "0x1", "--1", "1/2/3", '"', "\x00", "1,5", "π", "½"):
                if other != token:
                    yield (
                        f"{name}: {other!r} for {token} ({index})",
                        " ".join([*tokens[:index], other, *tokens[index + 1 :]]),
                    )
        for end in range(1, len(text) - 1, 7):
            yield f"{name}: cut at {end}", text[:end]
        yield f"{name}: more", text + " 9"
        yield f"{name}: three players", text.replace('"two" }', '"two" "three" }')
        yield f"{name}: one player", text.replace('"two" }', "}")
    yield "empty", ""
    yield "an extensive game", 'EFG 2 R "t" { "1" "2" }'
    yield "announces too much", 'NFG 1 R "t" { "1" "2" } { 999999999 999999999 } 1'
    yield "thousands of digits", payoffs.replace(" 1 2 ", " " + "1" * 5_000 + " 2 ")
    yield "not UTF-8", payoffs.encode() + b"\xff"
    yield "many braces", payoffs.split("{")[0] + "{" * 100_000


def npz_archives():
    good = {
        "schema": "stackelberg-game/1",
        "kind": "normal-form",
        "leader_payoff": np.eye(2),
        "follower_payoff": np.eye(2),
    }

    def packed(arrays, **names):
        buffer = io.BytesIO()
        np.savez(buffer, **{name: np.asarray(array) for name, array in {**arrays, **names}.items()})
        return buffer.getvalue()

    for name in good:
        yield f"without {name}", packed({key: entry for key, entry in good.items() if key != name})
        yield f"objects in {name}", packed(good, **{name: np.array([object()], dtype=object)})
    for value in (np.nan, np.inf, -np.inf):
        for row, column in np.ndindex(2, 2):
            poisoned = np.eye(2)
            poisoned[row, column] = value
            yield f"{value} at {row},{column}", packed(good, leader_payoff=poisoned)
    for dtype in ("complex128", "bool", "U4", "S4", "M8[s]", "m8[s]", "V8"):
        yield f"dtype {dtype}", packed(good, follower_payoff=np.zeros((2, 2), dtype))
    for shape in ((2,), (2, 3), (1, 2, 2), (0, 2), ()):
        yield f"shape {shape}", packed(good, follower_payoff=np.zeros(shape))
    yield "an unknown name", packed(good, extra=np.zeros(3))
    data = packed(good)
    for part in range(40):
        yield f"cut at {part}/40", data[: len(data) * part // 40]
    yield "no archive", b"not an archive"
    yield "empty", b""
    yield "a bare array", _npy()
    yield "a bomb", _archive({"leader_payoff.npy": b"\0" * 2**20}, announce=2**40)
    yield "a path outside", _archive({"../../x.npy": b""})
    yield "an absolute path", _archive({"/tmp/x.npy": b""})
    yield "many members", _archive({f"a{index}.npy": b"" for index in range(1000)})
    yield "a member that is no array", _archive({"leader_payoff.npy": b"hello", "kind.npy": b""})
    yield "a script", _archive({"setup.py": b"import os"})
    huge = _npy().replace(b"(2, 2), ", b"(9999999, 9999999), ", 1)
    yield "an array that announces too much", _archive({"leader_payoff.npy": huge})
    yield "a negative shape", _archive({"leader_payoff.npy": _npy().replace(b"(2, 2)", b"(-2,-2)")})
    yield "code in a header", _archive({"leader_payoff.npy": _npy().replace(b"(2, 2), ", b"exit(), ")})


def _npy():
    buffer = io.BytesIO()
    np.save(buffer, np.eye(2))
    return buffer.getvalue()


def _archive(members, announce=None):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    data = buffer.getvalue()
    if announce is not None:  # the size in the directory at the end, which readers trust before they unpack
        place = data.rindex(b"PK\x01\x02") + 24
        data = data[:place] + min(announce, 2**32 - 2).to_bytes(4, "little") + data[place + 4 :]
    return data


def csv_texts():
    header = "commitment.up,commitment.down,action,count,period"
    rows = ["0.5,0.5,1,10,0", "0.25,0.75,2,3,1"]
    good = [cell.split(",") for cell in rows]
    for row, column in np.ndindex(2, 5):
        for cell in ("", "x", "nan", "inf", "-1", "1e999", "0,5", "=1+1", "½", "1.5", "9" * 400, "true"):
            if (column, cell) in ((3, ""), (4, ""), (4, "1")):
                continue
            spoilt = [list(line) for line in good]
            spoilt[row][column] = cell
            yield f"{cell!r:.12} in row {row}, column {column}", "\n".join([header, *map(",".join, spoilt)])
    for column in header.split(","):
        yield f"column {column} misspelt", "\n".join([header.replace(column, column[:-1]), *rows])
        yield f"column {column} twice", "\n".join([f"{header},{column}", *(f"{row},1" for row in rows)])
    yield from {
        "empty": "",
        "header only": header,
        "short row": f"{header}\n0.5,0.5,1",
        "long row": f"{header}\n0.5,0.5,1,1,0,7",
        "no action": "commitment.up,commitment.down\n0.5,0.5",
        "open quote": f'{header}\n"0.5,0.5,1,1,0',
        "not UTF-8": header.encode() + b"\n\xff,0.5,1,1,0",
        "NUL": f"{header}\n0.5,0.5,\0,1,0",
        "no plays": f"{header}\n0.5,0.5,1,0,0",
        "sum off": f"{header}\n0.5,0.6,1,1,0",
    }.items()


def path_cases(folder, game):
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json").mkdir()
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "lost.json").symlink_to(folder / "nowhere.json")
    (folder / "device.json").symlink_to("/dev/zero")
    (folder / "plain.txt").write_text("{}")
    names = ("pipe", "folder", "loop", "lost", "device", "missing", "folder.json/x", "plain.txt/x", "n" * 300, "a\0b")
    places = [f"{folder}/{name}.json" for name in names]
    places += ["", ".", "..", "/", f"{folder}/plain.txt", f"{folder}/game", f"{folder}/game.efg", f"{folder}/game.pkl"]
    for place in [*places, 3, None, 2.5, [], b"game.json", object(), True]:
        yield f"read_game({place!r:.30})", (lambda p=place: sg.read_game(p)), None
        yield f"check_game({place!r:.30})", (lambda p=place: sg.check_game(p)), None
        yield f"read_choices({place!r:.30})", (lambda p=place: sg.read_choices(p, game)), None
        if place not in [f"{folder}/{name}.json" for name in ("missing", "lost", "folder.json/x")]:
            yield f"write_game({place!r:.30})", (lambda p=place: sg.write_game(game, p)), None
    sg.write_game(game, folder / "large.json")
    yield "larger than the limit", (lambda: sg.read_game(folder / "large.json", limit=100)), None
    yield "a game that .nfg cannot hold", (lambda: sg.write_game(sg.day_tariff(2), folder / "x.nfg")), None


class Refused(sg.StackelbergError):
    """What the command line printed when it refused."""


def cli_cases(folder):
    """Command lines in this process; a refusal is exit code 2, or 3 for a number that is not finite, with a message.

    The verbs are put together once, as in every process that a person starts; `--help` has a time limit of its own.
    """
    from typer import main, testing
    from typer.testing import CliRunner

    from stackelberg.cli import app

    verbs = main.get_command(app)
    testing._get_command = lambda _: verbs

    os.environ["STACKELBERG_CACHE"] = ""
    runner = CliRunner()
    bad = sorted(path for path in folder.glob("bad*") if path.suffix in (".json", ".nfg", ".npz"))[::16]
    logs = sorted(folder.glob("bad*.csv"))[::6]

    def call(arguments):
        sys.argv = ["stackelberg", *arguments]
        with contextlib.chdir(folder):
            done = runner.invoke(app, arguments)
        if done.exit_code == 0:
            return done.output
        message = done.output + (done.stderr or "")
        code = re.search(r"[EW]-[A-Z]+-\d{3}", message)
        if done.exit_code != (3 if code and code.group() == "E-INPUT-001" else 2):
            raise RuntimeError(f"exit code {done.exit_code}: {done.output[-300:]}")
        usage = re.search(r"Error.*|Invalid value.*|No such (command|option).*|Missing.*", message)
        if "Traceback" in message or not (code or usage):
            raise RuntimeError(f"no readable message: {message[-300:]}")
        raise Refused(f"{code.group() if code else 'E-USAGE-000'} {message.strip()}"[:1500])

    games = [[verb, *more] for verb, *more in (["solve"], ["games", "show"], ["games", "check"], ["plot"])]
    lines = [[*start, str(path)] for path in bad for start in games]
    lines += [["fit", str(log), "--game", "conitzer-sandholm"] for log in logs]
    lines += [[*start, name] for name in ("no-such-game", "ochss", "missing.json", "x\x1b[2J", "") for start in games]
    for option in ("--inverse-temperature", "--tolerance", "--time-limit"):
        lines += [["solve", "ochs", option, word] for word in ("-1", "nan", "x", "", "-inf", "1e", "[]", "5,0")]
    for word in (
        "quantal",
        "quantal:",
        "quantal:-1",
        "quantal:nan",
        "quantal:x",
        "bestt",
        "suqr:",
        "suqr:1,x",
        "",
        ":",
    ):
        lines.append(["solve", "ochs", "--response", word])
    lines += [["solve", "ochs", "--ties", word] for word in ("leaders", "", "none", "LEADER")]
    lines += [["solve", "ochs", "--announcement", word] for word in ("strateg", "", "3")]
    lines += [
        ["solve", "ochs", "--no-such-option"],
        ["solve"],
        ["fit"],
        ["stress"],
        ["plot"],
        ["games", "new", "chess"],
    ]
    lines += [["nonsense"], ["games", "nonsense"], ["fit", "missing.csv", "--game", "ochs"], ["fit", "x.csv"]]
    lines += [
        ["stress", "missing.json"],
        ["games", "convert", "ochs", "x.pkl"],
        ["games", "convert", "missing.nfg", "x.json"],
    ]
    lines += [["games", "new", "normal-form", "--seed", word] for word in ("-1", "x", "1.5")]
    for arguments in lines:
        yield " ".join(["stackelberg", *arguments])[:150], (lambda a=arguments: call(a)), None
