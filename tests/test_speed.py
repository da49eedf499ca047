"""The reference work and its sampler: what counts and what does not. No timing is asserted."""

import time

import pytest

from bench.errors import BenchError
from bench.speed import At, ReferenceWork, Speed


class Counted(ReferenceWork):
    """Says 1, 2, 3 and so on."""

    def __init__(self) -> None:
        self.done = 0

    def cpu_ns(self) -> int:
        self.done += 1
        return self.done


def test_the_work_takes_cpu_time_and_does_the_same_each_time() -> None:
    work = ReferenceWork()
    assert work.cpu_ns() > 0
    assert (work.total(), work.total()) == (ReferenceWork().total(),) * 2


def test_alone_is_the_mean_without_the_first() -> None:
    assert Counted().alone_ns(0.1) == pytest.approx((2 + 3) / 2)


def test_samples_come_at_once_and_end_with_the_block() -> None:
    work = Counted()
    with Speed(work, every_s=0.01) as speed:
        while work.done < 3:
            time.sleep(0.005)
    done = work.done
    assert len(speed.samples) == done
    assert not speed.running


def test_only_samples_of_the_run_count() -> None:
    speed = Speed(Counted())
    speed.samples = [At(10.0, 100), At(11.0, 200), At(12.0, 400), At(13.0, 9_000)]
    assert speed.mean_ns(10.5, 12.0) == 300
    assert speed.mean_ns(12.2, 12.8) == pytest.approx((100 + 200 + 400 + 9_000) / 4)


def test_a_run_without_samples_is_an_error_with_a_remedy() -> None:
    with pytest.raises(BenchError, match="--events"):
        Speed(Counted()).mean_ns(0, 1)
