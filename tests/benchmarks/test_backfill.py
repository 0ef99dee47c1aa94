from dataclasses import replace

import pytest

from benchmarks.backfill import TERABYTE, of_size, terabyte_table
from benchmarks.contestants import PLH_MAIN
from tests.benchmarks.test_figures import RUN

GIGABYTE = RUN.log_bytes * 125


def test_a_backfill_is_in_proportion_to_its_log() -> None:
    cost = of_size([RUN], GIGABYTE)
    assert (cost.calls, cost.requests, cost.wire_bytes) == (125_000, 250, 375)
    assert cost.hours == pytest.approx(250 / 3600)
    assert cost.core_hours == pytest.approx(62.5 / 3600)
    assert cost.uplink_mbit_per_s == pytest.approx(375 * 8 / 1e6 / 250)


def test_a_terabyte_of_what_was_measured_has_a_row() -> None:
    found = terabyte_table([replace(RUN, contestant=PLH_MAIN)])
    assert "| LiteLLM payloads | 125 million |" in found
    assert f"{RUN.calls * TERABYTE / RUN.log_bytes / 1e6:.0f}" == "125"
    assert "OpenAI" not in found
