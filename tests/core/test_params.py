"""What gives rows their meaning cannot be changed unnoticed."""

from hashlib import blake2b

from streams.core import params

WEIGHTS_1 = "da672c7e705cce07"
"""Digest of all weights and limits as of `weights_version` 1."""
APART = ("MEANING", "CHART_SIZE")
"""CHART_SIZE: charts are made anew from the rows, so that any worker may make longer ones."""


def test_other_weights_and_widths_need_another_version() -> None:
    """Whoever changes one raises `weights_version` (or `version`), and notes the digest here."""
    values = {name: getattr(params, name) for name in dir(params) if name.isupper() and name not in APART}
    digest = blake2b(repr(sorted(values.items())).encode(), digest_size=8).hexdigest()
    assert (params.MEANING["version"], params.MEANING["weights_version"], digest) == (1, 1, WEIGHTS_1)
