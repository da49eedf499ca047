"""The compiled kernels of record batches (in and out), each with a plain version that gives the same bytes.

compiled("wire_in")   # the extension module streams.wire.compiled.wire_in, or None: use the other version
"""

from streams.kernels import Kernels

_kernels = Kernels(__name__)
compiled, switch = _kernels.compiled, _kernels.switch
