# The public names, by hand, in the order of the docs. `__init__.py` reads this file.
from ._errors import FileError, InputError, MemoryBudgetError, NonFiniteError, NonFiniteResultError, PrecisionError
from ._errors import PrecisionWarning, RunError, SolverError, StackelbergError
from ._record import Certificate, Estimate, Record, Solution
from ._runs import Alarm, Metric, RunRecord
from ._learner import AbstractLearner, AbstractMonitor, NonFiniteStepError, Run, advance, commitments, start, train
from ._loop.stacking import Learners, stack
from .games.base import AbstractGame, AbstractProblem
from .games.one_shot import OneShot
from .games.normal_form import NormalFormGame
from .games.security import SecurityGame
from .games.placements import Lottery
from .games.bayesian import BayesianGame
from .games.markov import MarkovGame
from .games.finite_horizon import FiniteHorizon
from .games.discounted import Discounted
from .games.decision_process import DecisionProcess
from .games.domains.small_processes import decision_process, fork, process_names, triangle
from .games.process_files import read_process, write_process
from .games.generators_process import bridge_grid, deep_sea, random_process, river_swim
from .games.model_loss import ModelLoss
from .games.model_game import ModelAsLeader, ModelFit, PolicyAsLeader
from .games.completion import completed
from .games.row_balls import ball_radius, completed_in_balls, tilted_rows
from .games.partially_observed import PartiallyObserved, aliased_fork, corridor
from .games.control import AbstractControl
from .games.domains.control import CartPole, LineFork, Pendulum, PointMass
from .games.domains.glucose import GlucoseControl, Patient, generated_patient
from .games.domains.padova import PadovaPatient, padova_glucose, padova_patients
from .games.domains.padova_control import PadovaControl
from .games.domains.patrol import patrol_park
from .games.domains.tariff import TariffGame, day_tariff
from .games.files import GameSummary, check_game, game_from_json, game_template, game_to_json, read_game, write_game
from .games import catalog
from .games.catalog import catalog_game
from .games.catalog_entry import CatalogEntry
from .games.generators import coordination_game, covariant_game, degenerate_game, duopoly, grab_the_dollar, random_game
from .games.generators import travellers_dilemma, zero_sum_game
from .games.generators_markov import random_markov_game
from .games.generators_process import goal_grid, noisy_ring, second_order_process
from .games.dataset import Dataset, joined_logs
from .games.dataset_files import read_log, write_log
from .games.ohio_files import read_ohio
from .games.logs import control_log, process_log
from .games.memory import AbstractMemory, Window, remembering
from .games.windows import counted_windows, remembered, seen_only, windowed
from .games.choices import Choices, from_frequencies
from .games.choices_files import choices_template, read_choices, write_choices
from .games.published_choices import ochs_matching_pennies
from .followers.base import AbstractFollower, AbstractLogitFollower, Callback
from .followers.best_response import BestResponse
from .followers.quantal_response import QuantalResponse
from .followers.files import follower_from_json, follower_to_json
from .followers.behavioural import SUQR, LinearResponse, Mixture, Trembling
from .followers.level_k import LevelK
from .followers.misspecified import AttributeResponse, DistortedPerception
from .followers.gauge import anchored, centred, gauge_dimension, shaped
from .followers.perceived_payoff import PerceivedPayoff
from .followers.simulate import sample_choices
from .followers.fitting.models import AbstractResponseModel, QuantalEquilibriumModel, QuantalModel
from .followers.fitting.shares import LevelKModel, TremblingModel, UniformModel
from .followers.fitting.weights import PayoffModel, SUQRModel, WeightsModel
from .followers.fitting.result import Fit
from .followers.fitting.fit import compare_models, comparison, fit_response
from .evaluation.outcome import Outcome, evaluate
from .evaluation.performance_difference import FarsightedError, RegretTerms, farsighted_error
from .evaluation.performance_difference import performance_difference, regret_terms
from .evaluation.landscape import landscape
from .evaluation.learning import learning_curve
from .evaluation.response_curve import response_curve
from .evaluation.rivals import usual_suspects
from .evaluation.stress import Stress, StressRow, stress
from .evaluation.demand import demand
from .evaluation.coverage import coverage_map
from .evaluation.log_coverage import LogCoverage, log_coverage
from .evaluation.off_policy import doubly_robust, effective_size, importance_sampling, marginalised
from .solvers.base import AbstractSolver
from .solvers.solve import solve
from .solvers.normal_form.multiple_lps import MultipleLPs
from .solvers.normal_form.batch import BatchSolution, solve_batch
from .solvers.normal_form.correlated_lp import CorrelatedLP
from .solvers.normal_form.nash import NashEquilibria, nash_equilibria
from .solvers.bayesian.milp import BayesianMILP
from .solvers.bayesian.type_enumeration import TypeEnumeration
from .solvers.security.equilibrium import SecurityLP
from .solvers.security.quantal import security_quantal
from .solvers.quantal_stackelberg import QuantalStackelberg
from .solvers.quantal.batch import QuantalBatch, quantal_batch
from .solvers.quantal.column_generation import GeneratedColumns, column_generation
from .solvers.quantal.prescription import Prescriptions, best_prescriptions
from .solvers.quantal.rationality import rationality_curve
from .solvers.markov.backward_induction import BackwardInduction
from .solvers.markov.gradient_ascent import GradientAscent
from .solvers.world_model.best_policy import BestPolicy
from .solvers.world_model.follower_classes import FollowerClasses
from .solvers.world_model.zero_loss import ZeroLossEquilibria, zero_loss_equilibria
from .play.base import AbstractChangingWorld, AbstractWorld, Belief, Meeting
from .play.world import Episode, Rules, World, rules_of
from .play.markov_world import MarkovEpisode, MarkovRules, MarkovWorld
from .play.changing_world import DriftingWorld, RememberingWorld
from .play.play_log import PlayLog, read_play, write_play
from .play.agent import AbstractAgent, Repeated
from .play.response_estimation import ResponseEstimation
from .play.ask_tell import Advisor
from .play.policy import Policy
from .games.domains.linear_quadratic import LinearQuadraticGame, LinearQuadraticOptimum
from .games.domains.chain import chain_features, chain_game
from .games.environment import AbstractEnvironment, Box, Discrete, Transition
from .games.environment_check import check_environment
from .games.exact_environment import AbstractExactEnvironment
from .games.domains.iterated_matrix import IteratedMatrixGame
from .games.adapters.host import HostEnvironment, from_gymnasium, from_pettingzoo
from .games.adapters.pettingzoo import to_pettingzoo
from .games.adapters.gymnasium_control import GymnasiumControl
from .games.adapters.gymnasium_logs import gymnasium_log, gymnasium_returns
from .games.adapters.minari import from_minari, to_minari
from .games.domains.allocation import AllocationGame
from .games.counted_game import CountedGame
from .games.domains.crossing import CrossingGame
from .games.domains.leader_memory import WithLeaderMemory
from .games.domains.matrix_design import MatrixDesignGame
from .games.domains.message_price import MessagePriceGame, information_game, message_space_game
from .games.domains.ordinal import iterated_matrix_game, matrix_game, matrix_game_names
from .solvers.deterministic_policies import DeterministicPolicies
from .followers.query import AbstractQueryOracle
from .followers.asking_all import ExactOracle
from .followers.counting import counted_game
from .followers.inner_ppo import InnerPPO
from .followers.inner_q_learning import InnerQLearning
from .followers.recurrent import RecurrentFollower
from .followers.recurrent_training import RecurrentTraining, pretrained_recurrent
from .followers.several import NoRegret, PureNash
from .followers.contextual import ContextualTable, exact_contextual
from .followers.contextual_training import (
    ContextualTraining,
    pretrained_follower,
    pretrained_networks,
    refined_follower,
)
from .followers.contextual_network import ContextualNetwork
from .followers.contextual_ppo import ContextualPPO
from .followers.stackelberg_pomdp import StackelbergPOMDP
from .deep.policy_gradient import LeaderPPO, LeaderReinforce
from .deep.q_learning import LeaderQLearning
from .deep.evolution import LeaderEvolution
from .deep.after_pretraining import AfterPretraining
from .deep.through_followers import LeaderThroughLearning, LeaderThroughResponse, MarkovTruth
from .deep.truth import BestResponseTruth, EquilibriumTruth
from .model_based.fixed_points import FixedPoints, random_models, repeated_fits
from .model_based.agent_reward import PromisedReward, promised_reward
from .model_based.policy_ascent import PolicyAscent
from .model_based.counting import CountingModel
from .model_based.model_evolution import ModelEvolution
from .model_based.planners import ContextualPlanner, InnerPlanner, PlannerTraining, trained_planner
from .model_based.fitted_models import ContextualModel, CountedFit, ModelTraining, trained_model
from .model_based.regret import response_regret
from .model_based.world_truth import WorldTruth, steps_until_best
from .model_based.where_wrong import where_wrong
from .model_based.imagined_play import ImaginedPlay
from .model_based.presets import best_response_play, model_as_leader, policy_as_leader, simultaneous
from .model_based.control_truth import ControlTruth
from .calculus.kernel import Gaussian, Matern, RationalQuadratic, median_bandwidth
from .calculus.total_derivative import ConjugateGradient, Direct, Nystrom, gauss_newton, total_derivative
from .rl.batch_policy import AbstractBatchPolicy, SoftmaxNetwork, SoftmaxTable, TanhGaussian, blank_batch_policy
from .batch.features import FourierFeatures, PairFeatures, TableFeatures, features_for
from .batch.fence import Fence, fence_for
from .batch.consistency import consistent
from .batch.moments import Moments, moments_of
from .batch.reward_scale import RewardScale
from .batch.cloning import Cloning, cloned
from .batch.stackelberg_learner import StackelbergLearner
from .batch.last_layer import LastLayer, last_layer_features
from .batch.calibration import calibrated_radius
from .batch.oscillation import Oscillation, oscillation
from .batch.remembering import MemoryTest, memory_test
from .batch.recurrent import NextObservation, RecurrentMemory, recurrent
from .batch.stationarity import Stationarity, stationarity
from .batch.judging import kernel_interval
from .batch.problem import Problem, problem_of
from .batch.learning import Candidate, LearnedPolicy, learn_policy
from .batch.tabular import counted_plan, covered_value
from .batch.policy_iteration import GreedyPolicy, policy_iteration
from .batch.neural_learner import NeuralStackelbergLearner
from .batch.actor_critic import TD3BC, ImplicitQLearning
from .batch.conservative import ConservativeActorCritic, ConservativeQLearning, fitted_q_iteration
from .batch.adversarial import AdversarialActorCritic
from .batch.bellman_pessimism import PessimisticSoftIteration, SoftCritic, bellman_moments
from .batch.policy_files import read_batch_policy, write_batch_policy
from .quantal.bonus import Uncertainty
from .quantal.finite_class import DrawnClass, FiniteClass, class_around, class_for_policies
from .quantal.version_space import OptimisticVersionSpace, PessimisticVersionSpace
from .quantal.joint_fit import PlanningAfterEstimation
from .quantal.agents import OptimisticValueIteration, PessimisticValueIteration
from .quantal.model_agents import OptimisticMaximumLikelihood, PessimisticMaximumLikelihood
from .quantal.hypergradient import SampledHypergradient
from .quantal.discount_profile import DiscountProfile, profiled_discount
from .quantal.confidence import ResponseConfidence, ResponseInterval, response_confidence
from .quantal.baselines import ExploreThenCommit, PosteriorSampling
from .quantal.perturbed_leader import FollowThePerturbedLeader
from .quantal.robust import RobustValueIteration
from .quantal.information_directed import InformationDirected
from .solvers.plan import Plan
from .play.suboptimality import Suboptimality
from .experiments.experiment import Experiment
from .experiments.spec import experiment_from_json, experiment_to_json, read_experiment, with_settings, write_experiment
from .experiments.running.runner import Progress, StoppedError, run
from .experiments.running.reading import Verification, find_runs, read_run, verify
from .experiments.running.replay import Failure, read_failure
from .experiments.sweeping.sweep import StoppedSweepError, SweepProgress, sweep
from .experiments.sweeping.sweep_record import read_record, read_sweep
from .experiments.sweeping.backends.base import MissingExtraError
from .experiments.running.devices import DeviceDifference, device_difference
from .experiments.running.sinks import Sink
from .experiments.running.sinks_tracking import MLflowSink, TensorBoardSink, WandbSink
from .experiments.saved import load, pictures_of, policy_of, save
from .report.figures import plot
from .report.page import report_page, write_report
from .report.summary import summary, tidy
