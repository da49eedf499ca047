"""The compiled kernels of the engine, each with a plain version that gives the same bytes.

compiled("row_order")   # the extension module streams.engine.compiled.row_order, or None: use the other version
"""

from streams.kernels import Kernels

_kernels = Kernels(__name__)
compiled, switch = _kernels.compiled, _kernels.switch
