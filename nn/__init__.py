"""nn: neurons, layers and networks on top of autograd_mini, with losses, optimizers, training and pictures.

>>> from nn import MLP, SGD, half_squared_error
>>> model = MLP(2, [4, 1], activation="tanh", seed=1)
>>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
>>> optimizer = SGD(model.parameters(), lr=0.5)
>>> for _ in range(500):
...     loss = optimizer.step(lambda: half_squared_error([model(x) for x in X], y))
>>> [round(model(x).data) for x in X]
[0, 1, 1, 0]

Every function checks its arguments before it changes anything. A TypeError says that an argument has the wrong type; a
ValueError that its value, shape or name is wrong; an ImportError that a library is missing, and how to install it. A
docstring lists under Raises only what goes beyond that.
"""

from nn.activations import ACTIVATIONS, activation_function, activation_title
from nn.embedding import Embedding
from nn.exchange.onnx import export_onnx
from nn.exchange.pytorch import from_torch, to_torch
from nn.initializers import INITIALIZERS
from nn.layer import Layer
from nn.losses import (
    LOSSES,
    binary_cross_entropy,
    binary_cross_entropy_from_logits,
    cross_entropy,
    cross_entropy_from_logits,
    half_squared_error,
    hinge,
    l2,
    loss_function,
    mean_squared_error,
)
from nn.metrics import accuracy, classification_error, predicted_class
from nn.mlp import MLP
from nn.module import Module
from nn.neuron import Neuron
from nn.optim.adam import Adam
from nn.optim.line_search import LineSearch
from nn.optim.newton import Newton
from nn.optim.optimizer import Optimizer
from nn.optim.schedules import constant, cosine_decay, exponential_decay, step_decay
from nn.optim.sgd import SGD
from nn.saving import load, load_into, save
from nn.show.explanation import NetworkExplanation, explain_network
from nn.show.network_drawing import draw_network
from nn.show.passes import LayerExplanation
from nn.show.plots import plot_activations, plot_curves, plot_decision_regions, plot_loss_landscape
from nn.train.evaluation import METRICS, predict, predict_proba, score
from nn.train.fit import OPTIMIZERS, fit
from nn.train.history import History

# fmt: off
__all__ = [
    # models
    "MLP", "Embedding", "Layer", "Module", "Neuron", "load", "load_into", "save",
    "ACTIVATIONS", "INITIALIZERS", "activation_function", "activation_title",
    "export_onnx", "from_torch", "to_torch",
    # losses and metrics
    "LOSSES", "loss_function", "half_squared_error", "mean_squared_error", "hinge", "l2", "cross_entropy",
    "cross_entropy_from_logits", "binary_cross_entropy", "binary_cross_entropy_from_logits",
    "METRICS", "accuracy", "classification_error", "predicted_class",
    # training
    "fit", "predict", "predict_proba", "score", "History",
    "OPTIMIZERS", "Adam", "LineSearch", "Newton", "Optimizer", "SGD",
    "constant", "cosine_decay", "exponential_decay", "step_decay",
    # pictures and explanations
    "draw_network", "explain_network", "LayerExplanation", "NetworkExplanation",
    "plot_activations", "plot_curves", "plot_decision_regions", "plot_loss_landscape",
]
# fmt: on
