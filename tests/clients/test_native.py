"""The native API with a client of a few lines: botocore's signer and plain HTTP, and curl. Every reply is held to the document that the
cloud tells of itself."""

import copy
import json
import subprocess
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import jsonschema
import openapi_spec_validator
import pytest
import requests

TYPE = "t2.nano"


class Native:
    """A client. It checks each reply against the document."""

    def __init__(self, cloud, key=None, secret=None, token=None, service="pileus"):
        self.cloud = cloud
        self.document = requests.get(f"{cloud.endpoint}/v1/openapi.json", timeout=30).json()
        self.components = {"components": closed(self.document["components"])}
        credentials = botocore.credentials.Credentials(key or cloud.access_key, secret or cloud.secret_key, token)
        self.signer = botocore.auth.SigV4Auth(credentials, service, cloud.region)

    def send(self, method, path, body=None, headers=(), **query):
        """Status, headers and JSON of an answer."""
        data = None if body is None else json.dumps(body)
        given = {"content-type": "application/json", **dict(headers)}
        request = botocore.awsrequest.AWSRequest(method, self.cloud.endpoint + path, headers=given, data=data, params=query)
        self.signer.add_auth(request)
        prepared = request.prepare()
        answer = requests.request(method, prepared.url, headers=dict(prepared.headers), data=prepared.body, timeout=60)
        shown = answer.json() if answer.text else None
        self.check(method, path, answer, shown)
        return answer.status_code, answer.headers, shown

    def check(self, method, path, answer, shown):
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            assert shown["status"] == answer.status_code and shown["request_id"] == answer.headers["x-amzn-requestid"]
            return self.validate({"$ref": "#/components/schemas/Problem"}, shown)
        words = path.split("/")
        for known, operations in self.document["paths"].items():
            pattern = known.split("/")
            if len(pattern) == len(words) and all(one in ("{id}", other) for one, other in zip(pattern, words)):
                described = operations[method.lower()]["responses"][str(answer.status_code)]
                if shown is None:
                    assert "content" not in described
                else:
                    self.validate(described["content"]["application/json"]["schema"], shown)
                return None
        raise AssertionError(f"{path} is not in the document")

    def validate(self, schema, shown):
        validator = jsonschema.Draft202012Validator(schema | self.components, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        validator.validate(shown)

    def ok(self, method, path, body=None, headers=(), **query):
        status, _, shown = self.send(method, path, body, headers, **query)
        assert 200 <= status < 300, (method, path, body, query, status, shown)
        return shown

    def refused(self, status, code, method, path, body=None, headers=(), **query):
        found, _, problem = self.send(method, path, body, headers, **query)
        assert (found, problem["code"]) == (status, code), problem
        return problem["detail"]

    def image(self, name="pileus-linux"):
        return self.ok("GET", "/v1/images", name=name)["items"][0]["id"]


def closed(schema):
    """The schemas with every object held to the members that it describes."""
    schema = copy.deepcopy(schema)

    def close(value, is_part=False):
        if isinstance(value, list):
            for item in value:
                close(item, is_part)
        elif isinstance(value, dict):
            if isinstance(value.get("properties"), dict) and not is_part:
                value.setdefault("unevaluatedProperties", False)
            for name, item in value.items():
                # Alternatives beside members of its own are parts of one object.
                close(item, is_part=name in ("oneOf", "anyOf", "allOf") and "properties" in value)

    close(schema)
    return schema


@pytest.fixture(scope="module")
def native(cloud):
    return Native(cloud)


def test_the_document_is_openapi(native):
    openapi_spec_validator.validate(native.document)
    assert native.document["openapi"].startswith("3.1.")


def test_a_real_guest_lives_and_goes(native, until):
    image = native.image()
    body = {"image": image, "type": TYPE, "name": "native", "tags": {"of": "test_native"}, "user_data": "IyEvYmluL3NoCg=="}
    key = {"idempotency-key": str(uuid.uuid4())}
    made = native.ok("POST", "/v1/instances", body, key)["instances"]
    assert [one["state"] for one in made] == ["launching"]
    path = f"/v1/instances/{made[0]['id']}"
    again = native.ok("POST", "/v1/instances", body, key)["instances"]
    assert [one["id"] for one in again] == [made[0]["id"]]

    def in_state(state):
        return until(lambda: native.ok("GET", path)["state"] == state, within=120, what=state)

    in_state("running")
    shown = native.ok("GET", path)
    assert (shown["name"], shown["image"], shown["type"]) == ("native", image, TYPE)
    assert [disk["state"] for disk in shown["volumes"]] == ["attached"]
    listed = native.ok("GET", "/v1/instances", state="running", tag="of=test_native")["items"]
    assert [one["id"] for one in listed] == [shown["id"]]

    # What another dialect says of it is the same.
    ec2 = native.cloud.client()
    found = ec2.describe_instances(InstanceIds=[shown["id"]])["Reservations"][0]["Instances"][0]
    assert (found["PrivateIpAddress"], found["State"]["Name"]) == (shown["private_ip"], "running")
    assert found.get("PublicIpAddress") == shown.get("public_ip")

    native.ok("PATCH", path, {"name": "renamed", "termination_protection": True})
    assert native.ok("GET", path)["name"] == "renamed"
    native.refused(409, "protected", "DELETE", path)
    native.ok("PATCH", path, {"termination_protection": False})
    assert native.ok("POST", f"{path}/reboot", {"force": True})["state"] == "running"
    assert native.ok("POST", f"{path}/stop", {"force": True})["before"] == "running"
    in_state("stopped")
    native.ok("PATCH", path, {"type": "t2.micro"})
    assert native.ok("POST", f"{path}/start")["before"] == "stopped"
    in_state("running")
    assert native.ok("GET", path)["type"] == "t2.micro"
    assert native.ok("DELETE", path)["before"] == "running"
    in_state("terminated")


def test_lists_are_cut_into_pages(simulated):
    native = Native(simulated)
    body = {"image": native.image(), "type": TYPE, "count": 7, "tags": {"page": "yes"}}
    made = [one["id"] for one in native.ok("POST", "/v1/instances", body)["instances"]]
    seen, after = [], {}
    while True:
        page = native.ok("GET", "/v1/instances", tag="page=yes", limit="3", **after)
        seen += [one["id"] for one in page["items"]]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert seen == made
    native.refused(400, "invalid_parameter", "GET", "/v1/instances", tag="page=no", **after)
    for one in made:
        native.ok("DELETE", f"/v1/instances/{one}")


def test_what_a_launch_needs_is_there(native):
    subnet = native.ok("GET", "/v1/subnets", zone="local-1a")["items"][0]
    groups = native.ok("GET", "/v1/security-groups", vpc=subnet["vpc"], name="default")["items"]
    assert groups[0]["rules"]
    types = native.ok("GET", "/v1/instance-types", name=TYPE)["items"]
    assert [one["name"] for one in types] == [TYPE]
    assert [one["name"] for one in native.ok("GET", "/v1/zones")["items"]] == ["local-1a", "local-1b"]
    made = native.cloud.client().create_key_pair(KeyName="native", KeyType="ed25519")
    listed = native.ok("GET", "/v1/key-pairs", name="native")["items"]
    assert [one["id"] for one in listed] == [made["KeyPairId"]]
    native.cloud.client().delete_key_pair(KeyName="native")
    body = {"image": native.image(), "type": TYPE, "subnet": subnet["id"], "security_groups": [groups[0]["id"]]}
    assert native.send("POST", "/v1/instances", body, dry_run="true")[0] == 204


def test_refusals_are_problems(native, cloud):
    image = native.image()
    native.refused(404, "not_found", "GET", "/v1/instances/i-00000000000000001")
    native.refused(400, "malformed_id", "GET", "/v1/instances/x")
    assert "colour" in native.refused(400, "invalid_member", "POST", "/v1/instances", {"image": image, "type": TYPE, "colour": "red"})
    assert "type" in native.refused(400, "invalid_member", "POST", "/v1/instances", {"image": image, "type": 3})
    native.refused(400, "unknown_parameter", "GET", "/v1/instances", colour="red")
    native.refused(404, "no_such_path", "GET", "/v1/nothing")
    status, headers, problem = native.send("PUT", "/v1/instances", {})
    assert (status, headers["allow"], problem["code"]) == (405, "POST, GET", "method_not_allowed")

    Native(cloud, key="AKIANOBODY").refused(401, "unknown_access_key", "GET", "/v1/instances")
    Native(cloud, secret="wrong").refused(401, "signature_mismatch", "GET", "/v1/instances")
    Native(cloud, token="none").refused(401, "invalid_session_token", "GET", "/v1/instances")
    unsigned = requests.get(f"{cloud.endpoint}/v1/instances", timeout=30)
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "unsigned")
    assert unsigned.headers["www-authenticate"] == "AWS4-HMAC-SHA256"
    # The signature says whose words a call is in, not the path.
    request = botocore.awsrequest.AWSRequest("GET", f"{cloud.endpoint}/v1/instances")
    Native(cloud, service="ec2").signer.add_auth(request)
    answer = requests.get(request.url, headers=dict(request.headers), timeout=30)
    assert "<Code>MissingAction</Code>" in answer.text


def test_a_key_for_repeats_is_signed(native, cloud):
    """Whoever stands between cannot make two calls into one."""
    request = botocore.awsrequest.AWSRequest("DELETE", f"{cloud.endpoint}/v1/instances/i-00000000000000001")
    native.signer.add_auth(request)
    headers = dict(request.headers) | {"idempotency-key": "another"}
    answer = requests.delete(request.url, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (401, "malformed_signature"), answer.text


def test_temporary_keys_and_policies_hold(native, cloud):
    iam = cloud.client("iam")
    iam.create_user(UserName="native")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}]}
    iam.put_user_policy(UserName="native", PolicyName="looks", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName="native")["AccessKey"]
    reader = Native(cloud, made["AccessKeyId"], made["SecretAccessKey"])
    assert reader.ok("GET", "/v1/images")["items"]
    reader.refused(403, "unauthorized", "POST", "/v1/instances", {"image": native.image(), "type": TYPE})
    sts = cloud.client("sts", made["AccessKeyId"], made["SecretAccessKey"])
    session = sts.get_session_token()["Credentials"]
    temporary = Native(cloud, session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    assert temporary.ok("GET", "/v1/zones")["items"]
    iam.delete_access_key(UserName="native", AccessKeyId=made["AccessKeyId"])
    reader.refused(401, "unknown_access_key", "GET", "/v1/images")
    iam.delete_user_policy(UserName="native", PolicyName="looks")
    iam.delete_user(UserName="native")


def test_curl_is_a_client(native, cloud):
    def curl(method, path, *more):
        line = ["curl", "--silent", "--show-error", "--request", method, "--user", f"{cloud.access_key}:{cloud.secret_key}"]
        line += ["--aws-sigv4", f"aws:amz:{cloud.region}:pileus", *more, cloud.endpoint + path]
        done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(done.stdout)

    image = curl("GET", "/v1/images?name=pileus-linux")["items"][0]["id"]
    assert image == native.image()
    body = json.dumps({"image": image, "type": TYPE, "name": "by curl"})
    headers = ["--header", "content-type: application/json", "--header", f"idempotency-key: {uuid.uuid4()}"]
    made = curl("POST", "/v1/instances", *headers, "--data", body)
    native.validate({"$ref": "#/components/schemas/Launched"}, made)
    assert curl("DELETE", f"/v1/instances/{made['instances'][0]['id']}")["state"] == "terminating"
