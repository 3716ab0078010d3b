from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from benches.load.aims import AIMS, Aim, judge
from benches.load.errors import BenchError
from benches.load.machine import describe_machine, slug
from benches.load.measurement import Measurement
from benches.load.report import full_report, readme_table
from benches.load.result import Result
from benches.load.spread import Spread

GATEWAY = Measurement("single", 1_000, "gateway", "deliveries/CPU-s", (100.0, 240.0, 98.0))
BARE = Measurement("single", 1_000, "bare", "deliveries/CPU-s", (100.0, 200.0, 100.0))
SLOW = Measurement("single", 1_000, "fastapi", "deliveries/CPU-s", (50.0, 100.0, 50.0))
LAG = Measurement("lag", 10_000, "gateway", "ms p99", (4.0, 6.0, 3.0))

MACHINE = {"class": "2-core Example CPU", "kernel": "Linux 6.18", "python": "CPython 3.11.7"}
METHOD = {"rounds": 3, "event_bytes": 256, "sockets": "native"}


def result(*measurements: Measurement) -> Result:
    return Result("2026-01-02", MACHINE, {"uvicorn": "0.54.0"}, METHOD, measurements)


def test_ratios_are_taken_round_by_round_so_that_drift_falls_out() -> None:
    assert GATEWAY.against(BARE) == Spread(1.0, 0.98, 1.2)


def test_rounds_that_do_not_match_are_no_ratio() -> None:
    with pytest.raises(ValueError, match="zip"):
        Spread.of_ratios([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="no value"):
        Spread.of([])


def test_the_table_shows_aim_median_spread_and_whether_it_was_reached() -> None:
    table = readme_table(result(GATEWAY, BARE, SLOW, LAG)).splitlines()
    assert table[2] == (
        "| single, 1,000 clients: deliveries per server CPU-second | ≥ 0.95 of bare | 1.00 (0.98 to 1.20) of bare "
        "| reached |"
    )
    assert "≥ 2.5 of fastapi | 2.0 (2.0 to 2.4) of fastapi | **missed** |" in table[3]
    assert table[4] == "| event loop lag p99 during fan-out | ≤ 5 ms | 4.0 (3.0 to 6.0) ms | reached |"
    assert "2026-01-02: 2-core Example CPU, Linux 6.18, CPython 3.11.7" in table[6]


def test_an_aim_without_a_measurement_or_without_its_base_is_left_out() -> None:
    assert judge([GATEWAY]) == []
    assert judge([]) == []


@pytest.mark.parametrize(("value", "reached"), [(4.9, True), (5.0, True), (5.1, False)])
def test_an_upper_limit_is_reached_from_below(value: float, reached: bool) -> None:
    assert Aim("lag", "lag", None, "gateway", most=5).holds(value) is reached


def test_an_aim_for_any_number_of_clients_takes_the_largest_run() -> None:
    small = Measurement("lag", 10, "gateway", "ms p99", (1.0,))
    (verdict,) = judge([small, LAG])
    assert verdict.measured.median == 4.0


def test_every_aim_of_a_full_run_is_judged() -> None:
    values = tuple(
        Measurement(aim.scenario, aim.clients or 1, name, "x", (1.0,))
        for aim in AIMS
        for name in (aim.contender, aim.against)
        if name is not None
    )
    assert [verdict.aim for verdict in judge(values)] == list(AIMS)


def test_the_full_report_has_every_measurement_and_the_versions() -> None:
    text = full_report(result(GATEWAY, LAG))
    assert "| single | 1,000 | gateway | 100 | 98 to 240 | deliveries/CPU-s |" in text
    assert "| lag | 10,000 | gateway | 4.00 | 3.00 to 6.00 | ms p99 |" in text
    assert "uvicorn 0.54.0" in text


def test_a_result_survives_its_file_and_the_newest_is_found(tmp_path: Path) -> None:
    kept = result(GATEWAY, BARE)
    path = kept.save(tmp_path)
    assert path.name == "2026-01-02-2-core-example-cpu.json"
    assert Result.load(path) == kept
    (tmp_path / "2025-12-31-other.json").write_text("{}", "utf-8")
    assert Result.latest(tmp_path) == kept


def test_scenarios_that_were_not_measured_again_stay(tmp_path: Path) -> None:
    result(GATEWAY, LAG).save(tmp_path)
    path = result(BARE).save(tmp_path)
    assert Result.load(path) == result(LAG, BARE), "both of the first are of the scenario `single` but the lag"
    dataclasses.replace(result(GATEWAY), versions={"uvicorn": "0.55.0"}).save(tmp_path)
    assert Result.load(path).measurements == (GATEWAY,), "with other versions nothing can be compared"


def test_a_result_of_another_schema_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no result yet"):
        Result.latest(tmp_path)
    (tmp_path / "2025-12-31-other.json").write_text("{}", "utf-8")
    with pytest.raises(BenchError, match="schema"):
        Result.latest(tmp_path)


def test_the_machine_is_described_without_its_name() -> None:
    described = describe_machine()
    assert described["cores"] >= 1
    assert described["class"].startswith(f"{described['cores']}-core")
    assert socket.gethostname() not in " ".join(map(str, described.values())).split()
    assert slug("2-core AMD EPYC™ 9B14") == "2-core-amd-epyc-9b14"
