"""Encrypted disks in real guests: what a guest writes is in no file of the cloud, no key is anywhere, and a key's end is the disk's."""

import json
import os
import pathlib
import subprocess
import tempfile

import botocore.exceptions
import pytest

from conftest import IMAGES, PILEUS, private_key, running, ssh_group, wait_until
from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba
from test_volumes import SOON, TYPE, ZONE, Guest, serial

MIB = 1 << 20
WORD = "Zwischen-den-Schildern-7391-"
SECOND = "Unter-dem-zweiten-Schild-42-"


@pytest.fixture(scope="module")
def own():
    """A cloud of this module's own: its files are searched."""
    yield from running("--images", IMAGES, "--zones", "local-1a,local-1b")


@pytest.fixture(scope="module")
def ec2(own):
    return own.client()


@pytest.fixture(scope="module")
def kms(own):
    return own.client("kms")


@pytest.fixture(scope="module")
def key_file(ec2, tmp_path_factory):
    return private_key(ec2, "encryption", tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def group(ec2):
    return ssh_group(ec2, "encryption")


def launch(own, ec2, key_file, group, shell, **more):
    ask = dict(ImageId=own.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="encryption", SecurityGroupIds=[group])
    id = ec2.run_instances(**ask, Placement={"AvailabilityZone": ZONE}, **more)["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    return Guest(ec2, key_file, shell, id)


@pytest.fixture(scope="module")
def guest(own, ec2, key_file, group, shell):
    """An instance of which nothing is encrypted by itself."""
    return launch(own, ec2, key_file, group, shell)


def code(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def available(ec2, volume):
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    return volume


def attach(ec2, guest, volume, device):
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device=device)
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], WaiterConfig=SOON)
    wait_until(lambda: serial(volume) in guest.disks(), 60, "the disk in the guest")


def detach(ec2, volume):
    ec2.detach_volume(VolumeId=volume)
    available(ec2, volume)


def completed(ec2, snapshot):
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig=SOON)
    return ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]


def fill(guest, volume, word, mib=4):
    """Writes a word over and over on a disk, down to the disk."""
    device = guest.device(volume)
    guest.run(f"yes {word} | head -c {mib * MIB} | dd of={device} bs=1M conv=notrunc,fsync 2>&1")


def begins(guest, volume, word):
    return guest.run(f"head -c {len(word)} {guest.device(volume)}") == word


def files(folder):
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path


def pieces(path):
    """The bytes of a file in overlapping pieces, holes left out."""
    file = os.open(path, os.O_RDONLY)
    try:
        end, at = os.fstat(file).st_size, 0
        while at < end:
            try:
                at = os.lseek(file, at, os.SEEK_DATA)
            except OSError:
                return
            hole = os.lseek(file, at, os.SEEK_HOLE)
            while at < hole:
                yield os.pread(file, min(8 * MIB + 256, hole - at), at)
                at = min(at + 8 * MIB, hole)
    finally:
        os.close(file)


def unpacked(paths):
    """What frames of zstd among these files hold, all in a row."""
    with tempfile.TemporaryFile() as frames:
        for path in paths:
            bytes = path.read_bytes()
            if bytes.startswith(b"\x28\xb5\x2f\xfd"):
                frames.write(bytes)
        frames.seek(0)
        return subprocess.run(["zstd", "-dcq"], stdin=frames, capture_output=True, check=True).stdout


def where(own, *needles):
    """Files of the cloud that hold one of these, and its log."""
    found = set()
    for path in [*files(own.folder), pathlib.Path(f"{own.folder}.log")]:
        try:
            if any(needle in piece for piece in pieces(path) for needle in needles):
                found.add(str(path))
        except FileNotFoundError:
            continue
    plain = unpacked(path for path in files(own.folder) if "/chunks/" in str(path))
    found.update("/chunks/" for needle in needles if needle in plain)
    return found


def test_a_plain_disk_is_found_by_the_search(own, ec2, guest):
    """The search that finds nothing below does find something."""
    volume = available(ec2, ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"])
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Encrypted"] is False
    attach(ec2, guest, volume, "/dev/sdp")
    fill(guest, volume, "Offen-liegt-es-da-1-")
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    completed(ec2, snapshot)
    found = where(own, b"Offen-liegt-es-da-1-")
    assert any("/volumes/" in path for path in found) and any("/chunks/" in path for path in found), found
    detach(ec2, volume)
    ec2.delete_volume(VolumeId=volume)
    ec2.delete_snapshot(SnapshotId=snapshot)


def test_what_a_guest_writes_is_in_no_file_and_comes_back_from_a_snapshot(own, ec2, kms, guest):
    key = kms.create_key(Description="disks")["KeyMetadata"]
    kms.create_alias(AliasName="alias/disks", TargetKeyId=key["KeyId"])
    made = ec2.create_volume(AvailabilityZone=ZONE, Size=1, Encrypted=True, KmsKeyId="alias/disks")
    assert (made["Encrypted"], made["KmsKeyId"]) == (True, key["Arn"])
    volume = available(ec2, made["VolumeId"])
    attach(ec2, guest, volume, "/dev/sdf")
    fill(guest, volume, WORD)
    taken = ec2.create_snapshot(VolumeId=volume)
    assert taken["Encrypted"] is True
    snapshot = completed(ec2, taken["SnapshotId"])
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, key["Arn"])
    other = kms.create_key()["KeyMetadata"]
    copy = ec2.copy_snapshot(SourceRegion=own.region, SourceSnapshotId=snapshot["SnapshotId"], Encrypted=True, KmsKeyId=other["Arn"])["SnapshotId"]
    assert completed(ec2, copy)["KmsKeyId"] == other["Arn"]
    disks = []
    for source, device in ((snapshot["SnapshotId"], "/dev/sdg"), (copy, "/dev/sdh")):
        disk = available(ec2, ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=source, Size=2)["VolumeId"])
        assert ec2.describe_volumes(VolumeIds=[disk])["Volumes"][0]["Encrypted"] is True
        attach(ec2, guest, disk, device)
        assert begins(guest, disk, WORD)
        disks.append(disk)
    assert where(own, WORD.encode()) == set()
    encrypted = ec2.describe_volumes(Filters=[{"Name": "encrypted", "Values": ["true"]}])["Volumes"]
    assert {volume, *disks} <= {disk["VolumeId"] for disk in encrypted}
    # No process of the cloud is told a key on its command line or in its environment.
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            for name in ("cmdline", "environ"):
                try:
                    text = (entry / name).read_bytes()
                except OSError:
                    continue
                assert b"key-secret" not in text and b"key-vol" not in text, entry
    for disk in [volume, *disks]:
        detach(ec2, disk)
        ec2.delete_volume(VolumeId=disk)


def test_a_plain_snapshot_becomes_an_encrypted_one(own, ec2, guest):
    volume = available(ec2, ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"])
    attach(ec2, guest, volume, "/dev/sdf")
    fill(guest, volume, SECOND)
    plain = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    assert completed(ec2, plain)["Encrypted"] is False
    copy = ec2.copy_snapshot(SourceRegion=own.region, SourceSnapshotId=plain, Encrypted=True)["SnapshotId"]
    assert completed(ec2, copy)["Encrypted"] is True
    # An encrypted disk of a plain snapshot is one too.
    for source, more in ((copy, {}), (plain, {"Encrypted": True})):
        disk = available(ec2, ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=source, **more)["VolumeId"])
        attach(ec2, guest, disk, "/dev/sdg")
        assert begins(guest, disk, SECOND)
        detach(ec2, disk)
        ec2.delete_volume(VolumeId=disk)
    share = dict(Attribute="createVolumePermission", OperationType="add", UserIds=["000000000002"])
    assert code(ec2.modify_snapshot_attribute, SnapshotId=copy, **share) == "InvalidParameterCombination"
    detach(ec2, volume)
    ec2.delete_volume(VolumeId=volume)


def test_switched_on_for_all_a_system_disk_is_encrypted_and_boots(own, ec2, key_file, group, shell):
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
    assert ec2.enable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    try:
        guest = launch(own, ec2, key_file, group, shell)
        word = "Auf-der-Wurzel-geschrieben-5-"
        guest.run(f"yes {word} | head -c {MIB} > /root/word; sync")
        (root,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [guest.id]}])["Volumes"]
        assert root["Encrypted"] is True and root["KmsKeyId"] == ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
        image = ec2.create_image(InstanceId=guest.id, Name="encrypted")["ImageId"]
        ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig=SOON)
        assert where(own, word.encode()) == set()
        assert ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
        # A cloud that was killed has the guest running, and starts it again after a stop.
        own.kill()
        own.start()
        ec2.stop_instances(InstanceIds=[guest.id])
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
        ec2.start_instances(InstanceIds=[guest.id])
        ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
        assert guest.run(f"head -c {len(word)} /root/word") == word
    finally:
        ec2.disable_ebs_encryption_by_default()


def test_a_key_that_is_disabled_holds_a_disk_back_and_one_that_is_erased_destroys_it(own, ec2, kms, guest):
    key = kms.create_key()["KeyMetadata"]
    volume = available(ec2, ec2.create_volume(AvailabilityZone=ZONE, Size=1, Encrypted=True, KmsKeyId=key["KeyId"])["VolumeId"])
    attach(ec2, guest, volume, "/dev/sdf")
    fill(guest, volume, WORD)
    kms.disable_key(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    assert begins(guest, volume, WORD), "a guest that has it keeps it"
    assert code(ec2.create_snapshot, VolumeId=volume) == "InvalidKMSKey.InvalidState"
    detach(ec2, volume)
    attach_to = dict(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdf")
    assert code(ec2.attach_volume, **attach_to) == "InvalidKMSKey.InvalidState"
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.rotate_key_on_demand(KeyId=key["KeyId"])["KeyId"] == key["KeyId"]
    attach(ec2, guest, volume, "/dev/sdf")
    assert begins(guest, volume, WORD)
    detach(ec2, volume)
    asked = kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert asked["KeyState"] == "PendingDeletion"
    assert code(ec2.attach_volume, **attach_to) == "InvalidKMSKey.InvalidState"
    kms.cancel_key_deletion(KeyId=key["KeyId"])
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert key["KeyId"] in own.command("kms-key", "list").stdout
    erase(own, key["KeyId"])
    assert code(kms.describe_key, KeyId=key["KeyId"]) == "NotFoundException"
    assert code(ec2.attach_volume, **attach_to) == "InvalidKMSKey.NotFound"
    assert code(kms.cancel_key_deletion, KeyId=key["KeyId"]) == "NotFoundException"
    ec2.delete_volume(VolumeId=volume)


def test_the_key_of_disks_that_name_none_can_be_chosen(ec2, kms):
    key = kms.create_key()["KeyMetadata"]
    assert ec2.modify_ebs_default_kms_key_id(KmsKeyId=key["KeyId"])["KmsKeyId"] == key["Arn"]
    made = ec2.create_volume(AvailabilityZone=ZONE, Size=1, Encrypted=True)
    assert made["KmsKeyId"] == key["Arn"]
    default = ec2.reset_ebs_default_kms_key_id()["KmsKeyId"]
    assert default == kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"] != key["Arn"]
    assert code(kms.disable_key, KeyId="alias/aws/ebs") == "KMSInvalidStateException"
    ec2.delete_volume(VolumeId=available(ec2, made["VolumeId"]))


def erase(own, key):
    subprocess.run([PILEUS, "kms-key", "--state", own.folder, "erase", key], check=True, capture_output=True)


def test_keys_are_listed_and_their_rules_are_those_of_kms(kms):
    key = kms.create_key(Description="rules", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    assert (key["KeyState"], key["Enabled"], key["KeyManager"], key["KeySpec"]) == ("Enabled", True, "CUSTOMER", "SYMMETRIC_DEFAULT")
    assert key["KeyId"] in {row["KeyId"] for row in kms.list_keys()["Keys"]}
    kms.create_alias(AliasName="alias/rules", TargetKeyId=key["KeyId"])
    assert code(kms.create_alias, AliasName="alias/rules", TargetKeyId=key["KeyId"]) == "AlreadyExistsException"
    assert code(kms.create_alias, AliasName="alias/aws/mine", TargetKeyId=key["KeyId"]) == "InvalidAliasNameException"
    assert kms.describe_key(KeyId="alias/rules")["KeyMetadata"]["Arn"] == key["Arn"]
    (alias,) = kms.list_aliases(KeyId=key["KeyId"])["Aliases"]
    assert (alias["AliasName"], alias["TargetKeyId"]) == ("alias/rules", key["KeyId"])
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=key["KeyId"])
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is True
    assert code(kms.schedule_key_deletion, KeyId=key["KeyId"], PendingWindowInDays=3) == "ValidationException"
    kms.disable_key_rotation(KeyId=key["KeyId"])
    kms.update_key_description(KeyId=key["KeyId"], Description="other rules")
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Description"] == "other rules"
    kms.delete_alias(AliasName="alias/rules")
    assert code(kms.describe_key, KeyId="alias/rules") == "NotFoundException"
    assert code(kms.describe_key, KeyId="00000000-0000-0000-0000-000000000000") == "NotFoundException"


def test_disks_are_encrypted_through_the_sdks_of_alibaba_and_tencent_cloud(own, ec2, kms, guest):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    ecs, tencent = Alibaba(own, "", own.access_key, own.secret_key), Tencent(own, "", own.access_key, own.secret_key)
    first = ecs.call("CreateDisk", ZoneId=ZONE, Size=20, DiskCategory="cloud_ssd", Encrypted=True, KMSKeyId=key)["DiskId"]
    made = tencent.call(
        "CreateDisks", Placement={"Zone": ZONE}, DiskType="CLOUD_SSD", DiskSize=20, DiskChargeType="POSTPAID_BY_HOUR", Encrypt="ENCRYPT", KmsKeyId=key
    )
    [second] = made["DiskIdSet"]
    volumes = [first, "vol-" + second.removeprefix("disk-")]
    for volume, device in zip(volumes, ("/dev/sdi", "/dev/sdj")):
        available(ec2, volume)
        attach(ec2, guest, volume, device)
        fill(guest, volume, "Durch-andere-Worte-verlangt-8-")
        assert begins(guest, volume, "Durch-andere-Worte-verlangt-8-")
    [disk] = ecs.call("DescribeDisks", DiskIds=json.dumps([first]), Encrypted=True)["Disks"]["Disk"]
    assert (disk["Encrypted"], disk["KMSKeyId"]) == (True, key)
    [disk] = tencent.call("DescribeDisks", DiskIds=[second])["DiskSet"]
    assert (disk["Encrypt"], disk["KmsKeyId"]) == (True, key)
    taken = ecs.call("CreateSnapshot", DiskId=first)["SnapshotId"]
    completed(ec2, taken)
    [snapshot] = ecs.call("DescribeSnapshots", SnapshotIds=json.dumps([taken]))["Snapshots"]["Snapshot"]
    assert (snapshot["Encrypted"], snapshot["KMSKeyId"]) == (True, key)
    assert where(own, b"Durch-andere-Worte-verlangt-8-") == set()
    for volume in volumes:
        detach(ec2, volume)
    kms.disable_key(KeyId=key)
    assert ecs.refused("AttachDisk", DiskId=first, InstanceId=guest.id) == "OperationDenied"
    assert tencent.refused("AttachDisks", InstanceId="ins-" + guest.id.removeprefix("i-"), DiskIds=[second]) == "UnsupportedOperation.InvalidState"
    for volume in volumes:
        ec2.delete_volume(VolumeId=volume)


def test_a_system_disk_is_encrypted_by_a_launch_through_tencent_clouds_sdk(own, ec2, kms, key_file, group, shell):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    tencent = Tencent(own, "", own.access_key, own.secret_key)
    [login] = tencent.call("DescribeKeyPairs", Filters=[{"Name": "key-name", "Values": ["encryption"]}])["KeyPairSet"]
    public = {"InternetMaxBandwidthOut": 100, "PublicIpAssigned": True}
    more = {"InternetAccessible": public, "LoginSettings": {"KeyIds": [login["KeyId"]]}, "SecurityGroupIds": [group]}
    [id] = tencent.run(Placement={"Zone": ZONE}, SystemDisk={"DiskSize": 20, "Encrypt": True, "KmsKeyId": key}, **more)
    tencent.wait([id], "RUNNING", 120)
    disk = tencent.instance(id)["SystemDisk"]
    assert (disk["Encrypt"], disk["KmsKeyId"]) == (True, key)
    guest = Guest(ec2, key_file, shell, "i-" + id.removeprefix("ins-"))
    word = "Vom-ersten-Byte-an-6-"
    guest.run(f"yes {word} | head -c {MIB} > /root/word; sync")
    assert guest.run(f"head -c {len(word)} /root/word") == word
    assert where(own, word.encode()) == set()
    # Without its key the guest cannot be started again.
    tencent.call("StopInstances", InstanceIds=[id], StopType="HARD")
    tencent.wait([id], "STOPPED")
    kms.disable_key(KeyId=key)
    assert tencent.refused("StartInstances", InstanceIds=[id]) == "UnsupportedOperation.InvalidState"
    kms.enable_key(KeyId=key)
    tencent.call("StartInstances", InstanceIds=[id])
    tencent.wait([id], "RUNNING", 120)
    assert guest.run(f"head -c {len(word)} /root/word") == word
    tencent.call("TerminateInstances", InstanceIds=[id])
