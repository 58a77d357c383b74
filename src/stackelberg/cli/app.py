"""The application: its verbs, its exit codes, and what happens when something goes wrong.

Exit codes: 0 done, 1 failed, 2 usage (bad input and unreadable files included), 3 a NaN or an infinity, handed in or
met by a computation, 128 + n ended by signal n.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from importlib import metadata
from typing import Annotated, Any

import typer
import typer.core

from . import (
    ask,
    cite,
    config,
    demo,
    doctor,
    errors,
    fit,
    games,
    interrupts,
    learn,
    plot,
    process,
    report,
    reproduce,
    runs,
    solve,
    stress,
    sweep,
    train,
)


# What the parser raises to print a usage line or to leave with a code. Its base class has no public name of its own.
_CLICK: type[Exception] = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")
PARSER = (typer.Exit, typer.Abort, _CLICK)


class Verbs(typer.core.TyperGroup):
    """A group of verbs whose errors become one readable block and an exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; see the module for the exit codes."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            code = errors.SIGNAL + signal.SIGINT
        except BrokenPipeError:
            # The reader has left (`| head`): nothing is wrong, and what is still buffered has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = errors.SIGNAL + signal.SIGPIPE
        except PARSER:
            raise
        except Exception as problem:
            if ctx.params.get("debug"):
                raise
            errors.report(problem, as_json="--json" in sys.argv)
            code = errors.exit_code(problem)
        raise typer.Exit(code)


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Games in which a leader commits and followers respond: solve them, fit the follower, stress the plan.",
)


def _print_version(wanted: bool | None) -> None:
    if wanted:
        print(f"stackelberg {metadata.version('stackelberg')}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and stop."),
    ] = None,
) -> None:
    del debug, version
    _remember_compilations()


app.command("demo")(demo.demo)
app.add_typer(games.app, name="games")
app.add_typer(process.app, name="process")
app.command("solve")(solve.solve)
app.command("fit")(fit.fit)
app.command("stress")(stress.stress)
app.command("learn")(learn.learn)
app.command("train")(train.train)
app.command("sweep")(sweep.sweep)
app.add_typer(runs.app, name="runs")
app.add_typer(config.app, name="config")
app.command("next")(ask.next_commitment)
app.command("reproduce")(reproduce.reproduce)
app.command("report")(report.report)
app.command("plot")(plot.plot)
app.command("doctor")(doctor.doctor)
app.command("cite")(cite.cite)


def main() -> None:
    """The installed command `stackelberg`."""
    interrupts.install()
    warnings.showwarning = _as_a_note
    app(prog_name="stackelberg")


def _as_a_note(message: Any, *_: Any, **__: Any) -> None:
    print(f"note: {message}", file=sys.stderr)


def _remember_compilations() -> None:
    """Keep JAX's compilations between runs, in the user's cache folder; without one, every run compiles again."""
    from .cache import folder

    if (place := folder()) is not None:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(place))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
