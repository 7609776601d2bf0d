"""What can be checked of the deployment files without a container engine."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
YAML = sorted([*INFRA.rglob("*.yaml"), *INFRA.rglob("*.yml")])


def read(name: str):
    return yaml.safe_load((INFRA / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", YAML, ids=lambda p: p.name)
def test_every_file_parses(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_every_published_port_is_on_the_loopback():
    ports = [port for service in read("compose.yaml")["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_is_written_down():
    services = read("compose.yaml")["services"]
    values = [str(v) for s in services.values() for v in (s.get("environment") or {}).values()]
    secret = [v for v in values if "://" in v and "@" in v] + [services["postgres"]["environment"]["POSTGRES_PASSWORD"]]
    assert len(secret) >= 4
    assert all("${POSTGRES_PASSWORD:?" in v for v in secret)


def test_every_service_waits_for_services_that_exist_and_mounts_files_that_exist():
    compose = read("compose.yaml")
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (INFRA / source).is_file() if source.startswith(".") else source in compose["volumes"]


def test_the_image_copies_what_exists():
    words = (INFRA / "Containerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (.+)$", words, flags=re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_deployments_name_flows_that_exist():
    for deployment in read("prefect.yaml")["deployments"]:
        path, _, name = deployment["entrypoint"].partition(":")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        flows = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in flows
        assert set(deployment["parameters"]) <= {argument.arg for argument in flows[name].args.args}


def test_the_image_has_what_the_packages_link_to():
    copied = {
        word
        for line in re.findall(r"^COPY (.+)$", (INFRA / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
        for word in line.split()
    }
    links = [path for path in (ROOT / "inspection").rglob("*") if path.is_symlink()]
    assert {path.resolve().relative_to(ROOT).parts[0] for path in links} <= copied


def test_rules_ask_for_metrics_that_the_worker_has():
    rules = [rule for group in read("prometheus/rules.yml")["groups"] for rule in group["rules"]]
    asked = set(re.findall(r"inspection_\w+", " ".join(rule["expr"] for rule in rules)))
    from inspection.inference.metrics import WorkerMetrics

    has = {sample.name for metric in WorkerMetrics().registry.collect() for sample in metric.samples}
    assert asked
    assert asked <= has
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert all({"summary", "description"} <= set(rule["annotations"]) for rule in rules)


@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool (Debian's prometheus-alertmanager) is not installed")
def test_alertmanager_accepts_its_configuration():
    done = subprocess.run(
        ["amtool", "check-config", str(INFRA / "alertmanager" / "alertmanager.yml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
