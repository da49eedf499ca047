"""Builds the compiled kernels (`*.pyx`) where a C compiler is; without one the numpy versions are used."""

import os
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

FLAGS = ["-O3", "-fno-math-errno", "-ffp-contract=off"]
"""No contraction into fused multiply-add: weights must have the same bits as numpy's."""


setup(
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
    ext_modules=cythonize(
        [
            Extension(
                ".".join(path.with_suffix("").parts),
                [str(path)],
                include_dirs=[np.get_include()],
                define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
                extra_compile_args=FLAGS,
                optional=True,
            )
            for path in sorted(Path("streams").rglob("*.pyx"))
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
)
