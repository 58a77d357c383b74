"""A time-of-use tariff: fit the households to (generated) choices, plan the prices, draw demand before and after."""

from pathlib import Path

import stackelberg as sg


HERE = Path(__file__).parent


def main(folder: Path = Path()) -> None:
    day = sg.read_game(HERE / "tariff.json")
    choices = sg.read_choices(HERE / "tariff-choices.csv", day)
    fit = sg.fit_response(choices, day)
    low, high = fit.interval[0]
    print(f"{choices.num_plays:g} choices; inverse temperature {fit.estimate[0]:.4f}, 95% [{low:.4f}, {high:.4f}]")
    plan = sg.solve(day, sg.QuantalStackelberg(fit.follower))
    for name, price, share in zip(day.periods, plan.commitment, plan.response, strict=False):
        print(f"  from {name}: {price:6.2f} pence, {share:6.1%} of households")
    print(f"  {plan.certificate}")
    record = sg.demand(day, 30.0, plan.commitment, fit.follower)
    print(f"profit per household: {record.attributes['profit_before']:.3f} flat at 30, {plan.leader_value:.3f} planned")
    sg.plot(record, str(folder / "tariff"))


if __name__ == "__main__":
    main()
