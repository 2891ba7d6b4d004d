"""Local learning rules as data: what learns, in which direction, how fast, from what error.

One update per algorithmic step, on one sample at a time. In forward propagation through time (FPTT)
no state is differentiated through: the gradient of every synapse is then a post-synaptic factor
times the message that it carried. With eligibility a neuron's own memory is, in numbers that every
synapse keeps. Factors and memory follow from the neuron's program, walked backwards
(:mod:`ltc2hw.dynamics.reverse`) and forwards (:mod:`ltc2hw.dynamics.tangent`).

Sources: Kag and Saligrama, ICML 2021 (FPTT); Yin, Corradi, Bohte, arXiv 2112.11231 (spiking
neurons); Bellec et al., Nature Communications 11, 3625, 2020 (e-prop); Bohnstingl et al.,
arXiv 2007.12723 (OSTL). ``docs/learning-rules.md`` compares them, ``docs/on-chip-learning.md`` has
all equations of FPTT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.reverse import ONE
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.structure import Connection, Graph, Population, connection_name, named
from ltc2hw.learning.checks import (
    require_choice,
    require_flag,
    require_part,
    require_rate,
    require_seed,
)
from ltc2hw.learning.front_end import check_kernels_behind, front_end, has_kernels_alone, is_held
from ltc2hw.learning.neurons import is_graded, learnable_of
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.counter import draw, step_key
from ltc2hw.numbers.fields import set_field
from ltc2hw.numbers.scalars import shown
from ltc2hw.numbers.words import FloatArray, IntArray

ErrorKind = Literal["softmax", "linear"]
Weighting = Literal["ramp", "uniform"]
Feedback = Literal["symmetric", "random", "adaptive"]
Descent = Literal["instantaneous", "eligibility", "filtered"]
UpdateKind = Literal["fptt", "plain"]
Surrogate = Literal["multi_gaussian", "triangle"]
Term = str
"""``weights`` of a projection, ``bias`` of a port, or another constant of a neuron."""

WEIGHTS: Term = "weights"

SURROGATES: tuple[Surrogate, ...] = get_args(Surrogate)


@dataclass(frozen=True)
class FPTTRule:
    """On-chip learning: one update per algorithmic step, batch of one, no autograd.

    Its name is that of its defaults; e-prop and OSTL are other choices of ``descent``, ``update``
    and ``feedback``. With ``g`` the gradient of the step's loss with the state held fixed, ``Φ̄``
    the running mean and ``λ`` the gradient memory of a parameter ``Φ``::

        Φ ← Φ - learning_rate (g - λ + alpha (Φ - Φ̄))
        λ ← λ - alpha (Φ - Φ̄)
        Φ̄ ← Φ̄ + beta (Φ - Φ̄) - (beta / alpha) λ

    ``error``: ``softmax`` (cross-entropy of labels) or ``linear`` (half the squared error of real
    targets), on the readout's membrane. ``weighting``: the loss of step t of T counts ``(t+1)/T``
    (``ramp``) or 1 (``uniform``). ``feedback``: errors travel back through the transposed weights
    (``symmetric``), through fixed random ones (``random``, drawn from ``feedback_seed``), or
    through ones that begin so and change as the weights do (``adaptive``), while both lose the part
    ``feedback_decay`` of themselves in every update, so that they come together.

    ``descent``: with the state of the past held fixed, an error finds what a synapse brought in
    this step alone (``instantaneous``). With ``eligibility`` it finds what the synapse left in the
    states h of its own neuron, too::

        ε[t] = A ε[t-1] + b x[t]         A = ∂h[t] / ∂h[t-1],   b = ∂h[t] / ∂port[t]
        g = -Σ_v L_v (∂v / ∂h[t-1] ε[t-1] + ∂v / ∂port x[t])

    ``L_v`` is the credit of what the neuron sends, through the layers of this step. With
    ``filtered`` the readout's own memory of earlier messages counts as well: their ``∂v/∂w`` are
    filtered by its leak, which all outputs must share. ``update``: as above (``fptt``), or gradient
    descent without Φ̄ and λ (``plain``): ``Φ ← Φ - learning_rate g``.

    ``ports`` names the populations and the ports of theirs that learn, each once and in any order;
    None means all that an error reaches. ``biases`` and ``self_terms`` (constants that multiply
    their own neuron's state or current where events land, as in event gates) may be held.
    ``own_current`` carries errors from dense gates back through the graded currents of the
    population itself: exact, but not local, because each neuron then needs the gate errors of all
    others within the step. Integer rules refuse it.

    Raises:
        InvalidValueError: a rate that is not positive and finite, or beta above 1; a feedback_decay
            that is no part; a seed beyond 64 bits; a switch that is neither True nor False; a port
            that is named twice.
        UnknownNameError: an unknown error, weighting, feedback, surrogate, descent or update.

    >>> FPTTRule(learning_rate=2**-5).beta
    0.5
    """

    learning_rate: float = 2.0**-6
    alpha: float = 0.5
    beta: float = 0.5
    error: ErrorKind = "softmax"
    weighting: Weighting = "ramp"
    feedback: Feedback = "symmetric"
    feedback_seed: int = 0
    surrogate: Surrogate = "multi_gaussian"
    ports: Mapping[str, tuple[str, ...]] | None = None
    biases: bool = True
    self_terms: bool = True
    own_current: bool = False
    descent: Descent = "instantaneous"
    update: UpdateKind = "fptt"
    feedback_decay: float = 2.0**-14

    def __post_init__(self) -> None:
        for name in ("learning_rate", "alpha", "beta"):
            set_field(self, name, require_rate(name, getattr(self, name)))
        if self.beta > 1:
            raise InvalidValueError("beta", self.beta, "at most 1", "0.5 is usual")
        for name, known in (
            ("error", get_args(ErrorKind)),
            ("weighting", get_args(Weighting)),
            ("feedback", get_args(Feedback)),
            ("surrogate", SURROGATES),
            ("descent", get_args(Descent)),
            ("update", get_args(UpdateKind)),
        ):
            require_choice(name, getattr(self, name), known)
        for name in ("biases", "self_terms", "own_current"):
            set_field(self, name, require_flag(name, getattr(self, name)))
        set_field(self, "feedback_seed", require_seed("feedback_seed", self.feedback_seed))
        set_field(self, "feedback_decay", require_part("feedback_decay", self.feedback_decay))
        if self.ports is not None:
            set_field(self, "ports", _checked_ports(self.ports))

    def step_weight(self, step: int, steps: int) -> float:
        """Weight of the loss of step ``step`` (from 0) of a sample of ``steps`` steps."""
        return (step + 1) / steps if self.weighting == "ramp" else 1.0


def _checked_ports(ports: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Ports by population as plain tuples; each is a name and stands once."""
    if not isinstance(ports, Mapping):
        raise InvalidValueError("plastic ports", shown(ports), "ports by population, or None")
    checked: dict[str, tuple[str, ...]] = {}
    for name, own in ports.items():
        if not isinstance(name, str):
            raise InvalidValueError("population of plastic ports", shown(name), "a name")
        if not isinstance(own, (tuple, list)):
            raise InvalidValueError(f"plastic ports of {name}", shown(own), "a tuple of ports")
        for port in own:
            if not isinstance(port, str):
                raise InvalidValueError(f"plastic port of {name}", shown(port), "a name")
            if own.count(port) > 1:
                raise InvalidValueError(
                    f"plastic port of {name}", f"{port} {own.count(port)} times", "each port once"
                )
        checked[name] = tuple(own)
    return checked


@dataclass(frozen=True)
class Parameter:
    """One array that learns: the weights of a projection, or a vector of a population.

    ``projection`` is the index of the projection for ``weights``, None for the other terms.
    """

    population: str
    port: str
    term: Term
    projection: int | None = None


class Memory(NamedTuple):
    """The three numbers of every plastic synapse, arrays of one shape."""

    value: npt.NDArray[Any]
    """``Φ``."""
    mean: npt.NDArray[Any]
    """``Φ̄``, the running mean."""
    gradient: npt.NDArray[Any]
    """``λ``, the gradient memory."""


def fptt_update(rule: FPTTRule, memory: Memory, gradient: FloatArray) -> Memory:
    """One FPTT update in float64; the equations are those of :class:`FPTTRule`.

    >>> start = Memory(*(np.array([v]) for v in (1.0, 0.5, 0.0)))
    >>> fptt_update(FPTTRule(learning_rate=0.5), start, np.array([0.25])).value
    array([0.75])
    """
    pull = gradient - memory.gradient + rule.alpha * (memory.value - memory.mean)
    value = memory.value - rule.learning_rate * pull
    departure = value - memory.mean
    remembered = memory.gradient - rule.alpha * departure
    mean = memory.mean + rule.beta * departure - (rule.beta / rule.alpha) * remembered
    return Memory(value, mean, remembered)


def updated(rule: FPTTRule, memory: Memory, gradient: FloatArray) -> Memory:
    """One update in float64, of the rule's kind; a plain one needs Φ alone, and Φ̄ is Φ.

    >>> start = Memory(*(np.array([v]) for v in (1.0, 0.5, 0.0)))
    >>> updated(FPTTRule(learning_rate=0.5, update="plain"), start, np.array([0.25])).value
    array([0.875])
    """
    if rule.update == "fptt":
        return fptt_update(rule, memory, gradient)
    value = memory.value - rule.learning_rate * gradient
    return Memory(value, value, memory.gradient)


Passes = Callable[[Any, str], bool]
"""Whether an error of what a population sends, by variable, finds its way to a port of it."""

Crosses = Callable[[str], bool]
"""Whether errors come back through projections of a variable."""

Enters = Callable[[Any, Sequence[str], str], bool]
"""Whether an error of a population's variables goes on to what lands on a port of it."""


def learning_populations(
    graph: Graph[Any, Any], passes: Passes, crosses: Crosses, enters: Enters | None = None
) -> tuple[str, ...]:
    """Populations that an error of the output reaches within one step, the output first.

    Errors start at the output and cross projections backwards, into populations whose step they
    pass; where some learn but hand no error on, ``enters`` says so. A projection with a delay
    carries a message of the past, and the past is held fixed. They end at kernels, and so at
    populations of the front end.

    Raises:
        InvalidValueError: if what the output is read by is one bit and no number.
    """
    output: Population = graph.population(graph.output)
    if not is_graded(output):
        raise InvalidValueError(
            f"output population {output.name}",
            "read by its spikes",
            "a population read by numbers, such as membranes, which are compared with targets",
            "add neurons of the model readout behind it",
        )
    reached, front = {graph.output: [output.output_variable]}, front_end(graph)
    waiting = [graph.output]
    for name in waiting:
        for connection in graph.projections:
            source: Population = graph.population(connection.source)
            if (
                connection.target == name
                and comes_back(connection, crosses)
                and connection.variable not in reached.get(source.name, ())
                and source.name not in front
                and (
                    enters is None or enters(graph.population(name), reached[name], connection.port)
                )
                and passes(source, connection.variable)
            ):
                reached.setdefault(source.name, []).append(connection.variable)
                waiting.append(source.name)
    return tuple(reached)


def comes_back(connection: Connection, crosses: Crosses) -> bool:
    """Whether an error crosses a projection, if it passes the population behind it."""
    kernel = isinstance(connection.weights, Conv)
    return connection.delay == 0 and crosses(connection.variable) and not kernel


def error_paths(
    graph: Graph[Any, Any],
    reached: Sequence[str],
    crosses: Crosses,
    *,
    own_current: bool,
) -> tuple[int, ...]:
    """Indices of the projections that carry errors back.

    Those without delay between populations that learn; a population's own graded current to its own
    gates only if ``own_current``.
    """
    return tuple(
        index
        for index, connection in enumerate(graph.projections)
        if comes_back(connection, crosses)
        and {connection.source, connection.target} <= set(reached)
        and (own_current or connection.source != connection.target)
    )


def plastic_parameters(
    graph: Graph[Any, Any], rule: FPTTRule, reached: Sequence[str]
) -> tuple[Parameter, ...]:
    """Every array that the rule changes: weights in the order of the projections, then vectors.

    Vectors come population by population in the order of ``reached``, port by port in the order of
    the population's ports: its bias, then its self terms, as in the equations. ``reached``: the
    populations that an error reaches, see :func:`learning_populations`.

    The weights of a kernel do not learn, nor does a port that only kernels lead to.

    Raises:
        UnknownNameError: if the rule names a population that does not exist.
        InvalidValueError: if it names one that no error reaches, a port that it lacks or that only
            kernels lead to, or if nothing is left to learn.
        UnsupportedError: if some of the error of what learns would have to cross a kernel.
    """
    chosen = _chosen_ports(graph, rule, reached)
    parameters = [
        Parameter(connection.target, connection.port, WEIGHTS, index)
        for index, connection in enumerate(graph.projections)
        if (connection.target, connection.port) in chosen
        and not isinstance(connection.weights, Conv)
    ]
    for name, port in chosen:
        for own in learnable_of(graph.population(name)):
            if own.port != port:
                continue
            learns = rule.biases if own.message == ONE else rule.self_terms
            if learns and (own.message == ONE or event_driven(graph, name, port)):
                parameters.append(Parameter(name, port, own.term))
    if not parameters:
        remedy = "name it in the rule's ports"
        if has_kernels_alone(graph, graph.output):
            remedy = "kernels do not learn: read them out by dense weights"
        raise InvalidValueError("plastic path", "empty", "at least one port that learns", remedy)
    check_kernels_behind(graph, dict.fromkeys(p.population for p in parameters))
    return tuple(parameters)


def event_driven(graph: Graph[Any, Any], name: str, port: str) -> bool:
    """Whether anything but the population's own graded state lands on a port."""
    return any(
        (connection.target, connection.port) == (name, port)
        and (connection.source != name or connection.variable == "spikes")
        for connection in graph.projections
    )


def _chosen_ports(
    graph: Graph[Any, Any], rule: FPTTRule, reached: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    populations: Sequence[Population] = graph.populations
    if rule.ports is not None:
        _check_named(graph, rule.ports, reached)
    # In the graph's order, so that the order of naming does not change what is drawn.
    return tuple(
        (name, port)
        for name in reached
        for port in named(populations, name).ports
        if rule.ports is None or port in rule.ports.get(name, ())
        if not is_held(graph, name, port)
    )


def _check_named(
    graph: Graph[Any, Any], ports: Mapping[str, Sequence[str]], reached: Sequence[str]
) -> None:
    """Check that the ports that a rule names are there and can learn."""
    for name, own in ports.items():
        population: Population = named(graph.populations, name)
        for port in own:
            if port not in population.ports:
                raise UnknownNameError(f"plastic port of {name}", port, population.ports)
            if is_held(graph, name, port):
                raise InvalidValueError(
                    f"plastic port of {name}",
                    f"{port}, to which kernels alone lead",
                    "one with weights of its own for every synapse: a kernel's change is a sum"
                    " over all its places, which no synapse knows",
                    "name what lies behind the convolutions, and train kernels before",
                )
        if name not in reached:
            raise InvalidValueError(
                f"plastic path to {name}",
                "absent",
                "projections without delay from it to the readout",
                f"name only {', '.join(reached)}",
            )


def parameter_name(graph: Graph[Any, Any], parameter: Parameter) -> str:
    """Readable identity: ``hidden.spikes->readout.current`` or ``hidden.tau_mem.bias``."""
    if parameter.projection is None:
        return f"{parameter.population}.{parameter.port}.{parameter.term}"
    connection: Connection = graph.projections[parameter.projection]
    suffix = f" delay {connection.delay}" if connection.delay > 1 else ""
    return connection_name(connection) + suffix


FEEDBACK_BITS = 8
"""Width of random feedback weights."""


def feedback_mantissas(seed: int, projection: int, shape: tuple[int, int]) -> IntArray:
    """Fixed random feedback weights of a projection, integers from -128 to 127.

    Entry (j, i) of shape (N_target, N_source) is made of the top eight bits of the draw
    ``draw(step_key(seed, projection), j N_source + i)``, in two's complement.

    >>> feedback_mantissas(0, 1, (1, 3))
    array([[ 47,  15, -57]])
    """
    index = np.arange(shape[0] * shape[1], dtype=np.int64).reshape(shape)
    top = draw(step_key(seed, projection), index) >> (32 - FEEDBACK_BITS)
    return top - ((top >> (FEEDBACK_BITS - 1)) << FEEDBACK_BITS)


def feedback_matrix(rule: FPTTRule, projection: int, shape: tuple[int, int]) -> FloatArray:
    """Random feedback weights as reals in [-1/2, 1/2): mantissas / 2^FEEDBACK_BITS."""
    return np.ldexp(
        feedback_mantissas(rule.feedback_seed, projection, shape).astype(np.float64), -FEEDBACK_BITS
    )


MULTI_GAUSSIAN = 0.5, 0.15, 0.3, 6.0
"""Scale, height of the sides, width, and how many times as wide the sides are."""

_GAMMA, _HEIGHT, _WIDTH, _SPREAD = MULTI_GAUSSIAN


def surrogate_slope(surrogate: Surrogate, distance: FloatArray) -> FloatArray:
    """Surrogate derivative ψ of the spike at ``d = u - θ``, any shape.

    ``multi_gaussian`` (Yin, Corradi, Bohte, arXiv 2112.11231): ``0.5 [1.15 N(d; 0, 0.3)
    - 0.15 N(d; 0.3, 1.8) - 0.15 N(d; -0.3, 1.8)]``. ``triangle``: ``max(0, 1 - |d|)``.

    >>> surrogate_slope("triangle", np.array([-2.0, 0.25]))
    array([0.  , 0.75])
    """
    if surrogate == "triangle":
        return np.maximum(0.0, 1.0 - np.abs(distance))
    wide = _WIDTH * _SPREAD
    sides = _normal(distance, _WIDTH, wide) + _normal(distance, -_WIDTH, wide)
    slope: FloatArray = _GAMMA * (
        (1.0 + _HEIGHT) * _normal(distance, 0.0, _WIDTH) - _HEIGHT * sides
    )
    return slope


def _normal(x: FloatArray, mean: float, deviation: float) -> FloatArray:
    density: FloatArray = np.exp(-0.5 * ((x - mean) / deviation) ** 2)
    return density / (deviation * math.sqrt(2.0 * math.pi))
