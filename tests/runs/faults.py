"""A small learner with every kind of array; disks that fail, are killed, or lose power at an operation of choice."""

import errno
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import stackelberg as sg
from stackelberg import _boundary as boundary
from stackelberg.experiments import spec
from stackelberg.experiments.running.disk import AbstractDisk, Disk


class Memory(eqx.Module):
    """The state of `Tiny`: one leaf of each kind that a learner may carry."""

    position: Any  # float64 (3,)
    count: Any  # int32 ()
    is_even: Any  # bool (2,)
    coarse: Any  # bfloat16 (2,)
    chance: Any  # a typed key
    optimiser: Any  # of optax: Adam, with a count
    who: Any  # float64 (): which seed this is


POISONS = ("", "position", "coarse", "optimiser", "metric", "batch", "infinity")


class Tiny(sg.AbstractLearner):
    """Adam after a random target. `victim` is the `who` of the seed that turns bad at `poison_step`, by `poison`."""

    rate: float
    poison_step: float
    poison: float
    victim: float
    width: int
    numeric: str
    on_python: bool

    def __init__(
        self, rate=0.1, poison_step=-1.0, poison=0.0, victim=-1.0, width=3, numeric="float64", on_python=False
    ):
        self.rate = boundary.real_number("rate", rate)
        self.poison_step, self.poison, self.victim = map(float, (poison_step, poison, victim))
        self.width, self.numeric, self.on_python = width, numeric, on_python

    @property
    def precision(self):
        return self.numeric

    @property
    def on_host(self):
        return self.on_python

    @property
    def resume(self):
        return "exact"

    @property
    def max_steps(self):
        return None

    @property
    def meanings(self):
        return {"distance": sg.Metric("distance", better="lower")}

    def init(self, key):
        position = jr.normal(key, (self.width,))
        return Memory(
            position,
            jnp.int32(0),
            jnp.array([True, False]),
            jnp.ones(2, jnp.bfloat16),
            jr.fold_in(key, 1),
            optax.adam(0.1).init(position),
            jr.uniform(key),
        )

    def sample(self, state, n, key):
        bad = self._bad(state, n, "batch")
        return {"target": jr.normal(key, (self.width,)) + bad, "order": jr.permutation(key, 4), "key": key}

    def update(self, state, batch, n, key):
        gradient = state.position - batch["target"]
        change, optimiser = optax.adam(1.0).update(gradient, state.optimiser)
        position = state.position + jnp.asarray(self.rate) * change + 0.01 * jr.normal(state.chance, (self.width,))
        bad = {name: self._bad(state, n, name) for name in POISONS}
        first, *rest = optimiser
        first = first._replace(mu=first.mu + bad["optimiser"])
        state = Memory(
            position + bad["position"] + jnp.where(jnp.isnan(bad["infinity"]), jnp.inf, 0.0),
            state.count + 1,
            ~state.is_even,
            (state.coarse * 1.01 + bad["coarse"]).astype(jnp.bfloat16),
            jr.fold_in(state.chance, n),
            (first, *rest),
            state.who,
        )
        return state, {"distance": jnp.sum(gradient**2) + bad["metric"], "coarse": jnp.float32(state.coarse[0])}

    def commitment(self, state):
        return jax.nn.softmax(state.position)

    def _bad(self, state, n, name):
        is_now = (jnp.asarray(self.poison) == POISONS.index(name)) & (n == jnp.asarray(self.poison_step))
        is_here = (jnp.asarray(self.victim) < 0) | (jnp.abs(state.who - jnp.asarray(self.victim)) < 1e-6)
        return jnp.where(is_now & is_here & (name != ""), jnp.nan, 0.0)


class Height(sg.AbstractMonitor):
    """How high the best entry of the commitment is."""

    @property
    def meanings(self):
        return {"height": sg.Metric("height")}

    def attached(self, learner):
        return self

    def certificate(self):
        return None

    def __call__(self, commitment, batch, key):
        return {"height": jnp.max(commitment) + 0.0 * jr.uniform(key)}


KINDS = {"tiny": Tiny, "height": Height}


def register():
    """Let files name the learner of these tests."""
    spec.TABLE.update(KINDS)


def unregister():
    """Undo it."""
    for name in KINDS:
        spec.TABLE.pop(name, None)


def experiment(num_steps=30, **changes):
    """A run of the small learner: two seeds, a checkpoint after every second step."""
    fields = {"monitor": Height(), "seeds": 2, "record_every": 1, "monitor_every": 3, "checkpoint_every": 2}
    learner = {name: changes.pop(name) for name in tuple(changes) if name in Tiny.__init__.__code__.co_varnames}
    return sg.Experiment(Tiny(**learner), num_steps, **(fields | changes))


def real_experiment(num_steps=20, **changes):
    """A run of a learner of the package."""
    world = sg.World(sg.catalog_game("conitzer-sandholm"), sg.QuantalResponse(5.0), num_plays=5)
    agent = sg.ResponseEstimation(capacity=40, num_exploring=8, plan_every=4)
    fields = {"monitor": sg.Suboptimality(), "seeds": 2, "checkpoint_every": 4}
    return sg.Experiment(sg.Repeated(agent, world), num_steps, **(fields | changes))


FINAL = ("metrics.jsonl", "result.json", "experiment.json")


def finals(folder):
    """What a finished run came to, bit for bit: its newest checkpoint, its log and its result."""
    last = json.loads((folder / "result.json").read_bytes())["checkpoint"]["name"]
    names = [*FINAL, *(f"checkpoints/{last}/{name}" for name in ("arrays.safetensors", "state.json"))]
    found: dict[str, Any] = {name: (folder / name).read_bytes() for name in names}
    for name in ("experiment.json", "result.json"):  # what they say, however their blanks stand
        found[name] = json.loads(found[name])
    return found


class Killed(BaseException):
    """The process is gone: nothing catches this, and nothing is written afterwards."""


class Quick(AbstractDisk):
    """The real disk without waiting for the platter: a test that kills no machine loses nothing by it."""

    def __init__(self):
        self._disk = Disk()

    def make_folder(self, path):
        self._disk.make_folder(path)

    def write(self, path, data):
        self._disk.write(path, data)

    def append(self, path, data):
        self._disk.append(path, data)

    def truncate(self, path, size):
        self._disk.truncate(path, size)

    def sync(self, path):
        assert path.exists()

    def rename(self, old, new):
        self._disk.rename(old, new)

    def remove(self, path):
        self._disk.remove(path)

    def free(self, path):
        return self._disk.free(path)


BEFORE, TORN, AFTER = "before", "torn", "after"


class FaultyDisk(AbstractDisk):
    """Lets operations through until the `at`-th, which is not done, half done, or done; then raises `error`.

    `Killed` ends everything; an `OSError` is raised once (`forever` makes it stay). `operations` is what was asked for.
    """

    def __init__(self, at=None, when=BEFORE, error=None, forever=False, disk=None):
        self.at, self.when, self.error, self.forever = at, when, error, forever
        self.disk = disk or Quick()
        self.operations = []
        self.is_dead = False

    def make_folder(self, path):
        self._do("make_folder", path)

    def write(self, path, data):
        self._do("write", path, data)

    def append(self, path, data):
        self._do("append", path, data)

    def truncate(self, path, size):
        self._do("truncate", path, size)

    def sync(self, path):
        self._do("sync", path)

    def rename(self, old, new):
        self._do("rename", old, new)

    def remove(self, path):
        self._do("remove", path)

    def free(self, path):
        return self.disk.free(path)

    def can_be_torn(self, k):
        """Whether the k-th operation can be done by half."""
        operation, *arguments = self.operations[k]
        return operation in ("write", "append") and len(arguments[1]) > 1

    def _do(self, operation, *arguments):
        if self.is_dead:
            raise Killed
        k = len(self.operations)
        self.operations.append((operation, *arguments))
        if self.at is None or k < self.at or (k > self.at and not self.forever):
            return getattr(self.disk, operation)(*arguments)
        if self.when == AFTER:
            getattr(self.disk, operation)(*arguments)
        elif self.when == TORN:
            path, data = arguments
            getattr(self.disk, operation)(path, data[: len(data) // 2])
        if self.error is None:
            self.is_dead = True
            raise Killed
        raise OSError(self.error, os.strerror(self.error))


class _File:
    def __init__(self):
        self.now, self.durable = b"", None


class _Folder:
    def __init__(self):
        self.now, self.durable = {}, {}


ENTRIES, CONTENT, BOTH = "entries", "content", "both"


class ForgetfulDisk(AbstractDisk):
    """The real disk, and a model of what a power cut leaves of it: `cut` makes the folder what the model says.

    A file keeps what it held when it was last synced; a folder keeps the names that it held when it was last synced.
    `loses` says what is lost of the rest: names (made, renamed and removed files), contents, or both.
    """

    def __init__(self, root, loses=BOTH):
        self.root, self.loses, self.disk = root, loses, Quick()
        self.tree = _Folder()

    def _parent(self, path):
        node = self.tree
        for part in path.relative_to(self.root).parts[:-1]:
            node = node.now[part]
        return node

    def _node(self, path):
        return self.tree if path == self.root else self._parent(path).now[path.name]

    def make_folder(self, path):
        self.disk.make_folder(path)
        self._parent(path).now[path.name] = _Folder()

    def write(self, path, data):
        self.disk.write(path, data)
        file = self._parent(path).now[path.name] = _File()
        file.now = data

    def append(self, path, data):
        self.disk.append(path, data)
        self._parent(path).now.setdefault(path.name, _File()).now += data

    def truncate(self, path, size):
        self.disk.truncate(path, size)
        file = self._node(path)
        file.now = file.now[:size]

    def sync(self, path):
        node = self._node(path)
        node.durable = dict(node.now) if isinstance(node, _Folder) else node.now

    def rename(self, old, new):
        self.disk.rename(old, new)
        self._parent(new).now[new.name] = self._parent(old).now.pop(old.name)

    def remove(self, path):
        self.disk.remove(path)
        del self._parent(path).now[path.name]

    def free(self, path):
        return self.disk.free(path)

    def cut(self):
        """The power goes: everything below the root is replaced by what the model kept."""
        for entry in self.root.iterdir():
            shutil.rmtree(entry)
        self._restore(self.tree, self.root)

    def _restore(self, folder, place):
        entries = folder.durable if self.loses in (ENTRIES, BOTH) else folder.now
        for name, node in entries.items():
            path = place / name
            if isinstance(node, _Folder):
                path.mkdir()
                self._restore(node, path)
            elif self.loses in (CONTENT, BOTH):
                half = node.now[: len(node.now) // 2] if node.durable is None and self.loses == CONTENT else b""
                path.write_bytes(half if node.durable is None else node.durable)
            else:
                path.write_bytes(node.now)


@contextmanager
def killed():
    """A block that is killed; whether it was, is yielded as a list."""
    found = []
    try:
        yield found
    except Killed:
        found.append(True)


def steps_of(folder):
    """The steps that stand in the log, as they stand there."""
    return sg.read_run(folder).steps.tolist()


FULL, BROKEN, DENIED, INTERRUPTED = errno.ENOSPC, errno.EIO, errno.EACCES, errno.EINTR


def bits(tree):
    """All leaves of a tree as bytes."""
    leaves = jax.tree.leaves(tree)
    return [
        np.asarray(jr.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf).tobytes()
        for leaf in leaves
    ]


def copied(source: Path, target: Path) -> Path:
    """A run's folder as it stands."""
    return Path(shutil.copytree(source, target, symlinks=True))
