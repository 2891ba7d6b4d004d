"""Where and when an integer run leaves the float run, in plain words."""

from __future__ import annotations

from ltc2hw.comparison.drift import Drift, Origins, PopulationDrift, SpikeDrift, StateDrift

WAYS = (
    "made in the step",
    "kept in its state",
    "returned by its messages to itself",
    "inherited with messages of others",
)
"""What the parts of a :class:`~ltc2hw.comparison.drift.Origins` are called in a sentence."""

COLUMNS = (
    "population", "variable", "off by", "made in the step", "kept in the state", "returned",
    "inherited", "first at step", "stands still", "bits used",
)  # fmt: skip
"""Header of :func:`drift_rows`."""


def per_cent(share: float) -> str:
    """A share with two digits, at least to the whole per cent.

    >>> per_cent(0.00823), per_cent(0.9449), per_cent(0.0), per_cent(-0.001), per_cent(12.345)
    ('0.82 %', '94 %', '0 %', '-0.1 %', '1234 %')
    """
    percent = 100 * share
    return f"{percent:.0f} %" if abs(percent) >= 10 else f"{percent:.2g} %"


def findings(drift: Drift) -> tuple[str, ...]:
    """Where spikes part first, then one sentence for each population."""
    return (parting(drift), *map(finding, drift.populations))


def parting(drift: Drift) -> str:
    """The population and the step where spikes first differ.

    >>> parting(Drift(4, ()))
    'On the first 4 samples no spike differs.'
    """
    on = f"On the first {drift.samples:,} samples" if drift.samples > 1 else "On the first sample"
    first = [(p.spikes.first, p.name) for p in drift.populations if p.spikes is not None]
    parted = [(step, name) for step, name in first if step is not None]
    if not parted:
        return f"{on} no spike differs."
    # Of populations that part at the same step, the one that is evaluated first says why.
    step, name = min(parted, key=lambda place: place[0])
    return f"{on} spikes first differ at step {step}, in {name}."


def finding(population: PopulationDrift) -> str:
    """One population in one sentence."""
    if population.exact:
        return f"{population.name}: every number is that of the float run."
    clauses = [*spike_clauses(population.spikes), *state_clauses(population)]
    if population.factor != 1:
        clauses.append(f"its unit is {population.factor:.4g} times the float network's")
    return f"{population.name}: {'; '.join(clauses)}."


def spike_clauses(spikes: SpikeDrift | None) -> list[str]:
    """What is to be said of spikes, if there are any."""
    if spikes is None:
        return []
    if spikes.first is None:
        return ["no spike differs"]
    start = "" if spikes.first == 0 else f" from step {spikes.first} on"
    clauses = [
        f"{per_cent(spikes.origins.total)} of its neuron-steps spike otherwise{start}, "
        f"{per_cent(sum(spikes.made.differing) / max(len(spikes.made.missed), 1))} by a single step"
    ]
    for count, run in ((spikes.silenced, "float"), (spikes.awakened, "integers")):
        if count:
            neurons = "1 neuron spikes" if count == 1 else f"{count:,} neurons spike"
            clauses.append(f"{neurons} in {run} alone")
    return clauses


def state_clauses(population: PopulationDrift) -> list[str]:
    """How far the first graded variable is off and why, and which states stand still."""
    clauses = []
    if population.states:
        first = population.states[0]
        clauses.append(f"its {first.variable} is {off_by(first)}")
    for state in population.states:
        if state.stuck:
            neurons = "1 neuron" if state.stuck == 1 else f"{state.stuck:,} neurons"
            clauses.append(f"{state.variable} of {neurons} stands still while it moves in float")
    return clauses


def off_by(state: StateDrift) -> str:
    """How far a variable is off, and the parts of its squared error, largest first."""
    if state.origins.total == 0:
        return "exact"
    return f"off by {per_cent(state.error)}; of its squared error {ways(state.origins)}"


def ways(origins: Origins) -> str:
    """The parts of an error in words, largest first; those that are nothing are left out.

    >>> ways(Origins(made=0.02, kept=0.08, returned=0.0, inherited=0.9))
    '90 % is inherited with messages of others, 8 % kept in its state, 2 % made in the step'
    """
    parts = sorted(zip(origins.shares, WAYS, strict=True), key=lambda part: -part[0])
    texts = [f"{per_cent(share)} {way}" for share, way in parts if share]
    return ", ".join(texts).replace(" % ", " % is ", 1)


def drift_rows(drift: Drift) -> tuple[tuple[str, ...], ...]:
    """A row of texts for every compared variable, under :data:`COLUMNS`."""
    rows = []
    for population in drift.populations:
        spikes = population.spikes
        for state in population.states:
            rows.append((
                population.name, state.variable, per_cent(state.error),
                *map(per_cent, state.origins.shares), first_step(state),
                per_cent(state.standing), f"{state.bits_used} of {state.bits}",
            ))  # fmt: skip
        if spikes is not None:
            first = "never" if spikes.first is None else str(spikes.first)
            rows.append((
                population.name, "spikes", per_cent(spikes.origins.total),
                *map(per_cent, spikes.origins.shares), first, "", "",
            ))  # fmt: skip
    return tuple(rows)


def first_step(state: StateDrift) -> str:
    """The first step at which a variable is off at all."""
    return next((str(step) for step, error in enumerate(state.free) if error), "never")
