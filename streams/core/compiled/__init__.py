"""The compiled kernels of the folds (Cython), each with a numpy or Python version that gives the same bytes.

compiled("ragged")   # the extension module streams.core.compiled.ragged, or None: use the other version
"""

from streams.kernels import Kernels

_kernels = Kernels(__name__)
compiled, switch, built = _kernels.compiled, _kernels.switch, _kernels.built
