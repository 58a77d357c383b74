"""A textbook game from a Gambit file: what commitment is worth, and what an erring follower makes of it."""

from pathlib import Path

import stackelberg as sg


HERE = Path(__file__).parent


def main(folder: Path = Path()) -> None:
    game = sg.read_game(HERE / "conitzer-sandholm.nfg")
    promised = sg.solve(game)
    human = sg.QuantalResponse(inverse_temperature=5.0)
    paid = sg.evaluate(game, promised.commitment, human(game, promised.commitment))
    planned = sg.solve(game, sg.QuantalStackelberg(human))
    print(f"strong Stackelberg: announce {promised.commitment.round(3)}, promised {promised.leader_value:.4f}")
    print(f"  paid by a quantal follower: {paid.leader_value:.4f}")
    print(f"planned for that follower: announce {planned.commitment.round(4)}, worth {planned.leader_value:.4f}")
    print(f"  {planned.certificate}")
    sg.plot(sg.landscape(game, human), str(folder / "matrix"))


if __name__ == "__main__":
    main()
