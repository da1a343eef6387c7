"""The same cloud over PostgreSQL: a server of its own in a folder of its own, under a real `pileus up`."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from conftest import running

SOON = {"Delay": 1, "MaxAttempts": 60}


def program(name):
    """A program of the newest PostgreSQL of Debian."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert found, "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    return str(found[-1])


def unprivileged(*line):
    """PostgreSQL refuses root; `nobody` is on every Linux."""
    if os.geteuid() != 0:
        return list(line)
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=INT", *line]


@pytest.fixture(scope="module")
def database(until):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pileus-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    made = ["-D", f"{folder}/data", "--username=pileus", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(unprivileged(program("initdb"), *made), check=True, env=environment, cwd="/", stdout=subprocess.DEVNULL)
    settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"]
    line = unprivileged(program("postgres"), "-D", f"{folder}/data", "-k", str(folder), *settings)
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(line, env=environment, cwd="/", stdout=log, stderr=log)
    try:
        ready = [program("pg_isready"), "-q", "-h", str(folder)]
        until(lambda: subprocess.run(ready).returncode == 0, 60, "PostgreSQL's start")
        yield f"host={folder} user=pileus dbname=postgres"
    finally:
        server.send_signal(2)
        server.wait(timeout=60)
        shutil.rmtree(folder)


def test_a_cloud_over_postgresql_keeps_what_it_was_told(database):
    clouds = running("--images", os.environ.get("PILEUS_IMAGES", "images/out"), "--simulate", "4", "--database", database)
    cloud = next(clouds)
    try:
        ec2 = cloud.client()
        made = ec2.run_instances(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=20, MaxCount=20)["Instances"]
        ids = sorted(instance["InstanceId"] for instance in made)
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        cloud.kill()
        cloud.start()
        ec2 = cloud.client()
        pages = ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
        found = sorted(i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"])
        assert found == ids
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
    finally:
        clouds.close()


def test_a_database_that_outlived_its_state_folder_gets_a_new_key(database):
    clouds = running("--images", os.environ.get("PILEUS_IMAGES", "images/out"), "--simulate", "4", "--database", database)
    cloud = next(clouds)
    try:
        assert cloud.client("sts").get_caller_identity()["Account"]
    finally:
        clouds.close()
