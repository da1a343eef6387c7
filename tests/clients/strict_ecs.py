"""Checks replies of the ECS dialect against the models in the vendor's own SDK.

The response classes of alibabacloud_ecs20140526 know every member of a reply, its name and its type. A reply that has a member they do
not know, or a list where they want a structure, would be lost on a user of that SDK without a word; here it is an error.
"""

import inspect
import re

from alibabacloud_ecs20140526 import models

# Members of every reply that the SDK's bodies leave out here and there.
ENVELOPE = {"RequestId", "TotalCount", "PageNumber", "PageSize", "NextToken", "RegionId"}
# Members that only clients without models read, as Terraform's provider does: a structure spelled out.
SPELLED_OUT = "SystemDisk."
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def problems(action, reply):
    """What in a reply does not fit the model of its action."""
    body = getattr(models, f"{action}ResponseBody", None)
    if body is None:
        return [f"{action}: the SDK knows no such reply"]
    return list(_structure(body, reply, action))


def _members(model):
    """Wire name and annotation of each member, read from the class's own code for writing itself."""
    names = dict(re.findall(r"result\['([^']+)'\] = self\.(\w+)", inspect.getsource(model.to_map)))
    lists = re.findall(r"result\['([^']+)'\] = \[\]\s+if self\.(\w+)", inspect.getsource(model.to_map))
    names.update(lists)
    annotations = {name: parameter.annotation for name, parameter in inspect.signature(model.__init__).parameters.items()}
    return {wire: annotations.get(field) for wire, field in names.items()}


def _structure(model, value, where):
    if not isinstance(value, dict):
        yield f"{where}: {type(value).__name__} instead of a structure"
        return
    members = _members(model)
    for name, member in value.items():
        if name not in members:
            if not (name in ENVELOPE and "." not in where or name.startswith(SPELLED_OUT)):
                yield f"{where}.{name}: the SDK knows no such member"
            continue
        yield from _value(members[name], member, f"{where}.{name}")


def _value(annotation, value, where):
    inner = re.fullmatch(r"List\[(.+)\]", str(annotation))
    if inner:
        if not isinstance(value, list):
            yield f"{where}: {type(value).__name__} instead of a list"
            return
        for item in value:
            yield from _value(inner.group(1), item, f"{where}[]")
        return
    name = str(annotation).split(".")[-1]
    if name in SCALARS:
        if isinstance(value, bool) and name != "bool" or not isinstance(value, SCALARS[name]):
            yield f"{where}: {value!r} instead of {name}"
    elif hasattr(models, name):
        yield from _structure(getattr(models, name), value, where)
