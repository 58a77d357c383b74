"""Ochs's published matching pennies: how noisy are people, and how to lead against them."""

from pathlib import Path

import stackelberg as sg


HERE = Path(__file__).parent


def main(folder: Path = Path()) -> None:
    game = sg.read_game(HERE / "ochs.nfg")
    choices = sg.read_choices(HERE / "ochs-choices.csv", game)
    fit = sg.fit_response(choices, game, sg.QuantalEquilibriumModel())
    print(f"{choices.num_plays:g} choices; inverse temperature {fit.estimate[0]:.4f}, 95% {fit.interval[0].round(2)}")
    print(f"log-likelihood {fit.log_likelihood:.4f}")
    plan = sg.solve(game, sg.QuantalStackelberg(sg.QuantalResponse(fit.estimate[0])))
    print(f"best commitment against that follower: {plan.commitment.round(4)}, worth {plan.leader_value:.4f}")
    print(f"  {plan.certificate}")
    sg.plot(sg.landscape(game, sg.QuantalResponse(fit.estimate[0])), str(folder / "matching-pennies"))


if __name__ == "__main__":
    main()
