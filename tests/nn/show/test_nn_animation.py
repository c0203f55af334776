"""Animations of training: which epochs they have, and the files that they are saved to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nn import MLP, History, Neuron, fit

pytest.importorskip("matplotlib", reason="the extra plot is not installed").use("Agg")

X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]


def trained(epochs: int, **options: object) -> tuple[MLP, History]:
    model = MLP(2, [3, 1], activation="tanh", seed=1)
    options = {"loss": "binary_cross_entropy_from_logits", "optimizer": "sgd", "lr": 0.5, **options}
    return model, fit(model, X, y, epochs=epochs, progress=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("jit", [False, True])
def test_kept_are_the_parameters_before_and_after_every_epoch(jit: bool) -> None:
    start = [p.data for p in MLP(2, [3, 1], activation="tanh", seed=1).parameters()]
    model, history = trained(5, jit=jit)
    assert [epoch for epoch, _ in history._snapshots] == [0, 1, 2, 3, 4, 5]
    assert list(history._snapshots[0][1]) == start
    assert list(history._snapshots[-1][1]) == [p.data for p in model.parameters()]
    after_two, _ = trained(2, jit=jit)
    assert np.allclose(history._snapshots[2][1], [p.data for p in after_two.parameters()], rtol=1e-12, atol=0.0)


def test_of_many_epochs_at_most_32_are_kept_evenly_spread() -> None:
    _, history = trained(500)
    epochs = [epoch for epoch, _ in history._snapshots]
    assert 16 <= len(epochs) <= 32
    assert set(np.diff(epochs)) == {16}


def test_of_large_models_nothing_is_kept() -> None:
    history = History()
    history.keep([0.0] * 10_001)
    with pytest.raises(ValueError, match="nothing to animate"):
        history.animate()


def test_a_gif_has_a_picture_for_each_kept_epoch_and_is_small(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    model, history = trained(3)
    before = model.state_dict()
    path = history.animate(model, X, y, seconds=0.1).save(tmp_path / "training.gif", dpi=40)
    with image.open(path) as film:
        assert film.n_frames == 4
        assert film.info["duration"] == 100
    assert path.stat().st_size < 100_000
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())


def test_the_loss_curve_alone_can_be_a_page(tmp_path: Path) -> None:
    _, history = trained(2)
    page = history.animate().save(tmp_path / "training.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") >= 3


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    model, history = trained(1)
    with pytest.raises(ValueError, match="model, X and y together"):
        history.animate(model)
    with pytest.raises(ValueError, match="another number of parameters"):
        history.animate(Neuron(2), X, y)
    with pytest.raises(ValueError, match="seconds must be"):
        history.animate(seconds=0)
    with pytest.raises(ValueError, match=r"\.gif or \.html"):
        history.animate().save(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "dpi", "message"),
    [("a.gif", 0, "dpi must be a number from 10 to 600"), ("a.gif", "x", "dpi"), ("a.html", 96, "dpi= is for a .gif")],
)
def test_a_bad_resolution_is_refused(tmp_path: Path, name: str, dpi: object, message: str) -> None:
    _, history = trained(1)
    with pytest.raises(ValueError, match=message):
        history.animate().save(tmp_path / name, dpi=dpi)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_drawn_is_refused_where_the_film_is_made() -> None:
    model, history = trained(1)
    with pytest.raises(ValueError, match="X must have a row of two features"):
        history.animate(model, [[1.0, 2.0, 3.0]], [1])
    with pytest.raises(TypeError, match="model must be the Module that was trained, not 3"):
        history.animate(3, X, y)  # type: ignore[arg-type]


def test_the_readmes_picture_of_training_is_made_by_its_script(tmp_path: Path) -> None:
    from make_training_gif import TARGET, make

    assert make(tmp_path / "training.gif", epochs=2).read_bytes().startswith(b"GIF89a")
    assert TARGET.read_bytes().startswith(b"GIF89a")
    assert TARGET.stat().st_size < 300_000
