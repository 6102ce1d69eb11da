"""The kinds of autoencoder by name: checks, builds, loads and freezes models of a kind.

A new kind is one file beside `dense`, one line in `KINDS` and its name among the choices of the setting `model.kind`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stream.detect.model import conv, dense, linear, variational
from stream.detect.model.kind import Autoencoder, ModelKind
from stream.detect.model.layers import Layer, check_weights
from stream.detect.model.tiles import Tile
from stream.detect.policy import ModelSpec
from stream.errors import ShapeError

KINDS = {kind.name: kind for kind in (dense.KIND, conv.KIND, variational.KIND, linear.KIND)}


def kind_of(name: str) -> ModelKind:
    """The kind of this name.

    Raises:
        ShapeError: there is none.
    """
    if name not in KINDS:
        raise ShapeError(f"model kind {name!r}: expected one of {', '.join(KINDS)}; upgrade narrows, or train again")
    return KINDS[name]


def check_spec(spec: ModelSpec) -> None:
    """Checks the sizes of a model.

    Raises:
        ShapeError: no autoencoder has this shape; the text names the field.
    """
    kind = kind_of(spec.kind)
    counted = ["window", "smoothing", "sensors", "latent", "members", *(["hidden"] if kind.usual_hidden else [])]
    sizes = {name: getattr(spec, name) for name in counted}
    small = {name: size for name, size in sizes.items() if size < 1}
    if small:
        raise ShapeError(f"model sizes must be at least 1, seen {small}")
    if spec.window < kind.min_window:
        raise ShapeError(
            f"a {kind.name} model needs a window of at least {kind.min_window} frames, seen {spec.window}; "
            f"use a longer window, or a dense model"
        )
    size = spec.window * spec.sensors
    if spec.latent >= size > 1:
        raise ShapeError(
            f"latent {spec.latent} is not smaller than the window's {spec.window} x {spec.sensors} = {size} values, "
            f"so the model could copy anything; choose a latent below {size}"
        )
    for name, share in {"dropout": spec.dropout, "noise": spec.noise}.items():
        if not 0.0 <= share < 1.0:
            raise ShapeError(f"{name} must be in [0, 1), seen {share}")
    if not spec.beta > 0.0:
        raise ShapeError(f"beta must be > 0, seen {spec.beta}")
    if spec.discriminator < 0:
        raise ShapeError(f"discriminator must have 0 hidden units (none) or more, seen {spec.discriminator}")


def build(spec: ModelSpec, seeds: Sequence[int]) -> Autoencoder:
    """A model with random weights, in training mode; weights and dropout of member k depend on seeds[k] only.

    Raises:
        ShapeError: impossible sizes, or not one seed per member.
    """
    if len(seeds) != spec.members:
        raise ShapeError(f"seen {len(seeds)} seeds for {spec.members} members; give one each")
    model = _empty(spec)
    layers = [module for module in model.modules() if isinstance(module, Layer)]
    model.draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    for member, source in enumerate(model.draws):
        for layer in layers:
            layer.draw(member, source)
    return model


def load(spec: ModelSpec, weights: Mapping[str, Tensor]) -> Autoencoder:
    """The model with these weights, as `Autoencoder.weights` gives them, in inference mode.

    Raises:
        ShapeError: a name is missing or unknown, a shape or type differs, or a value is not finite.
    """
    model = _empty(spec)
    model.load_state_dict(check_weights(f"{spec.kind} model", weights, model.state_dict()))
    return model.eval().requires_grad_(False)


def tile_of(spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> Tile:
    """The frozen form for `rows` windows at a time; weights as `Autoencoder.weights` gives them."""
    return kind_of(spec.kind).frozen(spec, weights, rows)


def _empty(spec: ModelSpec) -> Autoencoder:
    check_spec(spec)
    return kind_of(spec.kind).trainable(spec)
