"""The compiled kernels of the engine (record batches in and out), each with a plain version that gives the same bytes.

compiled("wire_in")   # the extension module streams.engine.compiled.wire_in, or None: use the other version
"""

from streams.kernels import Kernels

_kernels = Kernels(__name__)
compiled, switch = _kernels.compiled, _kernels.switch
