"""Disks brought and fetched block by block with boto3's `ebs` client, and started as guests."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import pytest

from conftest import private_key, ssh_group, wait_until
from test_snapshots import completed
from test_volumes import SOON, TYPE, ZONE, Guest, attach, remove, serial

BLOCK = 512 * 1024
ZEROES = bytes(BLOCK)


@pytest.fixture(scope="module")
def ebs(cloud):
    return cloud.client("ebs")


@pytest.fixture
def made(ec2):
    """Snapshots of a test, which are gone afterwards."""
    ids = []
    yield ids
    for id in reversed(ids):
        if ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": [id]}])["Snapshots"]:
            ec2.delete_snapshot(SnapshotId=id)


def put(ebs, snapshot, index, data, **other):
    checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
    usual = dict(SnapshotId=snapshot, BlockIndex=index, BlockData=data, DataLength=len(data), Checksum=checksum, ChecksumAlgorithm="SHA256")
    return ebs.put_snapshot_block(**{**usual, **other})


def blocks(ebs, snapshot):
    """The blocks of a snapshot that hold something, page by page."""
    found, more = {}, {}
    while True:
        page = ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=100, **more)
        found.update((block["BlockIndex"], block["BlockToken"]) for block in page["Blocks"])
        if not page.get("NextToken"):
            return found
        more = {"NextToken": page["NextToken"]}


def fetch(ebs, snapshot, index, token):
    got = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=token)
    data = got["BlockData"].read()
    assert len(data) == got["DataLength"] == BLOCK and got["ChecksumAlgorithm"] == "SHA256"
    assert base64.b64decode(got["Checksum"]) == hashlib.sha256(data).digest()
    return data


def finish(ec2, ebs, snapshot, count):
    assert ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=count)["Status"] == "pending"
    return completed(ec2, snapshot)[0]


def refused(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


def state(ec2, snapshot):
    return ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"]


def test_blocks_are_written_over_a_parent_and_differences_are_listed(ec2, ebs, made):
    tags = [{"Key": "of", "Value": "upload"}]
    asked = dict(VolumeSize=1, Description="first", Tags=tags, ClientToken="first-of-two")
    started = ebs.start_snapshot(**asked)
    first = started["SnapshotId"]
    made.append(first)
    assert (started["Status"], started["VolumeSize"], started["BlockSize"], started["Tags"]) == ("pending", 1, BLOCK, tags)
    assert ebs.start_snapshot(**asked)["SnapshotId"] == first
    written = {0: b"a" * BLOCK, 7: b"b" * BLOCK, 2047: b"c" * BLOCK}
    for index, data in written.items():
        put(ebs, first, index, b"x" * BLOCK)
        put(ebs, first, index, data)
    shown = finish(ec2, ebs, first, 3)
    assert (shown["State"], shown["VolumeSize"], shown["Description"], shown["Tags"]) == ("completed", 1, "first", tags)
    listed = blocks(ebs, first)
    assert {index: fetch(ebs, first, index, token) for index, token in listed.items()} == written
    second = ebs.start_snapshot(VolumeSize=2, ParentSnapshotId=first)["SnapshotId"]
    made.append(second)
    put(ebs, second, 7, ZEROES)
    put(ebs, second, 4000, b"d" * BLOCK)
    finish(ec2, ebs, second, 2)
    changed = ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)
    assert (changed["VolumeSize"], changed["BlockSize"]) == (2, BLOCK)
    assert [(block["BlockIndex"], "FirstBlockToken" in block, "SecondBlockToken" in block) for block in changed["ChangedBlocks"]] == [
        (7, True, False),
        (4000, False, True),
    ]
    assert sorted(blocks(ebs, second)) == [0, 2047, 4000]
    assert fetch(ebs, second, 2047, blocks(ebs, second)[2047]) == written[2047]


def test_what_does_not_fit_is_refused(cloud, ec2, ebs, made):
    snapshot = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    made.append(snapshot)
    block = b"e" * BLOCK
    for other in (
        {"Checksum": base64.b64encode(hashlib.sha256(b"other").digest()).decode()},
        {"BlockIndex": 2048},
        {"DataLength": BLOCK - 1},
        {"ChecksumAlgorithm": "MD5"},
    ):
        assert refused(put, ebs=ebs, snapshot=snapshot, index=1, data=block, **other) == "ValidationException", other
    assert refused(put, ebs=ebs, snapshot=snapshot, index=1, data=b"short") == "ValidationException"
    assert refused(put, ebs=ebs, snapshot="snap-00000000000000001", index=1, data=block) == "ResourceNotFoundException"
    assert refused(ebs.list_snapshot_blocks, SnapshotId=snapshot) == "ValidationException"
    assert refused(ebs.start_snapshot, VolumeSize=1, Encrypted=True, KmsKeyArn="alias/none") == "ResourceNotFoundException"
    assert refused(ebs.start_snapshot, VolumeSize=100_000) == "ValidationException"
    id, secret, _ = cloud.account("blocks-stranger")
    stranger = cloud.client("ebs", key=id, secret=secret)
    assert refused(put, ebs=stranger, snapshot=snapshot, index=1, data=block) == "ResourceNotFoundException"
    # One block less than is said: what came of it is no disk.
    put(ebs, snapshot, 1, block)
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=2)
    wait_until(lambda: state(ec2, snapshot) == "error", 60, "the end of the upload")
    assert refused(put, ebs=ebs, snapshot=snapshot, index=1, data=block) == "ValidationException"
    whole = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    made.append(whole)
    finish(ec2, ebs, whole, 0)
    assert blocks(ebs, whole) == {}
    assert refused(ebs.get_snapshot_block, SnapshotId=whole, BlockIndex=1, BlockToken="x") == "ValidationException"
    assert refused(stranger.list_snapshot_blocks, SnapshotId=whole) == "ResourceNotFoundException"


def test_an_encrypted_snapshot_waits_encrypted_and_is_read_back(cloud, ec2, ebs, made):
    key = cloud.client("kms").create_key(Description="uploads")["KeyMetadata"]["Arn"]
    started = ebs.start_snapshot(VolumeSize=1, Encrypted=True, KmsKeyArn=key)
    snapshot = started["SnapshotId"]
    made.append(snapshot)
    assert (started["KmsKeyArn"], started["SseType"]) == (key, "sse-kms")
    written = {index: (b"plain %d " % index * BLOCK)[:BLOCK] for index in (0, 5)}
    for index, data in written.items():
        put(ebs, snapshot, index, b"x" * BLOCK)
        put(ebs, snapshot, index, data)
    waiting = (cloud.folder / "uploads" / f"{snapshot}.blocks").read_bytes()
    assert len(waiting) == 6 * BLOCK and b"plain" not in waiting and b"xxxx" not in waiting
    finish(ec2, ebs, snapshot, 2)
    shown = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
    assert (shown["Encrypted"], shown["KmsKeyId"]) == (True, key)
    found = blocks(ebs, snapshot)
    assert sorted(found) == [0, 5]
    assert {index: fetch(ebs, snapshot, index, token) for index, token in found.items()} == written
    # What is written over it is encrypted as it is, whatever is asked.
    assert refused(ebs.start_snapshot, VolumeSize=1, ParentSnapshotId=snapshot, Encrypted=True) == "ValidationException"
    assert refused(ebs.start_snapshot, VolumeSize=1, KmsKeyArn=key) == "ValidationException", "a key for a plain one"
    child = ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=snapshot)
    made.append(child["SnapshotId"])
    assert child["KmsKeyArn"] == key
    put(ebs, child["SnapshotId"], 5, b"y" * BLOCK)
    finish(ec2, ebs, child["SnapshotId"], 1)
    found = blocks(ebs, child["SnapshotId"])
    assert [fetch(ebs, child["SnapshotId"], index, found[index]) for index in (0, 5)] == [written[0], b"y" * BLOCK]
    cloud.client("kms").disable_key(KeyId=key)
    refused(ebs.start_snapshot, VolumeSize=1, Encrypted=True, KmsKeyArn=key)
    refused(ebs.get_snapshot_block, SnapshotId=snapshot, BlockIndex=0, BlockToken=blocks(ebs, snapshot)[0])
    cloud.client("kms").enable_key(KeyId=key)


@pytest.fixture(scope="module")
def launch(ec2, shell, tmp_path_factory):
    """Launches instances, which are gone afterwards."""
    path = private_key(ec2, "blocks", tmp_path_factory.mktemp("keys"))
    group = ssh_group(ec2, "blocks")
    ids = []

    def launch(image):
        usual = dict(InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="blocks", SecurityGroupIds=[group])
        ids.append(ec2.run_instances(ImageId=image, Placement={"AvailabilityZone": ZONE}, **usual)["Instances"][0]["InstanceId"])
        ec2.get_waiter("instance_running").wait(InstanceIds=ids[-1:], WaiterConfig=SOON)
        return Guest(ec2, path, shell, ids[-1])

    yield launch
    if ids:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName="blocks")


def test_a_disk_is_fetched_changed_nowhere_and_brought_back_as_an_image(cloud, ec2, ebs, launch, made):
    source = launch(cloud.image())
    source.run("echo carried > /root/carried; sync")
    root = ec2.describe_instances(InstanceIds=[source.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=root)["SnapshotId"]
    made.append(snapshot)
    size = completed(ec2, snapshot)[0]["VolumeSize"]
    here = blocks(ebs, snapshot)
    # The other one knows nothing of the first: the bytes go through the client.
    copy = ebs.start_snapshot(VolumeSize=size, Description="brought")["SnapshotId"]
    made.append(copy)

    def carry(block):
        put(ebs, copy, block[0], fetch(ebs, snapshot, *block))

    whole = sorted(here.items())
    half = len(whole) // 2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(carry, whole[:half]))
        cloud.kill()
        cloud.start()
        list(pool.map(carry, whole[half:]))
    finish(ec2, ebs, copy, len(whole))
    assert ebs.list_changed_blocks(FirstSnapshotId=snapshot, SecondSnapshotId=copy)["ChangedBlocks"] == []
    device = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": copy}}]
    image = ec2.register_image(Name="brought", Architecture="x86_64", RootDeviceName="/dev/xvda", BlockDeviceMappings=device)["ImageId"]
    try:
        guest = launch(image)
        assert guest.run("cat /root/carried") == "carried\n"
        assert guest.run("hostname") != source.run("hostname")
    finally:
        ec2.deregister_image(ImageId=image)


def qcow2(backing=b"", incompatible=0, data_file=b"", size=1 << 40):
    """The head of a qcow2 image of version 3 that names other files."""
    names = backing.ljust(256, b"\0")
    extension = b"" if not data_file else (0x44415441).to_bytes(4, "big") + len(data_file).to_bytes(4, "big") + data_file.ljust(-len(data_file) % 8 + len(data_file), b"\0")
    numbers = [(0x514649FB, 4), (3, 4), (1024 if backing else 0, 8), (len(backing), 4), (16, 4), (size, 8), (0, 4), (1, 4), (0x30000, 8), (0x10000, 8), (1, 4), (0, 4), (0, 8), (incompatible, 8), (0, 8), (0, 8), (4, 4), (104, 4)]
    head = b"".join(number.to_bytes(width, "big") for number, width in numbers) + extension
    return head.ljust(1024, b"\0") + names


FLAT = b'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 2097152 FLAT "/etc/passwd" 0\n'
# What such bytes did to other clouds that let a program guess a disk's format.
ATTACKS = {
    "CVE-2015-5163: a qcow2 head with a backing file": qcow2(backing=b"/etc/passwd"),
    "CVE-2022-47951: a vmdk descriptor of a flat file": FLAT,
    "CVE-2024-32498: a qcow2 head with an external data file": qcow2(incompatible=4, data_file=b"/etc/passwd"),
    "CVE-2024-4467: a json: name in a qcow2 head": qcow2(incompatible=4, data_file=b'json:{"driver":"file","filename":"/etc/passwd"}'),
    "CVE-2026-24708: a qcow2 head on a disk that is grown": qcow2(backing=b"/etc/shadow", size=1 << 41),
}


def test_disks_that_claim_to_be_other_formats_stay_bytes(cloud, ec2, ebs, launch, made):
    guest = launch(cloud.image())
    volumes = {}
    try:
        for name, head in ATTACKS.items():
            snapshot = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
            made.append(snapshot)
            put(ebs, snapshot, 0, head.ljust(BLOCK, b"\0"))
            finish(ec2, ebs, snapshot, 1)
            volumes[name] = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["VolumeId"]
        ids = list(volumes.values())
        ec2.get_waiter("volume_available").wait(VolumeIds=ids, WaiterConfig=SOON)
        for id, letter in zip(ids, "fghij"):
            attach(ec2, guest, id, f"/dev/sd{letter}")
        wait_until(lambda: set(map(serial, ids)) <= set(guest.disks()), 90, "the disks in the guest")
        for id in ids:
            ec2.modify_volume(VolumeId=id, Size=2)
        wait_until(lambda: all(guest.disks()[serial(id)][1] == 2 << 30 for id in ids), 60, "the larger disks")
        # A stop closes them all, and a start opens them again.
        ec2.stop_instances(InstanceIds=[guest.id])
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
        ec2.start_instances(InstanceIds=[guest.id])
        ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
        for name, head in ATTACKS.items():
            read = guest.run(f"head -c {len(head)} {guest.device(volumes[name])} | sha256sum").split()[0]
            assert read == hashlib.sha256(head).hexdigest(), name
            assert guest.disks()[serial(volumes[name])][1] == 2 << 30, name
    finally:
        for id in volumes.values():
            remove(ec2, id)
