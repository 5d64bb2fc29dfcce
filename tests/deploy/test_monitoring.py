"""Alert rules and dashboard: Prometheus' own promtool takes them, and knows when they fire."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.metrics import describe
from tests.deploy.manifests import DEPLOY, read

RULES = DEPLOY / "prometheus" / "rules.yaml"
DASHBOARD = DEPLOY / "grafana" / "camtrail.json"

needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)"
)


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in read(RULES)["groups"] for rule in group["rules"]}


def expressions() -> Iterator[tuple[str, str]]:
    """Those of the dashboard, with the title of their panel."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def named(expression: str) -> set[str]:
    """The metrics of camtrail's processes in an expression."""
    return set(re.findall(r"\b(?:camtrail|process)_[a-z_]+", re.sub(r'"[^"]*"', "", expression)))


def known() -> set[str]:
    """Every name that a sample may have."""
    names = set()
    for one in describe():
        parts = ("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",)
        names |= {one.name + part for part in parts}
    return names


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_dashboard_name_metrics_that_there_are() -> None:
    assert len(list(expressions())) > 60
    for title, expression in [*expressions(), *((a, r["expr"]) for a, r in alerts().items())]:
        assert named(expression) <= known(), title


def test_the_dashboard_shows_every_metric() -> None:
    shown = set().union(*(named(expression) for _, expression in expressions()))
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    hidden = {one.name for one in describe()} - shown
    assert hidden == {
        "process_max_fds",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
    }


def test_every_panel_asks_the_chosen_source_for_the_chosen_sites() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert [v["name"] for v in dashboard["templating"]["list"]] == ["source", "site"]
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${source}"}
            if "ALERTS" not in target["expr"]:
                assert 'site=~"$site"' in target["expr"], panel["title"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@needs_promtool
def test_promtool_takes_rules_settings_and_every_expression(tmp_path: Path) -> None:
    promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yaml")
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, (_, expression) in enumerate(expressions())
    ]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", path)


def test_alerts_say_whom_they_are_about_and_how_bad_it_is() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert set(rule["annotations"]) == {"summary"}
        assert not named(rule["annotations"]["summary"])


# One fault each: series as promtool writes them (one value a minute), and after how many minutes
# this alert, and no other, fires. `healthy` is there beside it, where it says nothing else.
OF = 'site="yard",instance="host",job="camtrail"'
HEALTHY = {
    f"up{{{OF.replace('site=', 'x=')}}}": "1x30",
    f'camtrail_process_up{{{OF},process="matcher"}}': "1x30",
    f'camtrail_process_up{{{OF},process="worker-gate"}}': "1x30",
    f'camtrail_heartbeat_timestamp_seconds{{{OF},process="matcher",role="matcher"}}': "0+60x30",
    f'camtrail_supervisor_quarantined{{{OF},child="gate"}}': "0x30",
    f'camtrail_supervisor_restarts_total{{{OF},child="gate"}}': "0x30",
    f'camtrail_matcher_active{{{OF},process="matcher"}}': "1x30",
    f"camtrail_disk_free_bytes{{{OF}}}": "5e10x30",
    f"camtrail_disk_size_bytes{{{OF}}}": "1e11x30",
    f'camtrail_camera_connected{{{OF},process="worker-gate",camera="gate"}}': "1x30",
    f'camtrail_camera_picture_fault{{{OF},camera="gate",fault="black"}}': "0x30",
    f'camtrail_camera_frames_dropped_total{{{OF},camera="gate",reason="overtaken"}}': "0+10x30",
    f'camtrail_camera_frames_decoded_total{{{OF},camera="gate"}}': "0+600x30",
    f'camtrail_recorder_connected{{{OF},camera="gate"}}': "1x30",
    f'camtrail_inference_failures_total{{{OF},kind="detect"}}': "0x30",
    f'camtrail_redis_connected{{{OF},process="matcher"}}': "1x30",
    f'camtrail_bus_spool_messages{{{OF},camera="gate"}}': "3x30",
    f'camtrail_bus_spool_bytes{{{OF},camera="gate"}}': "1e6x30",
    f'camtrail_bus_spool_limit_bytes{{{OF},camera="gate"}}': "2.56e8x30",
    f'camtrail_bus_spool_dropped_total{{{OF},camera="gate"}}': "0x30",
    f'camtrail_bus_spool_fault{{{OF},camera="gate"}}': "0x30",
    f"camtrail_bus_dead_letters_total{{{OF}}}": "0x30",
    f"camtrail_matcher_store_fault{{{OF}}}": "0x30",
    f"camtrail_matcher_watermark_lag_seconds{{{OF}}}": "2x30",
    f'camtrail_matcher_camera_lag_seconds{{{OF},camera="gate"}}': "1x30",
    f"camtrail_matcher_updates_foreign_total{{{OF}}}": "0x30",
    f'camtrail_matcher_threshold{{{OF},name="accept"}}': "0.55x30",
    f'camtrail_matcher_threshold_recommended{{{OF},name="accept"}}': "0.5x30",
    f"camtrail_matcher_recall{{{OF}}}": "0.99x30",
    f'camtrail_notify_given_up_total{{{OF},receiver="guard"}}': "0x30",
    f'camtrail_viewer_requests_total{{{OF},status="503"}}': "0x30",
    f'camtrail_viewer_logins_total{{{OF},result="too often"}}': "0x30",
}
FAULTS = [
    ("CamtrailNotScraped", "up", "1 0x29", 3),
    ("CamtrailProcessDown", "camtrail_process_up", "1 0x29", 3),
    ("CamtrailProcessHangs", "camtrail_heartbeat_timestamp_seconds", "0 60 120x28", 5),
    ("CamtrailProcessQuarantined", "camtrail_supervisor_quarantined", "0 1x29", 3),
    ("CamtrailProcessRestarts", "camtrail_supervisor_restarts_total", "0+1x29", 8),
    ("CamtrailNoMatcher", "camtrail_matcher_active", "1 0x29", 3),
    ("CamtrailDiskNearlyFull", "camtrail_disk_free_bytes", "5e10 4.9e9x29", 3),
    ("CamtrailCameraAway", "camtrail_camera_connected", "1 0x29", 3),
    ("CamtrailCameraPictureFault", "camtrail_camera_picture_fault", "0 1x29", 3),
    ("CamtrailCameraTooSlow", "camtrail_camera_frames_dropped_total", "0+400x30", 13),
    ("CamtrailRecorderAway", "camtrail_recorder_connected", "1 0x29", 5),
    ("CamtrailInferenceFails", "camtrail_inference_failures_total", "0 1x29", 2),
    ("CamtrailRedisAway", "camtrail_redis_connected", "1 0x29", 3),
    ("CamtrailSpoolGrows", "camtrail_bus_spool_messages", "3+60x29", 8),
    ("CamtrailSpoolHalfFull", "camtrail_bus_spool_bytes", "1e6 2e8x29", 2),
    ("CamtrailUpdatesLost", "camtrail_bus_spool_dropped_total", "0 5x29", 2),
    ("CamtrailSpoolNotWritten", "camtrail_bus_spool_fault", "0 1x29", 3),
    ("CamtrailDeadLetters", "camtrail_bus_dead_letters_total", "0 1x29", 2),
    ("CamtrailStoreTakesNothing", "camtrail_matcher_store_fault", "0 1x29", 3),
    ("CamtrailDecisionsLate", "camtrail_matcher_watermark_lag_seconds", "2+20x29", 4),
    ("CamtrailCameraLags", "camtrail_matcher_camera_lag_seconds", "1 9x29", 8),
    ("CamtrailForeignEncoder", "camtrail_matcher_updates_foreign_total", "0 3x29", 2),
    ("CamtrailCalibrationDrifts", "camtrail_matcher_threshold", "0.65x60", 31),
    ("CamtrailRecallLow", "camtrail_matcher_recall", "0.9x30", 11),
    ("CamtrailNotificationsGivenUp", "camtrail_notify_given_up_total", "0 1x29", 2),
    ("CamtrailViewerFails", "camtrail_viewer_requests_total", "0+3x29", 5),
    ("CamtrailPasswordsGuessed", "camtrail_viewer_logins_total", "0 1x29", 2),
]


def series(changed: str, values: str) -> list[dict[str, str]]:
    """The healthy ones, in which all of one name are others."""
    given = {n: values if n.startswith(changed + "{") else v for n, v in HEALTHY.items()}
    assert given != HEALTHY or not changed
    return [{"series": name, "values": v.replace("x30", "x60")} for name, v in given.items()]


def case(fault: list[dict[str, str]], minute: int, firing: list[str]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": fault,
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minute}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": count}
                    for name, count in ((n, firing.count(n)) for n in dict.fromkeys(firing))
                ],
            }
        ],
    }


@needs_promtool
def test_each_alert_fires_on_its_fault_and_on_no_other_and_none_without(tmp_path: Path) -> None:
    assert [name for name, *_ in FAULTS] == list(alerts())
    cases = [case(series("", ""), 29, [])]
    for name, metric, values, minute in FAULTS:
        fault = series(metric, values)
        firing = sum(1 for one in fault if one["series"].startswith(metric + "{"))
        cases.append(case(fault, minute, [name] * firing))
    path = tmp_path / "faults.yaml"
    tests = {"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": cases}
    path.write_text(yaml.safe_dump(tests))
    promtool("test", "rules", path)
