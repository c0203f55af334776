"""Build the optional extension: the engine's modules compiled by Cython, where a C compiler is."""

from Cython.Build import cythonize
from setuptools import Extension, setup

# No flag here may assume that there are no nans, or fuse a product and a sum into one rounding.
OPTIONS = ["-O3", "-fno-math-errno", "-ffp-contract=off"]
DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "boundscheck": False,
    "wraparound": True,
    "initializedcheck": False,
    "nonecheck": False,
}

setup(
    ext_modules=cythonize(
        [
            Extension(f"autograd_mini.{name}", [f"autograd_mini/{name}.py"], extra_compile_args=OPTIONS, optional=True)
            for name in ("ieee", "operations", "value")
        ],
        compiler_directives=DIRECTIVES,
    )
)
