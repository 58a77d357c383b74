"""Finite classes: the search is exact, the truth stays, promises lie on the right side, and endless data decide."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stackelberg as sg
from stackelberg.quantal.class_radii import Radii, radii
from stackelberg.quantal.finite_class import FiniteClass, class_around, class_for_policies, greedy, worth_under
from stackelberg.quantal.hypotheses import allows, extreme, surplus
from stackelberg.quantal.record import PlayRecord
from stackelberg.quantal.version_space import OptimisticVersionSpace, PessimisticVersionSpace


RATE = 5.0
NUM_EPISODES = 60


def world(announcement="strategy", seed=0):
    return sg.MarkovWorld(sg.random_markov_game(2, 2, 2, 2, seed=seed), sg.QuantalResponse(RATE), announcement)


def episodes_of(where, announced, seed=0):
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), len(announced))
        return jax.tree.map(np.asarray, jax.jit(jax.vmap(where.play))(jnp.asarray(announced), keys))


def folded(rules, episodes):
    add = lambda record, now: (record.add(now[0], now[1]), None)
    number = len(episodes.states)
    return jax.lax.scan(add, PlayRecord.empty(rules, number), (episodes, jnp.arange(number)))[0]


def random_announcements(where, number=NUM_EPISODES, seed=0):
    between = (2,) if where.announcement == "prescription" else ()
    return np.random.default_rng(seed).dirichlet(np.ones(2), (number, 2, 2, *between))


def answer(rows, reward):
    """Rows (b, a) of the leader's mixtures; probabilities of the follower's actions."""
    weights = np.exp(RATE * np.sum(rows.T * reward, axis=0))
    return weights / weights.sum()


def as_rows(mixture):
    return mixture if mixture.ndim == 2 else np.tile(mixture, (2, 1))


def brute_force(where, classes, episodes, within, sign, policy=None):
    """The extreme promise over every hypothesis, from the episodes themselves, with a fine grid for what is best."""
    game, horizon = where.game, 2
    fine = np.linspace(0.0, 1.0, 401)
    grid = [np.array([x, 1.0 - x]) for x in fine]
    if where.announcement == "prescription":
        coarse = grid[::4]
        grid = [np.stack(pair) for pair in itertools.product(coarse, coarse)]

    def worth(reward, value, h, s):
        if policy is not None:
            rows = as_rows(policy[h, s])
            return answer(rows, reward) @ np.sum(rows.T * value, axis=0)
        rows = np.stack([as_rows(one) for one in grid])
        appeal = np.einsum("gba,ab->gb", rows, reward)
        weights = np.exp(RATE * appeal)
        return np.max(np.sum(weights * np.einsum("gba,ab->gb", rows, value), axis=1) / weights.sum(axis=1))

    num_rewards, num_values = classes.num_rewards, classes.num_values
    table = np.array(
        [
            [[[worth(r[h, s], u[h, s], h, s) for s in range(2)] for h in range(horizon)] for u in classes.leader_value]
            for r in classes.follower_reward
        ]
    )
    losses = np.zeros((num_rewards, horizon))
    for k, h in itertools.product(range(num_rewards), range(horizon)):
        for announced, s, b in zip(
            episodes.commitment[:, h], episodes.states[:, h], episodes.follower_actions[:, h], strict=True
        ):
            losses[k, h] -= np.log(answer(as_rows(announced[s]), classes.follower_reward[k, h, s])[b])

    def misses(h, following):
        """What a function loses on the targets of stage h, and the least that any in comparison does."""
        s, a, b = (getattr(episodes, name)[:, h] for name in ("states", "leader_actions", "follower_actions"))
        target = episodes.rewards[:, h] + (following[episodes.states[:, h + 1]] if h + 1 < horizon else 0.0)
        loss = lambda table: np.sum((table[h][s, a, b] - target) ** 2)
        if classes.comparison is not None:
            return loss, min(loss(u) for u in (*classes.leader_value, *classes.comparison))
        cells = [target[(s == i) & (a == j) & (b == k)] for i, j, k in np.ndindex(2, 2, 2)]
        return loss, sum(np.sum((cell - cell.mean()) ** 2) for cell in cells if len(cell))

    best, allowed = -np.inf, []
    for k0, k1 in itertools.product(range(num_rewards), repeat=2):
        if np.any(losses[[k0, k1], [0, 1]] - losses.min(axis=0) > within.response):
            continue
        for m0, m1 in itertools.product(range(num_values), repeat=2):
            first, least_first = misses(0, table[k1, m1, 1])
            last, least_last = misses(1, np.zeros(2))
            excess = np.array(
                [first(classes.leader_value[m0]) - least_first, last(classes.leader_value[m1]) - least_last]
            )
            if np.all(excess <= np.asarray(within.value)):
                allowed.append((k0, k1, m0, m1))
                best = max(best, sign * (game.initial @ table[k0, m0, 0]))
    return sign * best, allowed


def small_class(where, complete=True):
    """Three rewards and three values with the truth in them."""
    classes = class_around(where.game, where.rules, 3, seed=2).classes
    return classes if complete else FiniteClass(classes.follower_reward, classes.leader_value)


@pytest.mark.parametrize(
    ("announcement", "sign", "complete"),
    [("strategy", 1.0, True), ("strategy", -1.0, False), ("prescription", 1.0, False), ("prescription", -1.0, True)],
)
def test_the_search_agrees_with_brute_force_over_all_hypotheses(announcement, sign, complete):
    """Most with the best announcements, least under a policy; the twin, the sign turned, is told apart."""
    where = world(announcement, seed=3)
    classes = small_class(where, complete)
    episodes = episodes_of(where, random_announcements(where))
    policy = np.asarray(random_announcements(where, 1, seed=9)[0])
    within = Radii(np.array(3.0), np.array([4.0, 2.5]))
    with jax.enable_x64(True):
        rules = where.rules
        record = folded(rules, episodes)
        worth = greedy(rules, classes).worth if sign > 0 else worth_under(rules, classes, policy)
        lost = surplus(rules, record, classes)
        found, turned = jax.jit(
            lambda: [extreme(rules, record, classes, lost, worth, within, one) for one in (sign, -sign)]
        )()
    promise, allowed = brute_force(where, classes, episodes, within, sign, None if sign > 0 else policy)
    assert 3 < len(allowed) < 81, len(allowed)
    assert float(found.promise) == pytest.approx(promise, abs=1e-4)
    assert (*np.asarray(found.reward), *np.asarray(found.value)) in allowed
    assert round(2 * float(found.num_rewards)) == len({(0, k[0]) for k in allowed} | {(1, k[1]) for k in allowed})
    assert sign * (float(turned.promise) - promise) < -1e-3


@pytest.fixture(scope="module")
def drawn():
    where = world(seed=1)
    return where, class_around(where.game, where.rules, 8, seed=4)


def endless(where, plays=1e7, number=8):
    """Counts that are their own expectations, under random announcements."""
    game, announced = where.game, random_announcements(where, number)
    answers = plays * np.stack([np.asarray(where.follower(game, policy)) for policy in announced])
    visits = np.full(where.rules.shape, plays)
    moves = visits[..., None] * game.transition
    moves[-1] = 0.0
    return PlayRecord(announced, answers, visits, visits * game.leader_reward, moves)


def test_with_endless_data_both_find_the_optimum_of_the_truth(drawn):
    where, truth = drawn
    best = sg.Suboptimality(where).best_value
    value = lambda policy: float(where.game.leader_value(policy, where.follower(where.game, np.asarray(policy))))
    known = class_for_policies(where.game, where.rules, 8, seed=4)
    with jax.enable_x64(True):
        rules, record = where.rules, endless(where)
        online = OptimisticVersionSpace(truth.classes, 10)
        offline = PessimisticVersionSpace(known.classes, 8, known.policies)
        plans, policies = greedy(rules, truth.classes), jnp.asarray(known.policies)
        both = lambda: (online._chosen(rules, record, plans), offline._chosen(rules, record, policies))
        most, least = jax.jit(both)()
    for choice in (most, least):
        assert float(choice.promise) == pytest.approx(best, abs=1e-4)
        assert value(choice.commitment) == pytest.approx(best, abs=1e-4)
        assert float(choice.misfit) == 0.0
    assert best - value(where.game.uniform_commitment()) > 1e-2  # the twin: another plan is told apart


def watched(where, truth, agent, num_episodes, seeds, share=1.0):
    """Whether the truth is allowed, and what is promised, after every single episode; `(seed, n)` each."""
    rules = where.rules
    reward = jnp.full(rules.horizon, truth.place)

    def played(key):
        def step(state, now):
            n, key = now
            announced = agent.announce(rules, state, n, key)
            state, _ = agent.observe(rules, state, where.play(announced, key), n, key)
            within = radii(rules, truth.classes, agent.preset, agent.level, agent.capacity)
            within = Radii(share * within.response, share * within.value)
            inside = allows(rules, state.record, truth.classes, state.plans.worth, within, reward, reward)
            return state, (inside, state.choice.promise)

        begin = agent.init(rules, key)
        return jax.lax.scan(step, begin, (jnp.arange(num_episodes), jax.random.split(key, num_episodes)))[1]

    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(5), seeds)
        return tuple(np.asarray(one) for one in jax.jit(jax.vmap(played))(keys))


def test_the_truth_stays_inside_and_promises_are_optimistic_while_it_does(drawn):
    """Sixteen runs of 80 episodes, looked at after each. With `theory` radii a run excludes the truth with probability
    5 % at most by the theorem, and far less in fact: the radius is several times what Ville's inequality needs. The
    twin, a two-hundredth of the radii, excludes it in most runs.
    """
    where, truth = drawn
    agent = OptimisticVersionSpace(truth.classes, 80, refit_every=80, preset="theory")
    best = sg.Suboptimality(where).best_value
    inside, promise = watched(where, truth, agent, 80, 16)
    assert inside.all()
    assert promise.min() >= best - 1e-6
    narrow, _ = watched(where, truth, agent, 80, 16, share=0.005)
    assert narrow.all(axis=1).mean() < 0.5


def test_guarantees_of_the_pessimist_lie_below_the_value_of_its_policy(drawn):
    """At `theory` radii, six logs of 450 episodes: false alarms below 5 % each by the theorem. The twin, the most
    that is promised of the same policy (the sign turned), lies above its value.
    """
    where, _ = drawn
    known = class_for_policies(where.game, where.rules, 8, seed=4)
    value = lambda policy: float(where.game.leader_value(policy, where.follower(where.game, np.asarray(policy))))
    careful = PessimisticVersionSpace(known.classes, 450, known.policies, preset="theory")
    least, most = [], []
    with jax.enable_x64(True):
        rules, policies = where.rules, jnp.asarray(known.policies)

        @jax.jit
        def ends(record):
            choice = careful._chosen(rules, record, policies)
            worth = worth_under(rules, known.classes, choice.commitment)
            within = radii(rules, known.classes, "theory", 0.95, 450)
            return choice, extreme(
                rules, record, known.classes, surplus(rules, record, known.classes), worth, within, 1.0
            )

        for seed in range(6):
            record = folded(rules, episodes_of(where, random_announcements(where, 450, seed), seed))
            choice, turned = ends(record)
            least.append(float(choice.promise) - value(choice.commitment))
            most.append(float(turned.promise) - value(choice.commitment))
    assert max(least) <= 1e-6
    assert min(most) >= -1e-6
    assert np.mean(most) > 5e-3
    assert len(set(least)) > 1  # logs have ruled something out


def test_a_class_without_the_truth_says_so_and_goes_on(drawn):
    where, truth = drawn
    wrong = FiniteClass(truth.classes.follower_reward, truth.classes.leader_value + 0.7)
    with jax.enable_x64(True):
        rules = where.rules
        agent, record = OptimisticVersionSpace(wrong, 10), endless(where, 1e3)
        choice = jax.jit(lambda: agent._chosen(rules, record, greedy(rules, wrong)))()
    assert float(choice.misfit) > 1.0
    assert float(choice.num_values) >= 1.0
    assert np.isfinite(float(choice.promise))


def test_a_run_in_portions_is_the_same_run_bit_for_bit(drawn):
    where, truth = drawn
    learner = sg.stack([sg.Repeated(OptimisticVersionSpace(truth.classes, 40), where)])
    whole = sg.advance(learner, sg.start(learner, range(2)), 40)[0]
    parts = sg.start(learner, range(2))
    for portion in (13, 1, 26):
        parts, _ = sg.advance(learner, parts, portion)
    for one, two in zip(jax.tree.leaves(whole.state), jax.tree.leaves(parts.state), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(two))


def test_wrong_classes_are_refused():
    where = world()
    with pytest.raises(sg.InputError, match="leader_value"):
        FiniteClass(np.zeros((2, 2, 2, 2, 2)), np.zeros((2, 2, 2, 2, 3)))
    agent = OptimisticVersionSpace(FiniteClass(np.zeros((2, 1, 2, 2, 2)), np.zeros((2, 1, 2, 2, 2))))
    with pytest.raises(sg.InputError, match="follower_reward"):
        agent.init(where.rules, jax.random.key(0))
