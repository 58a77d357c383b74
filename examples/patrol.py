"""A park of 25 cells: fit the poacher to a (generated) log of attacks, plan the rangers, draw the map."""

from pathlib import Path

import stackelberg as sg


HERE = Path(__file__).parent


def main(folder: Path = Path()) -> None:
    park = sg.read_game(HERE / "patrol.json")
    attacks = sg.read_choices(HERE / "patrol-attacks.csv", park)
    fit = sg.fit_response(attacks, park, sg.SUQRModel())
    for name, value, ends in zip(fit.parameters, fit.estimate, fit.interval, strict=True):
        print(f"{name:<20} {value:7.3f}   95% [{ends[0]:.3f}, {ends[1]:.3f}]")
    plan = sg.solve(park, sg.QuantalStackelberg(fit.follower))
    even = park.uniform_commitment()
    spread = sg.evaluate(park, even, fit.follower(park, even))
    print(f"rangers spread evenly lose {-spread.leader_value:.4f} animals an attack, planned {-plan.leader_value:.4f}")
    print(f"  {plan.certificate}")
    sg.plot(sg.coverage_map(park, plan.commitment, fit.follower), str(folder / "patrol"))


if __name__ == "__main__":
    main()
