# ruff: noqa: E501 - a table of the page is a line a row
"""docs/metrics.md, made from the registry: `python -m streams.tools.metrics_page`."""

from pathlib import Path

from streams.ops.metric_list import AT_MOST
from streams.ops.metrics import docs_table

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
HEAD = """\
# Metrics

Written by `make docs` from `streams/ops/metric_list.py`; `tests/system/test_observed.py` finds every one of them in a running pipeline.

| process | where | set by |
|---|---|---|
| worker | `/metrics`, `/healthz`, `/readyz` on a port of their own, answered from a thread | `STREAMS_METRICS_PORT`, `STREAMS_METRICS_HOST` |
| reader (`streams serve`) | the same paths of its HTTP service | `STREAMS_HTTP_PORT`, `STREAMS_HTTP_HOST` |
| broker (`streams broker`) | the same paths | `--metrics-port` or `STREAMS_BROKER_METRICS_PORT`, `STREAMS_METRICS_HOST` |
| audit (`streams audit --continuous`) | see `streams audit --help` | |

* A process exposes only what it measures. All of them also expose the usual `process_*` (memory, CPU time, open files, start
  time) and `python_*` metrics of the Prometheus client.
* Histograms have the series `_bucket`, `_sum` and `_count`. Counters whose labels are known begin at 0. Counters never go
  back while a process lives, whatever moves between workers; gauges of a partition disappear when it goes to another worker.
* A label never names a user, a video or a tag. Values beyond a label's bound are counted as `other`: {bounds}.
* `/healthz` answers 503 when a restart helps: the event loop is blocked, or nothing moves although there is something to do
  (`STREAMS_STUCK_S`). `/readyz` answers 503 until the tables are restored and the facts read, and whenever the process is
  further behind than `STREAMS_READY_LAG_S`. Both give the reasons as JSON.

"""


def page() -> str:
    """The whole page."""
    bounds = ", ".join(f"{label} {most}" for label, most in AT_MOST.items())
    return HEAD.format(bounds=bounds) + docs_table()


if __name__ == "__main__":
    PAGE.write_text(page())
