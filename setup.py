"""Build the optional extension: the engine's modules compiled by Cython, where a C compiler is."""

import os
import re
import runpy
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.egg_info import egg_info
from setuptools.command.sdist import sdist

# No flag here may assume that there are no nans, or fuse a product and a sum into one rounding.
IS_WINDOWS = sys.platform == "win32"
OPTIONS = ["/fp:precise"] if IS_WINDOWS else ["-g0", "-fno-math-errno", "-ffp-contract=off"]
# What a training step, or a call of compiled code, spends its time in. The other modules are compiled sooner, and
# check what they read; in these what comes from Python is checked by hand.
HOT = {
    "engine.derivatives",
    "engine.elementary",
    "engine.fan",
    "engine.formula",
    "engine.node",
    "engine.value",
    "compiler.runtime.kernel",
}
# What all modules need of Cython itself, its type of functions and its views of memory: Cython writes it, once.
SHARED = "engine.shared"
# The table of operations is not among them: its functions are recorded once, and computed by engine.formula.
MODULES = [
    SHARED,
    "engine.arithmetic",
    "engine.checks",
    "engine.derivatives",
    "engine.elementary",
    "engine.fan",
    "engine.formula",
    "engine.ieee",
    "engine.lines",
    "engine.modes",
    "engine.node",
    "engine.operation",
    "engine.value",
    "engine.vectors",
    "compiler.arguments",
    "compiler.builder",
    "compiler.columns",
    "compiler.graph",
    "compiler.backends.native",
    "compiler.patterns",
    "compiler.schedule",
    "compiler.simplify",
    "compiler.slots",
    "compiler.sums",
    "compiler.trace",
    "compiler.runtime.kernel",
    "compiler.runtime.memory",
]
DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "wraparound": True,
    "initializedcheck": False,
    "auto_pickle": False,
    "freethreading_compatible": True,
}


class OptionalBuild(build_ext):
    """Compile all modules, or none: where one can't be, the plain Python files do the same, slower.

    With AUTOGRAD_MINI_REQUIRE_EXTENSION=1 in the environment a module that can't be compiled is an error: releases.
    """

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or True  # one module on each processor

    def build_extension(self, ext: Extension) -> None:
        print(f"compiling {ext.name}", flush=True)  # with `pip install -v` the progress is seen
        super().build_extension(ext)

    def run(self) -> None:
        try:
            for ext in self.extensions:
                write_c(ext, self.build_temp)
            super().run()
        except Exception as error:  # whatever a missing or broken compiler makes of itself
            if os.environ.get("AUTOGRAD_MINI_REQUIRE_EXTENSION") == "1":
                raise
            self.warn(f"no compiled engine: {error}")
            for output in self.get_outputs():
                Path(output).unlink(missing_ok=True)
            self.extensions = self.distribution.ext_modules = []


class Wheel(bdist_wheel):
    """Build the extension before the wheel is named: a wheel without one is for every platform.

    It is built in a temporary folder: nothing is left beside the sources, and nothing found there gets into the wheel.
    """

    def finalize_options(self) -> None:
        self.distribution.get_command_obj("build").build_base = SCRATCH.name
        super().finalize_options()

    def run(self) -> None:
        self.run_command("build_ext")
        self.root_is_pure = not self.distribution.has_ext_modules()
        super().run()


class EggInfo(egg_info):
    """Keep what setuptools notes about the project out of the source folder; sdist alone reads it there."""

    def finalize_options(self) -> None:
        if self.egg_base is None and "sdist" not in self.distribution.commands:
            self.egg_base = SCRATCH.name
        super().finalize_options()


class SourceDistribution(sdist):
    """Leave nothing in the source folder."""

    def run(self) -> None:
        super().run()
        shutil.rmtree(self.get_finalized_command("egg_info").egg_info)


def extension(name: str) -> Extension:
    # Below these levels the build takes a quarter less, and first calls of compiled functions and eager steps a tenth
    # more; above them nothing gets quicker.
    level = "-O2" if name in HOT else "-O1"
    source = f"autograd_mini/{name.replace('.', '/')}.{'c' if name == SHARED else 'py'}"
    return Extension(f"autograd_mini.{name}", [source], extra_compile_args=[*OPTIONS, "/O2" if IS_WINDOWS else level])


def write_c(ext: Extension, folder: str) -> None:
    """Write a module's C into a folder, and make it the source."""
    name = ext.name.removeprefix("autograd_mini.")
    checks = name not in HOT
    own = {"boundscheck": checks, "nonecheck": checks}
    (written,) = cythonize(
        [ext],
        compiler_directives=DIRECTIVES | own,
        build_dir=folder,
        shared_utility_qualified_name=f"autograd_mini.{SHARED}",
    )
    ext.sources = written.sources


def addresses() -> dict[str, Any]:
    """Give the README, which stands apart from the other files where a package is shown, and the project's addresses.

    AUTOGRAD_MINI_URL in the environment says where the repository is, which no file does: the release sets it. Then the
    README's links lead there, to the files of this version.
    """
    text = Path("README.md").read_text("utf-8")
    url = os.environ.get("AUTOGRAD_MINI_URL", "").rstrip("/")
    if url:
        tag = "v" + runpy.run_path("autograd_mini/version.py")["VERSION"]
        files = {"": f"{url}/blob/{tag}/", "!": f"{url}/raw/{tag}/"}  # pictures themselves, not a page about them
        text = re.sub(r"(!?)(\[[^\]]*\]\()(?!\w+:|#)", lambda link: link[1] + link[2] + files[link[1]], text)
    pages = {"Source": "", "Documentation": "tree/HEAD/notebooks", "Changelog": "blob/HEAD/CHANGELOG.md"}
    return {
        "long_description": text,
        "long_description_content_type": "text/markdown",
        "project_urls": {name: f"{url}/{page}" for name, page in pages.items()} if url else {},
    }


SCRATCH = tempfile.TemporaryDirectory(prefix="autograd_mini-")

with SCRATCH:
    setup(
        cmdclass={"build_ext": OptionalBuild, "bdist_wheel": Wheel, "egg_info": EggInfo, "sdist": SourceDistribution},
        ext_modules=[extension(name) for name in MODULES],
        **addresses(),
    )
