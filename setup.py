"""Build the optional extension: the engine's modules compiled by Cython, where a C compiler is."""

import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# No flag here may assume that there are no nans, or fuse a product and a sum into one rounding.
OPTIONS = ["-O3", "-fno-math-errno", "-ffp-contract=off"] if sys.platform != "win32" else ["/O2", "/fp:precise"]
DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "boundscheck": False,
    "wraparound": True,
    "initializedcheck": False,
    "nonecheck": False,
}


class OptionalBuild(build_ext):
    """Compile all modules, or none: where one can't be, the plain Python files do the same, slower."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or True  # one module on each processor

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:  # whatever a missing or broken compiler makes of itself
            self.warn(f"no compiled engine: {error}")
            for output in self.get_outputs():
                Path(output).unlink(missing_ok=True)
            self.extensions = self.distribution.ext_modules = []


setup(
    cmdclass={"build_ext": OptionalBuild},
    ext_modules=cythonize(
        [
            Extension(
                f"autograd_mini.{name}", [f"autograd_mini/{name.replace('.', '/')}.py"], extra_compile_args=OPTIONS
            )
            for name in (
                "engine.arithmetic",
                "engine.ieee",
                "engine.operations",
                "engine.value",
                "compiler.arguments",
                "compiler.graph",
                "compiler.backends.native",
                "compiler.patterns",
                "compiler.runtime.kernel",
                "compiler.schedule",
                "compiler.slots",
                "compiler.sums",
                "compiler.trace",
            )
        ],
        compiler_directives=DIRECTIVES,
    ),
)
