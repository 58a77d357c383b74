"""Two thousand ways to damage a run's folder, and who can tell what is left of it."""

import json
import shutil

from safetensors.numpy import load, save

from stackelberg.experiments.digests import sealed, sha256
from stackelberg.experiments.running import checkpoints


def files_of(folder):
    """Every file that a run wrote, relative; the lock apart, which says nothing about the run."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != "run.lock")


def checkpoints_of(folder):
    return sorted(path for path in (folder / "checkpoints").iterdir() if path.name.isdigit())


def forge(place, change):
    """A checkpoint whose arrays and story were changed, and whose manifest was made to fit again."""
    arrays = load((place / "arrays.safetensors").read_bytes())
    facts = json.loads((place / "state.json").read_bytes())
    change(arrays, facts)
    data, state = save(arrays), sealed(facts)
    (place / "arrays.safetensors").write_bytes(data)
    (place / "state.json").write_bytes(state)
    listed = {
        name: {"size": len(content), "sha256": sha256(content)}
        for name, content in (("arrays.safetensors", data), ("state.json", state))
    }
    (place / "manifest.json").write_bytes(sealed({"schema": checkpoints.MANIFEST_SCHEMA, "files": listed}))


def _pick(rng, things):
    return things[int(rng.integers(len(things)))]


def flip(rng, folder, others):
    path = folder / _pick(rng, files_of(folder))
    data = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 4))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def cut(rng, folder, others):
    path = folder / _pick(rng, files_of(folder))
    path.write_bytes(path.read_bytes()[: int(rng.integers(path.stat().st_size))])


def empty(rng, folder, others):
    (folder / _pick(rng, files_of(folder))).write_bytes(b"")


def append(rng, folder, others):
    path = folder / _pick(rng, files_of(folder))
    path.write_bytes(path.read_bytes() + _pick(rng, [b"\0", b"{}\n", rng.bytes(40), b'{"step":1}\n']))


def lose(rng, folder, others):
    (folder / _pick(rng, files_of(folder))).unlink()


def blot(rng, folder, others):
    """A sector of zeros."""
    path = folder / _pick(rng, files_of(folder))
    data = bytearray(path.read_bytes())
    start = int(rng.integers(len(data)))
    end = min(start + 512, len(data))
    data[start:end] = bytes(end - start)
    path.write_bytes(data)


def swap_inside(rng, folder, others):
    """A file of one checkpoint in the place of another's."""
    one, two = rng.choice(len(checkpoints_of(folder)), 2, replace=False)
    name = _pick(rng, ["arrays.safetensors", "state.json", "manifest.json"])
    a, b = checkpoints_of(folder)[one] / name, checkpoints_of(folder)[two] / name
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


def swap_outside(rng, folder, others):
    """A file of another run."""
    name = _pick(rng, [name for name in files_of(folder) if str(name) != "experiment.json"])
    other = _pick(rng, others)
    source = other / name if (other / name).exists() else checkpoints_of(other)[-1] / name.name
    if source.exists():
        (folder / name).write_bytes(source.read_bytes())
    else:
        (folder / name).unlink()


def swap_experiment(rng, folder, others):
    (folder / "experiment.json").write_bytes((_pick(rng, others) / "experiment.json").read_bytes())


def swap_checkpoint(rng, folder, others):
    """A whole checkpoint of another run, valid in itself, under the name of one of this."""
    place, source = _pick(rng, checkpoints_of(folder)), _pick(rng, checkpoints_of(_pick(rng, others)))
    shutil.rmtree(place)
    shutil.copytree(source, place)
    if rng.random() < 0.5 and source.name != place.name:
        forge(place, lambda arrays, facts: facts.update(step=int(place.name)))


def rename_older(rng, folder, others):
    """An older checkpoint in the place of the newest, or after it."""
    source = _pick(rng, checkpoints_of(folder)[:-1])
    place = _pick(rng, [checkpoints_of(folder)[-1], folder / "checkpoints" / "000000000014"])
    if place.exists():
        shutil.rmtree(place)
    shutil.copytree(source, place)


def lose_checkpoint(rng, folder, others):
    for place in checkpoints_of(folder)[-int(rng.integers(1, 4)) :]:
        shutil.rmtree(place)


def folder_for_file(rng, folder, others):
    path = folder / _pick(rng, [name for name in files_of(folder) if len(name.parts) > 1])
    path.unlink()
    path.mkdir()


def _lines(folder):
    return (folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)


def double_line(rng, folder, others):
    lines = _lines(folder)
    place = int(rng.integers(len(lines)))
    (folder / "metrics.jsonl").write_bytes(b"".join([*lines[: place + 1], *lines[place:]]))


def lose_line(rng, folder, others):
    lines = _lines(folder)
    del lines[int(rng.integers(len(lines)))]
    (folder / "metrics.jsonl").write_bytes(b"".join(lines))


def swap_lines(rng, folder, others):
    lines = _lines(folder)
    place = int(rng.integers(len(lines) - 1))
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    (folder / "metrics.jsonl").write_bytes(b"".join(lines))


def arrays_of_another_learner(rng, folder, others):
    """With a manifest that was made to fit."""
    foreign = load((checkpoints_of(others[0])[-1] / "arrays.safetensors").read_bytes())

    def change(arrays, facts):
        arrays.clear()
        arrays.update(foreign)

    forge(_pick(rng, checkpoints_of(folder)), change)


def drop_leaf(rng, folder, others):
    def change(arrays, facts):
        name = _pick(rng, sorted(arrays))
        del arrays[name]
        if rng.random() < 0.5:
            del facts["leaves"][name]

    forge(_pick(rng, checkpoints_of(folder)), change)


def other_type(rng, folder, others):
    """Another type or shape of one array, which the story may agree to."""

    def change(arrays, facts):
        name = _pick(rng, sorted(arrays))
        array = arrays[name]
        ways = [array.astype("float32" if array.dtype != "float32" else "int64"), array[..., None], array.ravel()[:1]]
        made = _pick(rng, [way for way in ways if way.dtype != array.dtype or way.shape != array.shape])
        arrays[name] = made.copy()
        if rng.random() < 0.5:
            facts["leaves"][name] |= {"dtype": str(made.dtype), "shape": list(made.shape)}

    forge(_pick(rng, checkpoints_of(folder)), change)


def blanks(rng, folder, others):
    """The same JSON, laid out in another way."""
    path = folder / _pick(rng, [name for name in files_of(folder) if name.suffix == ".json"])
    data = json.loads(path.read_bytes())
    path.write_text(json.dumps(data, indent=int(rng.integers(0, 5)), ensure_ascii=bool(rng.integers(2))) + "\n\n")


WAYS = {
    flip: 30, cut: 12, empty: 4, append: 8, lose: 6, blot: 8, swap_inside: 6, swap_outside: 8, swap_experiment: 1,
    swap_checkpoint: 5, rename_older: 3, lose_checkpoint: 2, folder_for_file: 2, double_line: 3, lose_line: 3,
    swap_lines: 3, arrays_of_another_learner: 3, drop_leaf: 4, other_type: 5, blanks: 4,
}  # fmt: skip
"""The ways, each with its share of 120."""


def newest_intact(folder, original):
    """The step of the newest checkpoint that is byte for byte the original's, its part of the log included.

    An oracle that knows the truth: it looks at no fingerprint. A manifest may be laid out in another way.
    """
    log, true_log = folder / "metrics.jsonl", (original / "metrics.jsonl").read_bytes()
    for place in reversed(checkpoints_of(original)):
        if all(_same(folder / "checkpoints" / place.name / name, place / name) for name in names_of(place)):
            size = json.loads((place / "state.json").read_bytes())["log"]["size"]
            if log.is_file() and log.read_bytes()[:size] == true_log[:size]:
                return int(place.name)
    return 0


def names_of(place):
    return sorted(path.name for path in place.iterdir())


def _same(path, original):
    if not path.is_file():
        return False
    if path.read_bytes() == original.read_bytes():
        return True
    if path.name != "manifest.json":
        return False
    try:
        return json.loads(path.read_bytes()) == json.loads(original.read_bytes())
    except ValueError:
        return False
