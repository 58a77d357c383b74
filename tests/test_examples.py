"""The examples: their files are what the generator writes, and their scripts run and say what the docs say."""

import importlib.util
from pathlib import Path

import pytest

import stackelberg as sg


EXAMPLES = Path(__file__).parent.parent / "examples"


def script(name):
    specification = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_files_are_those_that_the_generator_writes(tmp_path):
    script("make_examples").main(tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert len(written) == 8
    for name in written:
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes(), name


def test_every_game_file_is_a_game():
    for path in EXAMPLES.iterdir():
        if path.suffix in (".json", ".nfg"):
            assert sg.check_game(path).kind


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("matrix", ["promised 3.5000", "paid by a quantal follower: 2.5000", "worth 3.1057"]),
        ("matching_pennies", ["inverse temperature 1.8456", "log-likelihood -174.7645"]),
        ("patrol", ["weight of coverage", "optimal"]),
        ("tariff", ["inverse temperature 0.9676", "optimal"]),
    ],
)
def test_the_scripts_print_and_draw(name, says, tmp_path, capsys):
    script(name).main(tmp_path)
    printed = capsys.readouterr().out
    assert all(text in printed for text in says), printed
    assert len(list(tmp_path.glob("*.png"))) == 1
