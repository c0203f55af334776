"""Animations by matplotlib: a training as it went, as a GIF or a page."""

from __future__ import annotations

import io
import os
import tempfile
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograd_mini.engine.files import write_file
from autograd_mini.show.arguments import check_dpi
from autograd_mini.show.browser import show_file
from nn.module import Module
from nn.show.plots import import_pyplot, plot_decision_regions

_COLORS = 32
_DPI = 80.0


class Animation:
    """A moving picture, shown by Jupyter and saved by `save`; `History.animate` makes it."""

    def __init__(self, figure: Any, draw: Callable[[int], Any], pictures: int, seconds: float) -> None:
        self._figure, self._draw, self._pictures, self._rate = figure, draw, pictures, 1.0 / seconds

    def __repr__(self) -> str:
        return f"<Animation of {self._pictures} pictures>"

    def _film(self) -> Any:
        from matplotlib.animation import FuncAnimation

        return FuncAnimation(self._figure, self._draw, frames=self._pictures)

    def save(self, path: str | os.PathLike[str], *, dpi: float | None = None) -> Path:
        """Write a .gif, or an .html page with buttons; an existing file is replaced only once it is complete.

        `dpi` is how many pixels an inch of a .gif has: from 10 to 600, and 80 unless given.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in (".gif", ".html"):
            raise ValueError(f"can't tell the format from {str(target)!r}: an animation is saved as .gif or .html")
        if dpi is not None and suffix != ".gif":
            raise ValueError(f"dpi= is for a .gif, but {str(target)!r} is a page")
        resolution = _DPI if dpi is None else check_dpi(dpi, 600)
        write_file(target, self._page().encode() if suffix == ".html" else self._gif(resolution))
        return target

    def _gif(self, dpi: float) -> bytes:
        """Make a GIF of few colours without dithering: a third of the size, and shades stay calm."""
        from matplotlib.animation import PillowWriter
        from PIL import Image, ImageSequence

        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "film.gif"
            self._film().save(made, writer=PillowWriter(fps=self._rate), dpi=dpi)  # type: ignore[arg-type]
            with Image.open(made) as film:
                frames = [
                    frame.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
                    for frame in ImageSequence.Iterator(film)
                ]
        content = io.BytesIO()
        timing = {"duration": round(1000 / self._rate), "loop": 0}
        frames[0].save(content, "gif", save_all=True, append_images=frames[1:], optimize=True, **timing)
        return content.getvalue()

    def show(self) -> None:
        """Open the page in the web browser, from a temporary file; a RuntimeError says if there is none."""
        show_file(self._page().encode(), ".html")

    def _page(self) -> str:
        return str(self._film().to_jshtml(fps=self._rate))

    def _repr_html_(self) -> str:
        """Show the GIF, which is a tenth of the page."""
        return f'<img alt="an animation of training" src="data:image/gif;base64,{b64encode(self._gif(_DPI)).decode()}">'


def animate_training(
    losses: Sequence[float], snapshots: Sequence[tuple[int, Any]], model: Module | None, X: Any, y: Any, seconds: float
) -> Animation:
    """Animate the loss curve, and beside it the decision regions if there is a model of two features."""
    pyplot = import_pyplot()
    columns = 1 if model is None else 2
    figure, grid = pyplot.subplots(1, columns, figsize=(4.2 * columns, 3.6), squeeze=False, layout="constrained")
    curve = grid[0, -1]
    trained_with = getattr(model, "_trained_with", "None")

    def draw(frame: int) -> list[Any]:
        epoch, numbers = snapshots[frame]
        if model is not None:
            regions = grid[0, 0]
            regions.clear()
            moved = model.with_parameters(list(numbers))
            moved._trained_with = trained_with
            plot_decision_regions(moved, X, y, ax=regions, resolution=40)
            regions.set_title(f"epoch {epoch}")
        curve.clear()
        curve.plot(range(1, len(losses) + 1), losses, color="#CCCCCC")
        curve.plot(range(1, epoch + 1), losses[:epoch], color="#0072B2", linewidth=2)
        curve.set(xlabel="epoch", ylabel="loss", yscale="log" if min(losses) * 1000 < max(losses) else "linear")
        curve.spines[["top", "right"]].set_visible(False)
        return []

    try:
        draw(0)  # what is wrong with X and y is said here, and not where the film is saved
    finally:
        pyplot.close(figure)  # a notebook shows the film, and not its first picture besides
    return Animation(figure, draw, len(snapshots), seconds)
