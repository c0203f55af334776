"""Build the optional extension: the engine's modules compiled by Cython, where a C compiler is."""

import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

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
MODULES = [
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
    "engine.operations",
    "engine.value",
    "engine.vectors",
    "compiler.arguments",
    "compiler.builder",
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


def extension(name: str) -> Extension:
    optimisation = "/O2" if IS_WINDOWS else "-O3" if name in HOT else "-O1"
    source = f"autograd_mini/{name.replace('.', '/')}.py"
    return Extension(f"autograd_mini.{name}", [source], extra_compile_args=[*OPTIONS, optimisation])


def extensions(names: list[str], checks: bool) -> list[Extension]:
    directives = DIRECTIVES | {"boundscheck": checks, "nonecheck": checks}
    return cythonize([extension(name) for name in names], compiler_directives=directives)


cold = [name for name in MODULES if name not in HOT]
setup(cmdclass={"build_ext": OptionalBuild}, ext_modules=extensions(cold, True) + extensions(sorted(HOT), False))
