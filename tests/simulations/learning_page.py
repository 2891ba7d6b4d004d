"""On-chip FPTT written a second time, with Python's unbounded integers, from the documents alone.

Sources: ``docs/numerics.md`` for the forward step, ``docs/on-chip-learning.md`` for the rest. The
fields of a network, a rule and words are read; no code of the package is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

Row = list[int]
Name = tuple[str, str, str, Any]
"""Population, port, term and projection of a parameter."""

MASK_32, MASK_64 = 2**32 - 1, 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def rsz(x: int, n: int) -> int:
    """Right shift toward zero."""
    return -(-x >> n) if x < 0 else x >> n


def rescale(x: int, n: int) -> int:
    """Right shift toward zero, left shift for negative n."""
    return rsz(x, n) if n >= 0 else x << -n


def sat(x: int, bits: int) -> int:
    """Clip to a signed word."""
    half = 1 << (bits - 1)
    return max(-half, min(half - 1, x))


def half_even(x: float) -> int:
    """Nearest integer of a real, ties to even, exactly."""
    return round(Fraction(x))


# --- draws --------------------------------------------------------------------------------------


def mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK_64
    return z ^ (z >> 31)


def drawn(seed: int, update: int, index: int) -> int:
    key = mix((mix((seed + GOLDEN) & MASK_64) + (update + 1) * GOLDEN) & MASK_64)
    h = (index * 0x9E3779B1 + (key & MASK_32)) & MASK_32
    h ^= h >> 16
    h = ((h * 0x7FEB352D) & MASK_32) ^ (key >> 32)
    h ^= h >> 15
    h = (h * 0x846CA68B) & MASK_32
    return h ^ (h >> 16)


def rounded(x: int, n: int, bits: int | None) -> int:
    """``round(x, n)``, to nearest without bits."""
    if bits is None:
        return (x + (1 << (n - 1))) >> n
    return (x + (bits >> (32 - n) if n <= 32 else bits << (n - 32))) >> n


# --- gates --------------------------------------------------------------------------------------


def gate_value(gate: Any, g: int) -> int:
    f, o = int(gate.fraction), int(gate.output_fraction)
    one = 1 << o
    if gate.function == "plan":
        a, y = abs(g), one
        if a < 8 << (f - 3):
            y = (a >> (2 + f - o)) + (1 << (o - 1))
        elif a < 19 << (f - 3):
            y = (a >> (3 + f - o)) + (5 << (o - 3))
        elif a < 40 << (f - 3):
            y = (a >> (5 + f - o)) + (27 << (o - 5))
        return one - y if g < 0 else y
    table = [int(entry) for entry in gate.table]
    n: int = (len(table) - int(gate.function == "interpolated")).bit_length() - 1
    shift: int = f + 4 - n
    half = 1 << (f + 3)
    q = max(-half, min(half - 1, g)) + half
    c = q >> shift
    if gate.function == "table":
        return table[c]
    return table[c] + (((table[c + 1] - table[c]) * (q - (c << shift))) >> shift)


def gate_slope(gate: Any, g: int) -> int:
    one = 1 << int(gate.output_fraction)
    if gate.function != "plan":
        value = gate_value(gate, g)
        return (value * (one - value)) >> int(gate.output_fraction)
    for eighths, down in ((8, 2), (19, 3), (40, 5)):
        if abs(g) < eighths << (gate.fraction - 3):
            return one >> down
    return 0


# --- parameters ---------------------------------------------------------------------------------


@dataclass
class Learned:
    """One parameter: its three words, their formats, and where it meets factors and messages."""

    name: Name
    bits: tuple[int, int, int]
    fractions: tuple[int, int, int]
    shift: int
    message_shift: int
    product: int
    first: int
    places: list[tuple[int, int]]
    sources: int
    value: Row
    mean: Row = field(default_factory=list)
    gradient: Row = field(default_factory=list)

    def __post_init__(self) -> None:
        s, up = self.shift, self.bits[1] - self.bits[0]
        start = [(m << s) + 2 ** (s - 1) if s > 0 else m >> -s for m in self.value]
        self.value = [sat(v, self.bits[0]) for v in start]
        self.mean = [v << up if up >= 0 else v >> -up for v in self.value]
        self.gradient = [0] * len(self.value)

    @property
    def network(self) -> Row:
        """What the network computes with."""
        return [v >> self.shift if self.shift >= 0 else v << -self.shift for v in self.value]


def described(p: Any) -> Any:
    """A population by the symbols of the documents."""
    if not p.ports:
        return p
    held, constants = p.formats.held, p.formats.constants
    low, high = held["current"].numbers
    word = SimpleNamespace(bits=(high - low).bit_length(), minimum=low, maximum=high)
    found = SimpleNamespace(
        name=p.name, size=p.size, ports=p.ports, messages=p.messages, kind=p.model.name, state=word,
        fraction=held["current"].fraction, bias_current=p.constants["bias_current"],
    )  # fmt: skip

    def factor(name: str, of: int, to: int) -> Any:
        return SimpleNamespace(values=p.constants[name], shift=constants[name] + of - to)

    for port, state in (("tau_mem", "membrane"), ("tau_adp", "adaptation")):
        if port in p.ports:
            own, gate = p.formats.gates[port], held[port].fraction
            terms = {
                "from_state": factor(f"{port}.from_state", held[state].fraction, gate),
                "from_current": factor(f"{port}.from_current", found.fraction, gate),
            }
            described_gate = SimpleNamespace(
                bias=p.constants[f"{port}.bias"], fraction=gate, function=own.function,
                output_fraction=own.output_fraction, table=p.tables[port], **terms,
            )  # fmt: skip
            setattr(found, port, described_gate)
    if "tau_adp" in p.ports:
        found.adaptation_fraction = held["adaptation"].fraction
        found.threshold = p.constants["threshold"]
        found.adaptation_strength = factor(
            "adaptation_strength", found.adaptation_fraction, held["threshold"].fraction
        )
    return found


class Chip:
    """A network that learns by a rule in words."""

    def __init__(self, network: Any, rule: Any, words: Any) -> None:
        self.network, self.rule, self.words = network, rule, words
        self.populations = {p.name: described(p) for p in network.populations}
        self.projections = list(network.projections)
        self.inputs = [p.name for p in network.populations if not p.ports]
        self.reached = self.reach()
        self.constants: dict[Any, Row] = {}
        self.shifts: dict[Any, int] = {}
        for p in self.populations.values():
            self.read_constants(p)
        self.weights = [
            [[int(v) for v in row] for row in projection.weights.to_array()]
            for projection in self.projections
        ]
        self.learned = self.parameters()
        self.updates = 0
        self.clear()

    def kind(self, name: str) -> str:
        return str(getattr(self.populations[name], "kind", "input"))

    def reach(self) -> list[str]:
        reached = [self.network.output]
        for name in reached:
            for p in self.projections:
                if (p.target, p.variable, p.delay) == (name, "spikes", 0) and (
                    p.source not in reached and self.kind(p.source) == "ltc"
                ):
                    reached.append(p.source)
        return reached

    def read_constants(self, p: Any) -> None:
        if not p.ports:
            return
        self.constants[p.name, "current", "bias"] = [int(v) for v in p.bias_current]
        for port in p.ports[1:]:
            gate = getattr(p, port)
            self.constants[p.name, port, "bias"] = [int(v) for v in gate.bias]
            for term in ("from_state", "from_current"):
                factor = getattr(gate, term)
                self.constants[p.name, port, term] = [int(v) for v in factor.values]
                self.shifts[p.name, port, term] = factor.shift

    def message(self, name: str, variable: str) -> Any:
        """Word and shift of a graded message; None for spikes and inputs."""
        for m in getattr(self.populations[name], "messages", ()):
            if m.variable == variable:
                return m
        return None

    def message_fraction(self, name: str, variable: str) -> int:
        p = self.populations[name]
        if variable == "spikes":
            return 0
        if variable == "value":
            return int(p.fraction)
        own = p.adaptation_fraction if variable == "adaptation" else p.fraction
        return int(own - self.message(name, variable).shift)

    def state_fraction(self, name: str, port: str, term: str) -> int:
        p = self.populations[name]
        adapts = (port, term) == ("tau_adp", "from_state")
        return int(p.adaptation_fraction if adapts else p.fraction)

    def range_of(self, values: Row, held: int, term: str) -> int:
        """The r of a constant's range ±2^r."""
        largest, least = max(abs(v) for v in values), 2 if term == "bias" else 1
        if largest == 0:
            return least
        # The smallest n with 2^n >= largest, then room to double.
        return max(least, (largest - 1).bit_length() + 1 - held)

    def parameters(self) -> list[Learned]:
        found: list[Learned] = []
        first = 0
        for index, p in enumerate(self.projections):
            if p.target in self.reached and self.learns(p.target, p.port):
                found.append(self.weights_parameter(index, p, first))
                first += p.weights.shape[0] * p.weights.shape[1]
        for name in self.reached:
            for port in self.populations[name].ports:
                for term in self.terms(name, port):
                    found.append(self.vector_parameter(name, port, term, first))
                    first += self.populations[name].size
        return found

    def learns(self, name: str, port: str) -> bool:
        ports = self.rule.ports
        return ports is None or port in ports.get(name, ())

    def terms(self, name: str, port: str) -> list[str]:
        if not self.learns(name, port):
            return []
        terms = ["bias"] if self.rule.biases else []
        events = any(
            (p.target, p.port) == (name, port) and (p.source != name or p.variable == "spikes")
            for p in self.projections
        )
        if self.rule.self_terms and port != "current" and events:
            terms += ["from_state", "from_current"]
        return terms

    def weights_parameter(self, index: int, p: Any, first: int) -> Learned:
        w = self.words
        shift = w.value - p.bits
        v = p.weight_fraction + shift
        rows, columns = p.weights.coordinates
        places = [(int(j), int(i)) for j, i in zip(rows, columns, strict=True)]
        return Learned(
            (p.target, p.port, "weights", index),
            (w.value, w.mean, w.gradient),
            (v, v + w.mean - w.value, v + w.gradient - w.value + w.gradient_shift),
            shift,
            0,
            w.factor_fraction + self.message_fraction(p.source, p.variable),
            first,
            places,
            p.weights.shape[1],
            [self.weights[index][j][i] for j, i in places],
        )

    def vector_parameter(self, name: str, port: str, term: str, first: int) -> Learned:
        p, w, key = self.populations[name], self.words, (name, port, term)
        message_shift, message = 0, 0
        held = p.fraction if port == "current" else getattr(p, port).fraction
        if term != "bias":
            state = self.state_fraction(*key)
            lowest = held - state
            held = self.shifts[key] + lowest
            finer = max(15 - self.range_of(self.constants[key], held, term), lowest)
            self.constants[key] = [sat(rescale(c, held - finer), 16) for c in self.constants[key]]
            self.shifts[key], held = finer - lowest, finer
            message_shift = max(0, w.factor + p.state.bits - 50)
            message = state - message_shift
        v = w.neuron - 1 - self.range_of(self.constants[key], held, term)
        return Learned(
            (*key, None),
            (w.neuron,) * 3,
            (v, v, v + w.gradient_shift),
            v - held,
            message_shift,
            w.factor_fraction + message,
            first,
            [(j, 0) for j in range(p.size)],
            1,
            self.constants[key],
        )

    def clear(self) -> None:
        """All registers at zero."""
        self.state = {
            p.name: {r: [0] * p.size for r in ("membrane", "adaptation", "spikes")}
            for p in self.network.populations
        }
        self.past: list[dict[Any, Row]] = []

    # --- one step -------------------------------------------------------------------------------

    def load(self) -> None:
        """The network computes with the top bits of Φ."""
        for p in self.learned:
            name, port, term, index = p.name
            if index is None:
                self.constants[name, port, term] = p.network
                continue
            for (j, i), value in zip(p.places, p.network, strict=True):
                self.weights[index][j][i] = value

    def step(self, x: Row, goal: Any, t: int, steps: int) -> Row:
        """One step on encoded samples, without an update if there is no goal; the membranes."""
        self.load()
        self.before = {name: {r: v[:] for r, v in own.items()} for name, own in self.state.items()}
        self.sent: dict[Any, Row] = {}
        self.seen: dict[Any, Row] = {}
        self.forward(x)
        out = self.state[self.network.output]["membrane"]
        if goal is not None:
            weight = 256 if self.rule.weighting == "uniform" else ((t + 1) << 8) // steps
            factors = self.backward(self.error(out, goal, weight))
            for p in self.learned:
                self.update(p, factors)
            self.updates += 1
        self.move_on()
        self.past.insert(0, self.sent)
        return out[:]

    def move_on(self) -> None:
        """What values keep of the past moves on: with eligibility, see ``eligibility_page.py``."""

    def forward(self, x: Row) -> None:
        waiting = [(p.name, stage) for p in self.network.populations for stage in (0, 1)]
        while waiting:
            for name, stage in waiting:
                if self.ready(name, stage, waiting):
                    self.compute(name, stage, x)
                    waiting.remove((name, stage))
                    break

    def ready(self, name: str, stage: int, waiting: list[tuple[str, int]]) -> bool:
        """Whether all that a stage needs within this step is there."""
        if stage == 1 and (name, 0) in waiting:
            return False
        return not any(
            p.target == name
            and p.delay == 0
            and (p.port != "current") == stage
            and (p.source, int(p.variable != "current")) in waiting
            for p in self.projections
        )

    def arrive(self, name: str, port: str) -> Row:
        total = [0] * self.populations[name].size
        for index, p in enumerate(self.projections):
            if (p.target, p.port) == (name, port):
                message = self.arrived(p)
                for j, row in enumerate(self.weights[index]):
                    total[j] += sum(w * m for w, m in zip(row, message, strict=True)) << p.exponent
        return total

    def arrived(self, p: Any) -> Row:
        key = p.source, p.variable
        if p.delay == 0:
            return self.sent[key]
        if len(self.past) < p.delay:
            return [0] * int(self.populations[p.source].size)
        return self.past[int(p.delay) - 1][key]

    def compute(self, name: str, stage: int, x: Row) -> None:
        p = self.populations[name]
        if not p.ports:
            self.sent[name, p.variables[0]] = x
            return
        bits = p.state.bits
        if stage == 0:
            bias = self.constants[name, "current", "bias"]
            arriving = self.arrive(name, "current")
            current = [sat(a + b, bits) for a, b in zip(arriving, bias, strict=True)]
            self.seen[name, "current"] = current
            self.send(name, "current", current)
            return
        current, own = self.seen[name, "current"], self.state[name]
        g = self.argument(name, "tau_mem", own["membrane"], bits)
        tau = [gate_value(p.tau_mem, a) for a in g]
        charged = [
            u + rsz(o * (i - u), p.tau_mem.output_fraction)
            for u, o, i in zip(own["membrane"], tau, current, strict=True)
        ]
        self.seen.update({(name, "tau_mem"): g, (name, "tau"): tau, (name, "charged"): charged})
        if self.kind(name) == "ltc":
            self.adapt(name, p, charged, bits)
        else:
            own["membrane"] = charged
        self.send(name, "membrane", own["membrane"])

    def adapt(self, name: str, p: Any, charged: Row, bits: int) -> None:
        own, o = self.state[name], p.tau_adp.output_fraction
        g = self.argument(name, "tau_adp", own["adaptation"], bits)
        strength = p.adaptation_strength
        spikes, distance = [], []
        for j in range(p.size):
            rho = gate_value(p.tau_adp, g[j])
            gained = own["spikes"][j] * ((2**o - rho) << (p.adaptation_fraction - o))
            own["adaptation"][j] = rsz(rho * own["adaptation"][j], o) + gained
            raised = rsz(int(strength.values[j]) * own["adaptation"][j], strength.shift)
            threshold = sat(int(p.threshold[j]) + raised, bits)
            distance.append(charged[j] - threshold)
            spikes.append(int(charged[j] > threshold))
        own["spikes"] = spikes
        own["membrane"] = [0 if s else u for s, u in zip(spikes, charged, strict=True)]
        self.seen.update({(name, "tau_adp"): g, (name, "distance"): distance})
        self.send(name, "spikes", spikes)
        self.send(name, "adaptation", own["adaptation"])

    def argument(self, name: str, port: str, state: Row, bits: int) -> Row:
        arriving, current = self.arrive(name, port), self.seen[name, "current"]
        return [
            sat(
                arriving[j]
                + self.constants[name, port, "bias"][j]
                + rsz(
                    self.constants[name, port, "from_state"][j] * state[j],
                    self.shifts[name, port, "from_state"],
                )
                + rsz(
                    self.constants[name, port, "from_current"][j] * current[j],
                    self.shifts[name, port, "from_current"],
                ),
                bits,
            )
            for j in range(self.populations[name].size)
        ]

    def send(self, name: str, variable: str, values: Row) -> None:
        if variable == "spikes":
            self.sent[name, variable] = values[:]
        elif (form := self.message(name, variable)) is not None:
            low, high = form.word.minimum, form.word.maximum
            self.sent[name, variable] = [max(low, min(high, rsz(v, form.shift))) for v in values]

    # --- back -----------------------------------------------------------------------------------

    def error(self, out: Row, goal: Any, weight: int) -> Row:
        w, f = self.words, self.populations[self.network.output].fraction
        one = 2**w.factor_fraction
        if self.rule.error == "linear":
            errors = [
                rescale(wanted - u, f - w.factor_fraction)
                for wanted, u in zip(goal, out, strict=True)
            ]
        else:
            n = w.softmax_index
            powers = []
            for u in out:
                y = ((max(out) - u) * 1512775) >> (f + 20 - n)
                entry = half_even(one * 2.0 ** (-(y % 2**n) / 2**n))
                powers.append(entry >> min(y >> n, w.factor_fraction + 1))
            errors = [-((e << w.factor_fraction) // sum(powers)) for e in powers]
            errors[goal] += one
        return [sat(rsz(weight * e, 8), w.factor) for e in errors]

    def backward(self, error: Row) -> dict[tuple[str, str], Row]:
        factors: dict[tuple[str, str], Row] = {}
        waiting = list(self.reached)
        while waiting:
            for name in waiting:
                crossing = [
                    (index, p)
                    for index, p in enumerate(self.projections)
                    if (p.source, p.variable, p.delay) == (name, "spikes", 0)
                    and p.target in self.reached
                    and p.target != name
                ]
                if any(p.target in waiting for _, p in crossing):
                    continue
                if name == self.network.output:
                    factors.update(self.readout_factors(name, error))
                else:
                    factors.update(self.ltc_factors(name, self.credit(name, crossing, factors)))
                waiting.remove(name)
                break
        return factors

    def credit(
        self, name: str, crossing: list[tuple[int, Any]], factors: dict[tuple[str, str], Row]
    ) -> Row:
        total = [0] * self.populations[name].size
        for index, p in crossing:
            factor = factors[p.target, p.port]
            for i in range(len(total)):
                back = [self.feedback(index, p, j, i) for j in range(len(factor))]
                fraction = p.weight_fraction if self.rule.feedback == "symmetric" else 8
                total[i] += rescale(sum(f * b for f, b in zip(factor, back, strict=True)), fraction)
        return [sat(c, self.words.factor) for c in total]

    def feedback(self, index: int, p: Any, j: int, i: int) -> int:
        if self.rule.feedback == "symmetric":
            return self.weights[index][j][i]
        top = drawn(self.rule.feedback_seed, index, j * p.weights.shape[1] + i) >> 24
        return top - 256 if top >= 128 else top

    def readout_factors(self, name: str, error: Row) -> dict[tuple[str, str], Row]:
        p = self.populations[name]
        o, f = p.tau_mem.output_fraction, p.fraction
        result: dict[tuple[str, str], Row] = {(name, "current"): [], (name, "tau_mem"): []}
        for j, e in enumerate(error):
            fall = self.fall(name, p, j)
            gate = sat(rsz(e * fall, f), self.words.factor)
            total = rsz(e * self.seen[name, "tau"][j], o) + self.through(
                name, p, "tau_mem", j, gate
            )
            result[name, "tau_mem"].append(gate)
            result[name, "current"].append(sat(total, self.words.factor))
        return result

    def ltc_factors(self, name: str, credit: Row) -> dict[tuple[str, str], Row]:
        p, w = self.populations[name], self.words
        o, f, a = p.tau_mem.output_fraction, p.fraction, p.adaptation_fraction
        strength = p.adaptation_strength
        result: dict[tuple[str, str], Row] = {(name, port): [] for port in p.ports}
        for j, fed in enumerate(credit):
            d = self.pass_spike(self.seen[name, "distance"][j], f, fed)
            lifted = -rescale(int(strength.values[j]) * d, strength.shift + f - a)
            slope = gate_slope(p.tau_adp, self.seen[name, "tau_adp"][j])
            was = self.before[name]["adaptation"][j] - (self.before[name]["spikes"][j] << a)
            fade = rsz(was * slope, p.tau_adp.output_fraction)
            mem = sat(rsz(d * self.fall(name, p, j), f), w.factor)
            adp = sat(rsz(lifted * fade, a), w.factor)
            total = rsz(d * self.seen[name, "tau"][j], o)
            total += self.through(name, p, "tau_mem", j, mem)
            total += self.through(name, p, "tau_adp", j, adp)
            result[name, "tau_mem"].append(mem)
            result[name, "tau_adp"].append(adp)
            result[name, "current"].append(sat(total, w.factor))
        return result

    def fall(self, name: str, p: Any, j: int) -> int:
        slope = gate_slope(p.tau_mem, self.seen[name, "tau_mem"][j])
        gap = self.seen[name, "current"][j] - self.before[name]["membrane"][j]
        return rsz(gap * slope, p.tau_mem.output_fraction)

    def through(self, name: str, p: Any, port: str, j: int, factor: int) -> int:
        key = name, port, "from_current"
        shift = self.shifts[key] + getattr(p, port).fraction - p.fraction
        return rescale(self.constants[key][j] * factor, shift)

    def pass_spike(self, distance: int, f: int, credit: int) -> int:
        w, magnitude = self.words, abs(distance)
        if self.rule.surrogate == "triangle":
            return rsz(max(2**f - magnitude, 0) * credit, f)
        cell = rescale(magnitude, f + 2 - w.surrogate_index)
        if cell >= 2**w.surrogate_index:
            return 0
        d = (cell + 0.5) * 4 / 2**w.surrogate_index
        entry = half_even(2.0**w.factor_fraction * multi_gaussian(d))
        return rsz(entry * credit, w.factor_fraction)

    def update(self, p: Learned, factors: dict[tuple[str, str], Row]) -> None:
        name, port, _, index = p.name
        factor, message = factors[name, port], self.met(p)
        for n, (j, i) in enumerate(p.places):
            x = rsz(message[i if index is not None else j], p.message_shift)
            self.learn(p, n, factor[j] * x, p.first + j * p.sources + i)

    def met(self, p: Learned) -> Row:
        """Messages that a parameter's factors meet."""
        name, port, term, index = p.name
        if index is not None:
            return self.arrived(self.projections[index])
        if term == "bias":
            return [1] * len(p.value)
        if term == "from_current":
            return self.seen[name, "current"]
        return self.before[name]["membrane" if port == "tau_mem" else "adaptation"]

    def learn(self, p: Learned, n: int, product: int, index: int) -> None:
        k, a, b = (
            -int(math.log2(r)) for r in (self.rule.learning_rate, self.rule.alpha, self.rule.beta)
        )
        v, m, lam = p.fractions
        c = max(v, m)
        s = max(p.product, c + a, lam, v - k + 1)
        h = max(c + a, lam + 1)
        q = max(c + b, lam + b - a, m + 1)
        bits: list[int | None] = [None] * 3
        if self.words.rounding == "stochastic":
            draw = drawn(self.words.seed, self.updates, index)
            bits = [draw, (draw << 24) & MASK_32, (draw << 16) & MASK_32]
        value, mean, memory = p.value[n], p.mean[n], p.gradient[n]
        d = (value << (c - v)) - (mean << (c - m))
        pull = (product << (s - p.product)) + (memory << (s - lam)) - (d << (s - c - a))
        value = sat(value + rounded(pull, s + k - v, bits[0]), p.bits[0])
        d = (value << (c - v)) - (mean << (c - m))
        memory = sat(memory + rounded(-(d << (h - c - a)), h - lam, bits[2]), p.bits[2])
        drift = (d << (q - c - b)) - (memory << (q - lam - b + a))
        mean = sat(mean + rounded(drift, q - m, bits[1]), p.bits[1])
        p.value[n], p.mean[n], p.gradient[n] = value, mean, memory


def multi_gaussian(d: float) -> float:
    """Surrogate slope at a distance."""

    def normal(mean: float, deviation: float) -> float:
        scale = deviation * math.sqrt(2 * math.pi)
        return math.exp(-((d - mean) ** 2) / (2 * deviation**2)) / scale

    sides = normal(0.3, 1.8) + normal(-0.3, 1.8)
    return 0.5 * (1.15 * normal(0.0, 0.3) - 0.15 * sides)
