"""Images that tenants bring from files of foreign formats and take out into them, through the three clouds' own clients."""

import hashlib
import os
import random
import subprocess

import botocore.exceptions
import pytest

from conftest import IMAGES, private_key, running, ssh_group, wait_until
from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba
from test_snapshot_blocks import FLAT, qcow2
from test_volumes import SOON, TYPE, ZONE, Guest

MIB = 1 << 20
BUCKET = "disks"
# What qemu-img is told, by how the file is called here. A VHD of it has whole cylinders unless it is told otherwise.
MADE = {
    "monolithic.vmdk": ["-O", "vmdk"],
    "stream.vmdk": ["-O", "vmdk", "-o", "subformat=streamOptimized"],
    "dynamic.vhd": ["-O", "vpc"],
    "fixed.vhd": ["-O", "vpc", "-o", "subformat=fixed,force_size=on"],
    "disk.vhdx": ["-O", "vhdx"],
    "packed.qcow2": ["-O", "qcow2", "-c"],
}


def convert(source, target, *arguments, format="raw"):
    subprocess.run(["qemu-img", "convert", "-q", "-f", format, *arguments, source, target], check=True)


def digest(path, size=None):
    """SHA-256 of a file's bytes, or of the first of them."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read(size)).hexdigest()


class Importer:
    """An account with a bucket, and what EC2 says of its tasks."""

    def __init__(self, cloud, key, secret, account):
        self.cloud, self.account = cloud, account
        self.ec2, self.ebs = cloud.client(key=key, secret=secret), cloud.client("ebs", key=key, secret=secret)
        self.folder = cloud.buckets / account / BUCKET
        self.folder.mkdir(parents=True, exist_ok=True)

    def put(self, key, content):
        """Lays an object into the bucket; its path."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def begin(self, key, format=None, **more):
        disk = {"Format": (format or key.rsplit(".")[-1]).upper(), "UserBucket": {"S3Bucket": BUCKET, "S3Key": key}}
        return self.ec2.import_image(DiskContainers=[disk], **more)["ImportTaskId"]

    def task(self, id):
        return self.ec2.describe_import_image_tasks(ImportTaskIds=[id])["ImportImageTasks"][0]

    def ended(self, id, within=180):
        return wait_until(lambda: (task := self.task(id))["Status"] != "active" and task, within, f"the end of {id}")

    def bring(self, key, format=None, **more):
        """Imports an object to its end; the image."""
        task = self.ended(self.begin(key, format, **more))
        assert task["Status"] == "completed", task
        return task["ImageId"]

    def refused(self, key, format=None):
        """Why an import fails."""
        task = self.ended(self.begin(key, format))
        assert task["Status"] == "deleted" and "ImageId" not in task, task
        return task["StatusMessage"]

    def export(self, image, format, prefix=""):
        location = {"S3Bucket": BUCKET, "S3Prefix": prefix}
        return self.ec2.export_image(ImageId=image, DiskImageFormat=format, S3ExportLocation=location)["ExportImageTaskId"]

    def exported(self, id, within=180):
        def task():
            shown = self.ec2.describe_export_image_tasks(ExportImageTaskIds=[id])["ExportImageTasks"][0]
            return shown["Status"] != "active" and shown

        return wait_until(task, within, f"the end of {id}")

    def take(self, image, format, prefix=""):
        """Exports an image to its end; the file."""
        id = self.export(image, format, prefix)
        task = self.exported(id)
        assert task["Status"] == "completed", task
        return self.folder / f"{prefix}{id}.{format.lower()}"

    def snapshot(self, image):
        shown = self.ec2.describe_images(ImageIds=[image])["Images"][0]
        return shown["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]

    def differ(self, one, other):
        """Whether the disks of two images differ in any block."""
        first, second = self.snapshot(one), self.snapshot(other)
        return self.ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)["ChangedBlocks"]


@pytest.fixture(scope="module")
def importer(simulated):
    return Importer(simulated, *simulated.account("importer"))


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A raw disk with noise, a long hole, text, and something at its very end."""
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    noise = random.Random(5)
    with open(path, "wb") as file:
        file.write(noise.randbytes(3 * MIB))
        file.seek(70 * MIB)
        file.write(b"a line of text\n" * 100_000)
        file.seek(128 * MIB - 512)
        file.write(noise.randbytes(512))
    return path


def test_a_disk_is_the_same_in_every_format_and_comes_out_as_it_went_in(importer, disk):
    importer.put("folder/disk.raw", disk.read_bytes())
    tags = [{"ResourceType": kind, "Tags": [{"Key": "of", "Value": kind}]} for kind in ("import-image-task", "image")]
    begun = importer.begin("folder/disk.raw", Description="brought", TagSpecifications=tags, ClientToken="one")
    assert importer.begin("folder/disk.raw", Description="brought", TagSpecifications=tags, ClientToken="one") == begun
    task = importer.ended(begun)
    assert (task["Status"], task["Description"], task["Tags"]) == ("completed", "brought", tags[0]["Tags"])
    detail = task["SnapshotDetails"][0]
    assert (detail["DiskImageSize"], detail["Format"], detail["UserBucket"]) == (128 * MIB, "RAW", {"S3Bucket": BUCKET, "S3Key": "folder/disk.raw"})
    raw = task["ImageId"]
    shown = importer.ec2.describe_images(ImageIds=[raw])["Images"][0]
    assert (shown["State"], shown["Description"], shown["Tags"]) == ("available", "brought", tags[1]["Tags"])
    assert detail["SnapshotId"] == importer.snapshot(raw)
    for name, arguments in MADE.items():
        convert(disk, importer.folder / name, *arguments)
        assert importer.differ(raw, importer.bring(name)) == [], name
    for format, qemu in {"RAW": "raw", "VMDK": "vmdk", "VHD": "vpc"}.items():
        path = importer.take(raw, format, prefix="out/of/")
        assert subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", qemu, disk, path]).returncode == 0, format
        again = importer.bring(str(path.relative_to(importer.folder)), format)
        # To the byte, also where a format is padded: what comes back is written again as what went out.
        assert digest(importer.take(again, "RAW")) == digest(disk), format
    # The same image gives the same file.
    assert digest(importer.take(raw, "VMDK")) == digest(importer.take(raw, "VMDK"))


def test_a_snapshot_is_brought_and_becomes_a_volume(importer, disk):
    importer.put("data.raw", disk.read_bytes())
    container = {"Format": "RAW", "Url": f"s3://{BUCKET}/data.raw"}
    id = importer.ec2.import_snapshot(DiskContainer=container, Description="data")["ImportTaskId"]

    def ended():
        task = importer.ec2.describe_import_snapshot_tasks(ImportTaskIds=[id])["ImportSnapshotTasks"][0]["SnapshotTaskDetail"]
        return task["Status"] != "active" and task

    task = wait_until(ended, 120, "the end of the import")
    assert task["Status"] == "completed", task
    shown = importer.ec2.describe_snapshots(SnapshotIds=[task["SnapshotId"]])["Snapshots"][0]
    assert (shown["State"], shown["VolumeSize"], shown["Description"]) == ("completed", 1, "data")
    volume = importer.ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=task["SnapshotId"])["VolumeId"]
    importer.ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    importer.ec2.delete_volume(VolumeId=volume)


def vmdk_of(path, extent):
    """A sparse VMDK whose descriptor names another extent."""
    bytes = path.read_bytes()
    at = bytes.index(b"RW ")
    end = bytes.index(b"\n", at)
    line = extent.encode().ljust(end - at, b" ")
    assert len(line) == end - at
    return bytes[:at] + line + bytes[end:]


def test_files_that_lead_elsewhere_or_lie_are_refused_with_a_reason(simulated, importer, disk, tmp_path):
    good = tmp_path / "good.qcow2"
    convert(disk, good, "-O", "qcow2")
    sparse = tmp_path / "good.vmdk"
    convert(disk, sparse, "-O", "vmdk")
    attacks = {
        "CVE-2024-32498: a qcow2 with an external data file": ("qcow2", qcow2(incompatible=4, data_file=b"/etc/passwd"), "another file"),
        "CVE-2024-4467: a json: name as a data file": ("qcow2", qcow2(incompatible=4, data_file=b'json:{"driver":"file","filename":"/etc/passwd"}'), "another file"),
        "CVE-2015-5163: a qcow2 with a backing file": ("qcow2", qcow2(backing=b"/etc/passwd"), "backing file"),
        "CVE-2022-47951: a vmdk descriptor of a flat file": ("vmdk", FLAT, "another file"),
        "CVE-2022-47951: a sparse vmdk with the path of an extent elsewhere": ("vmdk", vmdk_of(sparse, 'RW 1 FLAT "/etc/passwd" 0'), "another file"),
        "CVE-2026-24708: a qcow2 head said to be raw": ("raw", qcow2(backing=b"/etc/shadow"), "declared as raw, but the bytes are qcow2"),
        "CVE-2024-40767: a vmdk said to be raw": ("raw", FLAT, "declared as raw, but the bytes are vmdk"),
        "a raw disk said to be a vhd": ("vhd", disk.read_bytes()[:MIB], "declared as vhd, but the bytes are raw"),
        "a file that is cut off": ("qcow2", good.read_bytes()[:3 * MIB], "beyond the file's end"),
        "a disk of absurd size": ("qcow2", qcow2(size=1 << 60), "too large"),
        "nothing": ("raw", b"", "a disk of no bytes"),
    }
    for name, (format, content, reason) in attacks.items():
        importer.put("attack", content)
        assert reason in importer.refused("attack", format), name
    # What lies in the bucket is no file of its own.
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"secret" * 1_000)
    id, key, account = simulated.account("neighbour")
    neighbour = Importer(simulated, id, key, account)
    neighbour.put("theirs.raw", disk.read_bytes())
    (importer.folder / "link.raw").symlink_to(secret)
    (importer.folder / "theirs.raw").symlink_to(neighbour.folder / "theirs.raw")
    (importer.folder / "away").symlink_to(neighbour.folder)
    os.mkfifo(importer.folder / "pipe.raw")
    for object, reason in {
        "link.raw": "symbolic link",
        "theirs.raw": "symbolic link",
        "away/theirs.raw": "symbolic link",
        "pipe.raw": "a pipe",
        "folder": "a folder",
        "absent.raw": "there is no object",
    }.items():
        (importer.folder / "folder").mkdir(exist_ok=True)
        assert reason in importer.refused(object, "RAW"), object
    # Another account's bucket is none.
    (neighbour.folder.parent / "private").mkdir()
    (neighbour.folder.parent / "private" / "theirs.raw").write_bytes(b"theirs" * 100)
    disk_of = lambda bucket, key: [{"Format": "RAW", "UserBucket": {"S3Bucket": bucket, "S3Key": key}}]
    task = importer.ended(importer.ec2.import_image(DiskContainers=disk_of("private", "theirs.raw"))["ImportTaskId"])
    assert "there is no bucket private" in task["StatusMessage"]
    # Names that lead elsewhere are refused at once.
    for bucket, key in [(BUCKET, "../x"), (BUCKET, f"a/../../../{account}/{BUCKET}/theirs.raw"), (BUCKET, "/etc/passwd"), ("..", "x"), (f"../{account}/{BUCKET}", "theirs.raw")]:
        with pytest.raises(botocore.exceptions.ClientError) as error:
            importer.ec2.import_image(DiskContainers=disk_of(bucket, key))
        assert error.value.response["Error"]["Code"] == "InvalidParameterValue", (bucket, key)
    for url in ("https://example.com/disk.raw", "file:///etc/passwd", "http://169.254.169.254/latest/meta-data"):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            importer.ec2.import_image(DiskContainers=[{"Format": "RAW", "Url": url}])
        assert error.value.response["Error"]["Code"] == "UnsupportedOperation", url
    # Nothing of all that became an image or a snapshot.
    images = importer.ec2.describe_images(Owners=["self"], Filters=[{"Name": "state", "Values": ["failed"]}])["Images"]
    assert len(images) >= len(attacks) and all(not importer.ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": [image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]]}])["Snapshots"] for image in images)
    # Tasks and images of one account are none of another's.
    assert neighbour.ec2.describe_import_image_tasks()["ImportImageTasks"] == []
    with pytest.raises(botocore.exceptions.ClientError) as error:
        neighbour.ec2.cancel_import_task(ImportTaskId=task["ImportTaskId"])
    assert error.value.response["Error"]["Code"] == "InvalidConversionTaskId"


def is_far(task):
    """Whether a task is well under way, or over on a machine that is fast."""
    return task["Status"] != "active" or int(task.get("Progress", 0)) > 5


def test_tasks_survive_a_killed_pileus_and_can_be_cancelled(tmp_path):
    clouds = running("--images", IMAGES, "--simulate", "1")
    cloud = next(clouds)
    try:
        importer = Importer(cloud, *cloud.account("survivor"))
        noise = random.Random(7)
        with open(importer.folder / "big.raw", "wb") as file:
            for _ in range(20):
                file.write(noise.randbytes(20 * MIB))
        begun = importer.begin("big.raw")
        wait_until(lambda: is_far(importer.task(begun)), 60, "some progress")
        cloud.kill()
        cloud.start()
        image = importer.ended(begun)["ImageId"]
        export = importer.export(image, "RAW")
        shown = lambda: importer.ec2.describe_export_image_tasks(ExportImageTaskIds=[export])["ExportImageTasks"][0]
        wait_until(lambda: is_far(shown()), 60, "some progress")
        cloud.kill()
        # It has no name yet, or it is whole.
        whole = digest(importer.folder / "big.raw")
        assert {digest(path) for path in importer.folder.iterdir()} == {whole}, "half of an object"
        cloud.start()
        assert importer.exported(export)["Status"] == "completed"
        assert digest(importer.folder / f"{export}.raw") == digest(importer.folder / "big.raw")
        # The next one is not wanted any more before it is whole. Other bytes, so that they take their time; nobody waits for them.
        with open(importer.folder / "other.raw", "wb") as file:
            for _ in range(20):
                file.write(noise.randbytes(20 * MIB))
        cancelled = importer.begin("other.raw")
        assert importer.ec2.cancel_import_task(ImportTaskId=cancelled, CancelReason="enough")["State"] == "deleting"
        task = importer.task(cancelled)
        assert (task["Status"], task["StatusMessage"]) == ("deleted", "enough")
        assert len(importer.ec2.describe_images(Owners=["self"])["Images"]) == 1
        # Its place is free again at once.
        importer.put("small.raw", b"x" * MIB)
        importer.bring("small.raw")
        stopped = importer.export(image, "VMDK")
        importer.ec2.cancel_export_task(ExportTaskId=stopped)
        assert importer.exported(stopped)["Status"] == "deleted"
        importer.take(image, "RAW", prefix="later/")
        assert not (importer.folder / f"{stopped}.vmdk").exists()
    finally:
        clouds.close()


def test_alibabas_sdk_brings_and_takes_images(simulated, disk):
    tenant = Alibaba(simulated, "importer-of-alibaba")
    folder = simulated.buckets / tenant.account / BUCKET
    folder.mkdir(parents=True)
    convert(disk, folder / "disk.qcow2", "-O", "qcow2")
    convert(disk, folder / "disk.vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized")
    (folder / "disk.raw").write_bytes(disk.read_bytes())

    def begin(name, format, **more):
        mapping = {"DiskDeviceMapping__1__OSSBucket": BUCKET, "DiskDeviceMapping__1__OSSObject": name, "DiskDeviceMapping__1__Format": format}
        return tenant.call("ImportImage", ImageName=f"of-{name}-{format}", Platform="Debian", OSType="linux", Architecture="x86_64", **mapping, **more)

    def ended(task):
        def look():
            shown = tenant.call("DescribeTasks", TaskIds=task)["TaskSet"]["Task"][0]
            return shown["TaskStatus"] != "Processing" and shown["TaskStatus"]

        return wait_until(look, 120, "the end of the task")

    def shown(image):
        return tenant.call("DescribeImages", ImageId=image, Status="Creating,Available,CreateFailed")["Images"]["Image"][0]

    for name in ("disk.raw", "disk.qcow2", "disk.vmdk"):
        begun = begin(name, name.split(".")[1].upper())
        assert shown(begun["ImageId"])["Status"] in ("Creating", "Available")
        assert ended(begun["TaskId"]) == "Finished"
        image = shown(begun["ImageId"])
        assert (image["Status"], image["Progress"], image["Size"], image["Platform"]) == ("Available", "100%", 1, "Debian")
        export = tenant.call("ExportImage", ImageId=begun["ImageId"], OSSBucket=BUCKET, OSSPrefix="out", ImageFormat="raw")["TaskId"]
        assert ended(export) == "Finished"
        told = tenant.call("DescribeTaskAttribute", TaskId=export)["OperationProgressSet"]["OperationProgress"][0]["RelatedItemSet"]["RelatedItem"]
        object = next(item["Value"] for item in told if item["Name"] == "OSSObject")
        assert digest(folder / object) == digest(disk), name
    wrong = begin("disk.vmdk", "VHD")
    assert ended(wrong["TaskId"]) == "Failed"
    told = tenant.call("DescribeTaskAttribute", TaskId=wrong["TaskId"])["OperationProgressSet"]["OperationProgress"][0]
    assert "declared as vhd, but the bytes are vmdk" in told["ErrorMsg"]
    assert shown(wrong["ImageId"])["Status"] == "CreateFailed"
    assert tenant.refused("CancelTask", TaskId=wrong["TaskId"]) == "OperationDenied"


def test_tencents_sdk_brings_and_takes_images(simulated, disk):
    tenant = Tencent(simulated, "importer-of-tencent")
    bucket = "disks-1250000000"
    folder = simulated.buckets / tenant.account / bucket
    folder.mkdir(parents=True)
    convert(disk, folder / "disk.qcow2", "-O", "qcow2")
    convert(disk, folder / "disk.vmdk", "-O", "vmdk")
    (folder / "disk.raw").write_bytes(disk.read_bytes())
    convert(disk, folder / "wrong.vhd", "-O", "vmdk")

    def begin(name):
        url = f"https://{bucket}.cos.{simulated.region}.myqcloud.com/{name}"
        words = dict(Architecture="x86_64", OsType="Debian", OsVersion="12", ImageName=f"of-{name}")
        return tenant.call("ImportImage", ImageUrl=url, **words)["ImageId"]

    def state(image):
        return tenant.call("DescribeImages", ImageIds=[image])["ImageSet"][0]["ImageState"]

    for name in ("disk.raw", "disk.qcow2", "disk.vmdk"):
        image = begin(name)
        assert wait_until(lambda: (found := state(image)) != "IMPORTING" and found, 120, "the image") == "NORMAL"
        done = tenant.call("ExportImages", BucketName=bucket, ImageIds=[image], ExportFormat="RAW", FileNamePrefixList=["out"])
        path = folder / done["CosPaths"][0]
        wait_until(path.exists, 120, "the object")
        assert digest(path) == digest(disk), name
    wrong = begin("wrong.vhd")
    assert wait_until(lambda: (found := state(wrong)) != "IMPORTING" and found, 120, "the end") == "IMPORTFAILED"
    assert tenant.refused("ImportImage", ImageUrl="https://example.com/a.raw", Architecture="x86_64", OsType="Debian", OsVersion="12", ImageName="n").startswith("InvalidParameterValue")


def test_an_image_that_went_out_comes_back_and_starts(cloud, ec2, shell, tmp_path):
    number = cloud.client("sts").get_caller_identity()["Account"]
    importer = Importer(cloud, cloud.access_key, cloud.secret_key, number)
    key = private_key(ec2, "image-files", tmp_path)
    group = ssh_group(ec2, "image-files")
    images, ids = [], []
    try:
        images.append(ec2.copy_image(Name="own", SourceImageId=cloud.image(), SourceRegion=cloud.region)["ImageId"])
        raw = importer.take(images[0], "RAW")
        for name, arguments in MADE.items():
            convert(raw, importer.folder / name, *arguments)
            images.append(importer.bring(name))
            assert importer.differ(images[1], images[-1]) == [], name
        images.append(importer.bring(importer.take(images[1], "VMDK").name, "VMDK"))
        assert importer.differ(images[1], images[-1]) == []
        assert digest(importer.take(images[-1], "RAW")) == digest(raw)
        launch = dict(InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="image-files", SecurityGroupIds=[group])
        ids.append(ec2.run_instances(ImageId=images[-1], Placement={"AvailabilityZone": ZONE}, **launch)["Instances"][0]["InstanceId"])
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        guest = Guest(ec2, key, shell, ids[0])
        assert guest.run("cat /proc/sys/kernel/ostype") == "Linux\n"
        assert "root=LABEL" in guest.run("cat /proc/cmdline"), "started by the disk's own boot loader"
    finally:
        if ids:
            ec2.terminate_instances(InstanceIds=ids)
            ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
        for image in images:
            ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
        ec2.delete_security_group(GroupId=group)
        ec2.delete_key_pair(KeyName="image-files")
