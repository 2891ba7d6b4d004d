"""Learning from each neuron's own memory: e-prop, OSTL, HYPR, and FPTT with eligibility."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from ltc2hw.errors import UnsupportedError
from ltc2hw.neurons import SpikingNetwork
from ltc2hw.neurons.form import Form
from ltc2hw.tasks import Task
from ltc2hw.training.autograd import Aim, AutogradLearner
from ltc2hw.training.eligibility import EligibleLayer
from ltc2hw.training.leak import filtering
from ltc2hw.training.local import Leak
from ltc2hw.training.loss import auxiliary_loss, window_loss
from ltc2hw.training.options import TrainingOptions

INSTEAD = "use method 'fptt' or 'bptt'"


class EligibleLearner(AutogradLearner):
    """Learns a :class:`~ltc2hw.neurons.SpikingNetwork` without a way back through time.

    The gradient of a step's loss goes down through the layers by way of that step alone; in each
    layer it meets what every neuron carries from its own past
    (:class:`~ltc2hw.training.eligibility.EligibleLayer`). What a neuron causes by way of others in
    later steps is left out. The memory that it needs grows with ``options.piece``, never with the
    sequence; the gradient does not depend on it.

    ``eprop``, and FPTT whose descent is ``filtered``, hand down what a loss says about the
    *filtered* output of the layer below the readout: exact for a readout that is linear in time,
    whose outputs forget alike. They are kept alike: the leak learns by the mean of its gradients.
    The other methods hand down what a loss says about the output of the step. With FPTT
    eligibility and filter cross windows and updates, at parameters that have moved since.

    Raises:
        UnsupportedError: for what this does not learn, by name.

    >>> from ltc2hw.neurons import LTCCell, ReadoutCell
    >>> from ltc2hw.tasks import load_task
    >>> module = SpikingNetwork([LTCCell(2, 3)], ReadoutCell(3, 1))
    >>> learner = EligibleLearner(module, load_task("add-6"), TrainingOptions(method="hypr"))
    >>> len(learner.learn(torch.rand(6, 4, 2), torch.rand(4, 1), rate=0.01))
    1
    """

    def __init__(self, module: nn.Module, task: Task, options: TrainingOptions) -> None:
        require_eligible(module, options)
        super().__init__(module, task, options)
        network = cast(SpikingNetwork, module)
        self.layers = _layers(network, traced=options.filters)
        for layer in self.layers[1:]:
            if not layer.answers:
                name = layer.cell.form.model.name
                reason = "it answers a step later, so no credit of a step goes through it"
                what = f"{name} above another layer"
                raise UnsupportedError(_way(options), what, reason, INSTEAD)
        self.filtering = filtering(options)
        self.tied = self._common_leak()

    def updates(self, x: Tensor, labels: Tensor, aim: Aim) -> Generator[Tensor, None, None]:
        """The loss of each window that has one; asking for more learns from it first."""
        self.lost_gradient = False
        x = x.to(self.flat.parameter.dtype)
        for layer in self.layers:
            layer.start(x.shape[1])
        guess = x.new_full((x.shape[1], self.task.outputs), 1.0 / self.task.outputs)
        for window, with_loss in zip(aim.windows, aim.with_loss, strict=True):
            self.flat.zero_grad()
            with self._rounded():
                loss, guess = self._learned(x, labels, aim, window, guess)
            if not with_loss:
                continue
            yield loss
            if not self.can_learn():
                self.lost_gradient = True
                return
            self._update()

    @torch.no_grad()
    def _learned(
        self, x: Tensor, labels: Tensor, aim: Aim, window: slice, guess: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Go through a window and gather its gradient; its loss, and what is now believed."""
        total = x.new_zeros(())
        for piece in self._pieces(window):
            shown, went = x[piece], []
            for layer in self.layers:
                shown, steps = layer.run(shown)
                went.append(steps)
            loss, credit = self._judged(shown, labels, aim, piece, guess)
            share = (piece.stop - piece.start) / (window.stop - window.start)
            total += share * loss
            credit = share * credit
            leak: Leak | None = None
            for layer, steps in zip(self.layers[::-1], went[::-1], strict=True):
                derivatives = layer.derivatives(steps, leak)
                layer.learn(derivatives, steps, credit, last=piece.stop == len(x))
                if layer is self.layers[0]:
                    break
                if self.filtering is None:
                    credit = layer.instantaneous(derivatives, credit)
                else:
                    leak = self.filtering.leak(derivatives)
                    credit = layer.handed(credit.unsqueeze(1))
        self._tie_gradients()
        return total, shown[-1].softmax(dim=-1)

    def _judged(
        self, outputs: Tensor, labels: Tensor, aim: Aim, piece: slice, guess: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean loss of a piece, and its derivative by the outputs (L, B, N_out)."""
        with torch.set_grad_enabled(True):
            outputs = outputs.detach().requires_grad_()
            wanted = labels[piece] if self.task.every_step else labels
            loss = window_loss(self.task, outputs, wanted, aim.weights[piece])
            if self.options.auxiliary:
                second = auxiliary_loss(outputs, guess, aim.progress[piece])
                loss = loss + self.options.auxiliary * second
            (credit,) = torch.autograd.grad(loss, outputs)
        return loss.detach(), credit

    def _pieces(self, window: slice) -> Iterator[slice]:
        """Cut a window into pieces of at most ``options.piece`` steps; OSTL's have one."""
        length = 1 if self.options.method == "ostl" else self.options.piece
        for start in range(window.start, window.stop, length):
            yield slice(start, min(start + length, window.stop))

    def _common_leak(self) -> tuple[str, ...]:
        """Learned constants that the readout's leak is made of, which stays common; none else.

        Raises:
            UnsupportedError: for a network through whose readout a filter is not exact.
        """
        if self.filtering is None:
            return ()
        last = self.layers[-1]
        names = self.filtering.names(last.local, len(self.layers) - 1)
        last.start(1)
        with torch.no_grad():
            _, steps = last.run(last.cell.weight_input.new_zeros(1, 1, last.cell.inputs))
            self.filtering.leak(last.derivatives(steps))
        return names

    def _tie_gradients(self) -> None:
        """Of a common leak, the mean of the outputs' own gradients."""
        cell = self.layers[-1].cell
        tensors = cell.tensors()
        grads = tuple(cast(Tensor, row.grad) for row in tensors.rows)
        named = tensors._replace(rows=grads).named(cell.form)
        for name in self.tied:
            named[name].fill_(named[name].mean())


def _layers(network: SpikingNetwork, traced: bool) -> list[EligibleLayer]:
    """The layers, the readout last; it sees a trace of the layer below, or what that sends."""
    *below, last = network.cells
    readout = network.readout
    return [
        *(EligibleLayer(cell, cell.form.model.output) for cell in below),
        EligibleLayer(last, network.seen, traced=traced),
        EligibleLayer(readout, readout.form.model.output),
    ]


def _way(options: TrainingOptions) -> str:
    """What learns by eligibility, by name."""
    return options.descent if options.method == "fptt" else options.method


def require_eligible(module: nn.Module, options: TrainingOptions) -> None:
    """Raise unless a module is a chain of layers whose neurons touch each other by messages alone.

    Raises:
        UnsupportedError: naming what it is instead, or what else cannot be learned this way.
    """
    what = f"{'descent' if options.method == 'fptt' else 'method'} '{_way(options)}'"
    if type(module) is not SpikingNetwork:
        reason = "no chain of dense layers of neurons (convolutions, dropout, batch norm, an LSTM)"
        raise UnsupportedError(what, type(module).__name__, reason, INSTEAD)
    if options.rounding == "all":
        reason = "it learns through rounded weights alone"
        raise UnsupportedError(what, "rounding of everything", reason, "use rounding 'weights'")
    for cell in (*module.cells, module.readout):
        _require_local(what, cell.form)


def _require_local(what: str, form: Form) -> None:
    """Raise where a neuron's analog values reach others within its own step."""
    if form.graded:
        ports = ", ".join(dict.fromkeys(port for _, port in form.graded))
        reason = f"all neurons of the layer steer each other's {ports} (dense gates), not local"
        remedy = "use gate 'event' or 'static', or method 'fptt' or 'bptt'"
        raise UnsupportedError(what, f"a layer of {form.model.name}", reason, remedy)
