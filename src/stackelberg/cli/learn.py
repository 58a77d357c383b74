"""`stackelberg learn`: a policy from a log, and how far to trust it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def learn(
    log: Annotated[str, typer.Argument(metavar="LOG", help="A log (.csv, .parquet, .npz, .hdf5, .xml).")],
    discount: Annotated[float, typer.Option("--discount", "-d", help="Of later rewards: 0 <= x < 1.")] = 0.95,
    reward_range: Annotated[
        tuple[float, float] | None,
        typer.Option("--reward-range", metavar="LOW HIGH", help="Least and most a step can pay; else the log's."),
    ] = None,
    level: Annotated[float, typer.Option(help="Of the lower bound.", callback=options.fraction)] = 0.95,
    num_steps: Annotated[int, typer.Option("--steps", help="Of the optimiser, for each weight.", min=1)] = 400,
    num_features: Annotated[int, typer.Option("--features", help="Of the critic, for each action.", min=1)] = 150,
    rule: Annotated[
        str | None, typer.Option("--rule", help="The weight: by the bound, or local: by the least nearby.")
    ] = None,
    critic: Annotated[str, typer.Option("--critic", help="Its features: random, or learned by a network.")] = "random",
    only_coverage: Annotated[bool, typer.Option("--coverage", help="Say what the log can support, and stop.")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write one HTML page with all of it.", dir_okay=False)
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Write the policy (.npz).", dir_okay=False)] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:  # fmt: skip
    """Learn a policy from LOG: coverage first, then training, then what the log says of the result.

    Nothing is ever tried in the world. The lower bound and its warnings say when not to trust the answer.
    """
    del json_schema
    from . import early

    early.file(log)
    from . import learning, output

    settings = {"discount": discount, "reward_range": reward_range, "level": level, "num_steps": num_steps}
    settings |= {"num_features": num_features, "rule": rule, "critic": critic, "seed": seed}
    data = learning.read(log)
    with output.progress("learning", quiet=quiet, total=None if only_coverage else learning.NUM_WEIGHTS) as advance:
        found = learning.learned(log, data, {} if only_coverage else settings, advance)
    files = learning.written(found, report, policy)
    output.deliver("learn", learning.to_json(found, files), learning.to_text(found), as_json=as_json, out=out)
    for file in files:
        output.remark(f"written: {file}", quiet)
