"""Eligibility on integers written a second time, with Python's unbounded integers, from the page.

As :mod:`tests.simulations.learning_page`, which it goes on from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.simulations.learning_page import (
    MASK_32,
    Chip,
    Learned,
    Name,
    Row,
    drawn,
    gate_slope,
    gate_value,
    half_even,
    multi_gaussian,
    rescale,
    rounded,
    rsz,
    sat,
)


class Part(NamedTuple):
    """A number with a fraction."""

    value: int
    fraction: int


Sum = list[Part]
"""What is added; it is never brought to one fraction before it is used."""


class Kept(NamedTuple):
    """What the words of a parameter are: states, fraction h, shifts of the descent."""

    states: tuple[str, ...]
    fraction: int
    kept_up: int
    message_up: int


class EligibleChip(Chip):
    """A network that learns with eligibility."""

    def __init__(self, network: Any, rule: Any, words: Any) -> None:
        self.forms: dict[Name, Kept] = {}
        super().__init__(network, rule, words)
        self.moves = 0
        for p in self.learned:
            self.forms[p.name] = form = self.form(p)
            p.product += form.message_up
        self.clear()

    def form(self, p: Learned) -> Kept:
        w, name = self.words, p.name[0]
        states: tuple[str, ...] = ("membrane", "adaptation", "spikes")
        if self.kind(name) != "ltc":
            states = ("membrane",)
        message = p.product - w.factor_fraction
        h = w.eligibility - self.message_bits(p) - w.eligibility_range + message
        most = max(h, message)
        return Kept(states, h, most - h, most - message)

    def message_bits(self, p: Learned) -> int:
        name, _, term, index = p.name
        if term == "bias":
            return 1
        if index is None:
            return int(self.populations[name].state.bits) - p.message_shift
        projection = self.projections[index]
        if projection.variable == "spikes":
            return 1
        if projection.variable == "value":
            return int(self.populations[projection.source].word.bits)
        return int(self.message(projection.source, projection.variable).word.bits)

    def clear(self) -> None:
        super().clear()
        self.kept: dict[Name, dict[str, Row]] = {
            p.name: {state: [0] * len(p.value) for state in self.forms[p.name].states}
            for p in (self.learned if self.forms else ())
        }

    # --- entries --------------------------------------------------------------------------------

    def hold(self, total: Sum) -> Part:
        e = self.words.factor_fraction
        return Part(sat(sum(rescale(v, f - e) for v, f in total), self.words.factor), e)

    def times(self, factor: Part, total: Sum) -> Part:
        finest = max((f for _, f in total), default=0)
        whole = sum(v << (finest - f) for v, f in total)
        e = self.words.factor_fraction
        shift = factor.fraction + finest - e
        return Part(sat(rescale(factor.value * whole, shift), self.words.factor), e)

    def constant(self, name: str, port: str, term: str, j: int, of: int, to: int) -> Part:
        """A self term that multiplies what has the fraction ``of``, at a place of ``to``."""
        key = name, port, term
        return Part(self.constants[key][j], self.shifts[key] + to - of)

    def entries(self, name: str, j: int) -> dict[tuple[str, str], int]:
        """∂ what is new / ∂ what was, or arrived, of a neuron."""
        p = self.populations[name]
        o, f, g = p.tau_mem.output_fraction, p.fraction, p.tau_mem.fraction
        fall = Part(self.fall(name, p, j), f)
        tau = self.seen[name, "tau"][j]
        a_u = self.constant(name, "tau_mem", "from_state", j, f, g)
        a_i = self.constant(name, "tau_mem", "from_current", j, f, g)

        def charge(fall: Part, one: int, tau: int) -> dict[str, Sum]:
            return {
                "membrane": [self.times(fall, [a_u]), Part(one - tau, o)],
                "current": [self.times(fall, [a_i]), Part(tau, o)],
                "tau_mem": [fall],
            }

        charged = charge(fall, 2**o, tau)
        if self.kind(name) != "ltc":
            return {("membrane", y): self.hold(total).value for y, total in charged.items()}
        fades = self.fades(name, p, j)
        spiked = self.state[name]["spikes"][j]
        kept = {y: [] for y in charged} if spiked else charged
        psi, high = self.psi(name, p, j), Part(self.seen[name, "charged"][j], f)
        strength = Part(
            int(p.adaptation_strength.values[j]),
            p.adaptation_strength.shift + f - p.adaptation_fraction,
        )
        found: dict[tuple[str, str], int] = {}
        for y in dict.fromkeys((*charged, *fades)):
            moves: Sum = list(charged.get(y, []))
            if y in fades:
                raised = self.times(strength, fades[y])
                moves.append(Part(-raised.value, raised.fraction))
                found["adaptation", y] = self.hold(fades[y]).value
            spike = self.times(psi, moves)
            reset = self.times(high, [spike])
            found["spikes", y] = spike.value
            left = [*kept.get(y, []), Part(-reset.value, reset.fraction)]
            found["membrane", y] = self.hold(left).value
        return found

    def fades(self, name: str, p: Any, j: int) -> dict[str, Sum]:
        """Derivatives of the new adaptation."""
        o, a, g = p.tau_adp.output_fraction, p.adaptation_fraction, p.tau_adp.fraction
        slope = gate_slope(p.tau_adp, self.seen[name, "tau_adp"][j])
        rho = gate_value(p.tau_adp, self.seen[name, "tau_adp"][j])
        was = self.before[name]["adaptation"][j] - (self.before[name]["spikes"][j] << a)
        fade = Part(rsz(was * slope, o), a)
        own = self.constant(name, "tau_adp", "from_state", j, a, g)
        current = self.constant(name, "tau_adp", "from_current", j, p.fraction, g)
        return {
            "adaptation": [self.times(fade, [own]), Part(rho, o)],
            "spikes": [Part(2**o - rho, o)],
            "current": [self.times(fade, [current])],
            "tau_adp": [fade],
        }

    def psi(self, name: str, p: Any, j: int) -> Part:
        """The surrogate's slope with its fraction."""
        w, magnitude = self.words, abs(self.seen[name, "distance"][j])
        if self.rule.surrogate == "triangle":
            return Part(max(2**p.fraction - magnitude, 0), p.fraction)
        cell = rescale(magnitude, p.fraction + 2 - w.surrogate_index)
        if cell >= 2**w.surrogate_index:
            return Part(0, w.factor_fraction)
        d = (cell + 0.5) * 4 / 2**w.surrogate_index
        return Part(half_even(2.0**w.factor_fraction * multi_gaussian(d)), w.factor_fraction)

    # --- words ----------------------------------------------------------------------------------

    def readout_factors(self, name: str, error: Row) -> dict[tuple[str, str], Row]:
        self.credits = {name: error}
        return super().readout_factors(name, error)

    def ltc_factors(self, name: str, credit: Row) -> dict[tuple[str, str], Row]:
        self.credits[name] = credit
        return super().ltc_factors(name, credit)

    def update(self, p: Learned, factors: dict[tuple[str, str], Row]) -> None:
        name, port, _, index = p.name
        form, factor, message = self.forms[p.name], factors[name, port], self.met(p)
        said = "spikes" if self.kind(name) == "ltc" else "membrane"
        e, bits = self.words.factor_fraction, self.words.factor
        for n, (j, i) in enumerate(p.places):
            x = rsz(message[i if index is not None else j], p.message_shift)
            descent = (factor[j] * x) << form.message_up
            entries = self.entries(name, j)
            for state, words in self.kept[p.name].items():
                past = sat(rsz(self.credits[name][j] * entries[said, state], e), bits)
                descent += (past * words[n]) << form.kept_up
            self.learn(p, n, descent, p.first + j * p.sources + i)

    def move_on(self) -> None:
        for p in self.learned:
            name, port, _, index = p.name
            form, message, before = self.forms[p.name], self.met(p), self.kept[p.name]
            after: dict[str, Row] = {state: [] for state in form.states}
            for n, (j, i) in enumerate(p.places):
                x = rsz(message[i if index is not None else j], p.message_shift)
                entries = self.entries(name, j)
                draw = drawn(self.words.seed ^ 2**63, self.moves, p.first + j * p.sources + i)
                for k, state in enumerate(form.states):
                    total = sum(
                        entries.get((state, old), 0) * before[old][n] for old in form.states
                    )
                    total = (total << form.kept_up) + (
                        (entries.get((state, port), 0) * x) << form.message_up
                    )
                    turn = 8 * k % 32
                    bits = ((draw << turn) | (draw >> (32 - turn))) & MASK_32
                    down = self.words.factor_fraction + form.kept_up
                    value = rounded(
                        total, down, bits if self.words.rounding == "stochastic" else None
                    )
                    after[state].append(sat(value, self.words.eligibility))
            self.kept[p.name] = after
        self.moves += 1
