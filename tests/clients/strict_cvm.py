"""Checks replies of the CVM dialect against the vendor's own models, more strictly than its SDK does.

The SDK warns of a member that it does not know and takes absence for null. The models that come with tccli know more: which members a
reply must have, which of them may be null, and what each is. Here every difference is an error.
"""

import json
import re
import sys
from functools import cache
from pathlib import Path

import tccli
import tencentcloud

ROOT = Path(__file__).parents[2]
VERSIONS = {"cvm": "20170312", "vpc": "20170312", "cbs": "20170312", "sts": "20180813", "tag": "20180813", "cloudaudit": "20190319", "cam": "20190116"}
KINDS = {"string": str, "int": int, "uint64": int, "bool": bool, "float": (int, float), "list": list, "object": dict}
# "Common error codes" of API 3.0, which any action may answer and no service lists.
COMMON_CODES = set(
    "AuthFailure.InvalidAuthorization AuthFailure.InvalidSecretId AuthFailure.SecretIdNotFound AuthFailure.SignatureExpire"
    " AuthFailure.SignatureFailure AuthFailure.TokenFailure AuthFailure.UnauthorizedOperation DryRunOperation InternalError InvalidAction"
    " InvalidParameter InvalidParameterValue LimitExceeded MissingParameter NoSuchVersion RequestLimitExceeded ResourceInUse"
    " ResourceNotFound ServiceUnavailable UnauthorizedOperation UnknownParameter UnsupportedOperation UnsupportedRegion".split()
)


@cache
def model(service):
    """What tccli knows of a service."""
    path = Path(tccli.__file__).parent / "services" / service / f"v{VERSIONS[service]}" / "api.json"
    return json.loads(path.read_text())


def service_of(action):
    """The service that has an action."""
    return next(service for service in VERSIONS if action in model(service)["actions"])


def problems(action, response):
    """What in the `Response` of a successful reply does not fit the model of its action."""
    service = service_of(action)
    shape = model(service)["actions"][action]["output"]
    return list(_structure(service, shape, response, action))


def _structure(service, shape, value, where):
    if not isinstance(value, dict):
        yield f"{where}: {type(value).__name__} instead of a structure"
        return
    members = {member["name"]: member for member in model(service)["objects"][shape]["members"]}
    for name in value:
        if name not in members:
            yield f"{where}.{name}: unknown member"
    for name, member in members.items():
        here = f"{where}.{name}"
        if name not in value:
            if member.get("output_required") or name == "RequestId":
                yield f"{here}: missing"
        elif value[name] is None:
            if not member.get("value_allowed_null"):
                yield f"{here}: null"
        else:
            yield from _value(service, member, value[name], here)


def _value(service, member, value, where):
    kind, inner = member["type"], member["member"]
    if not isinstance(value, KINDS[kind]) or isinstance(value, bool) and kind != "bool":
        yield f"{where}: {value!r} instead of {kind}"
    elif kind == "object":
        yield from _structure(service, inner, value, where)
    elif kind == "list":
        for item in value:
            if inner in model(service)["objects"]:
                yield from _structure(service, inner, item, f"{where}[]")
            elif not isinstance(item, KINDS.get(inner, str)):
                yield f"{where}[]: {item!r} instead of {inner}"


def inputs(action):
    """Names of the parameters that the vendor's action has."""
    service = service_of(action)
    shape = model(service)["actions"][action]["input"]
    return {member["name"] for member in model(service)["objects"][shape]["members"]}


def vendors_codes():
    """Every error code that the SDK lists for the services that are served."""
    codes = set(COMMON_CODES)
    for service, version in VERSIONS.items():
        path = Path(tencentcloud.__file__).parent / service / f"v{version}" / "errorcodes.py"
        codes |= set(re.findall(r"^[A-Z_0-9]+ = '([^']+)'", path.read_text(), re.M))
    return codes


def our_codes():
    """Every error code in the dialect's own text, where each stands whole."""
    texts = [path.read_text().split("#[cfg(test)]")[0] for path in (ROOT / "crates/cvm/src").rglob("*.rs")]
    head = "AuthFailure|Invalid|Unsupported|Unauthorized|UnknownParameter|LimitExceeded|Missing|ResourceIn|ResourceNot|Failed|InternalError|Service|AddressQuota|VpcIp|VpcAddr|NoSuch|DryRun|OperationDenied"
    return set(re.findall(rf'"((?:{head})[A-Za-z]*(?:\.[A-Za-z0-9]+)?)"', "\n".join(texts)))


def kept_replies():
    """The replies that the dialect's own tests keep: path and action of each."""
    return [(path, path.name.split(".")[0]) for path in sorted((ROOT / "crates/cvm/tests/golden").glob("*.json"))]


def documented():
    """The rows of the dialect's table of calls: action, state, parameters understood, parameters refused."""
    section = (ROOT / "docs/actions.md").read_text().split("of Tencent Cloud")[1]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 4 and cells[0] not in ("call", "---"):
            yield cells[0], cells[1], set(re.findall(r"`(\w+)`", cells[2])), {name.split(".")[0] for name in re.findall(r"`([\w.]+)`", cells[3])}


def main():
    wrong = 0
    for path, action in kept_replies():
        for problem in problems(action, json.loads(path.read_text())["Response"]):
            print(f"{path.name}: {problem}")
            wrong += 1
    for code in sorted(our_codes() - vendors_codes()):
        print(f"{code}: none of the vendor's")
        wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
