"""Checks replies of the EC2 dialect against botocore's own models, more strictly than its parser does.

botocore forgives much: an element that it does not know is dropped in silence. Here that is an error, and so are a word that
is none of an enumeration's and an empty element where a number or a time belongs.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import botocore.parsers
import botocore.session

# Enumerations of the vendor that name what only the vendor sells; another cloud has names of its own.
OPEN_ENUMERATIONS = {"InstanceType"}
# Words that the vendor documents beside an enumeration that lacks them: the state of an internet gateway that is attached.
DOCUMENTED = {("AttachmentStatus", "available")}
SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def service_model(service):
    """The model of a service, as this botocore has it."""
    return botocore.session.get_session().get_service_model(service)


def problems(service, operation, body):
    """Everything in a successful reply that the model does not allow, as a list of sentences."""
    model = service_model(service)
    operation_model = model.operation_model(operation)
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        return [f"{operation}: not XML: {error}"]
    if local(root) != f"{operation}Response":
        return [f"{operation}: the root is {local(root)}"]
    found = []
    shape = operation_model.output_shape
    if model.metadata["protocol"] == "ec2":
        members = [child for child in root if local(child) != "requestId"]
        if shape is None:
            if [(local(child), child.text) for child in members] != [("return", "true")]:
                found.append(f"{operation}: a void reply holds more than <return>true</return>")
        else:
            structure(operation, shape, members, found)
    else:
        wrapper = operation_model.output_shape.serialization.get("resultWrapper") if shape else None
        for child in root:
            if local(child) == wrapper:
                structure(operation, shape, list(child), found)
            elif local(child) != "ResponseMetadata":
                found.append(f"{operation}: unknown element {local(child)}")
    parse(model, shape, body)
    return found


def parse(model, shape, body):
    """Parses a reply as the SDK does, which raises what a user would see."""
    parser = botocore.parsers.create_parser(model.metadata["protocol"])
    return parser.parse({"status_code": 200, "headers": {}, "body": body}, shape)


def local(element):
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def structure(path, shape, elements, found):
    known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    seen = set()
    for element in elements:
        name = local(element)
        here = f"{path}.{name}"
        if name not in known:
            found.append(f"{here}: unknown element")
        elif name in seen and not known[name].serialization.get("flattened"):
            found.append(f"{here}: stands twice")
        else:
            seen.add(name)
            value(here, known[name], element, found)


def value(path, shape, element, found):
    children, text = list(element), element.text or ""
    if shape.type_name == "structure":
        structure(path, shape, children, found)
    elif shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        for child in children:
            if local(child) != item:
                found.append(f"{path}: an item is called {local(child)}, not {item}")
            else:
                value(f"{path}[]", shape.member, child, found)
    elif children:
        found.append(f"{path}: has elements where a {shape.type_name} belongs")
    else:
        scalar(path, shape, text, found)


def scalar(path, shape, text, found):
    kind = shape.type_name
    allowed = getattr(shape, "enum", None) or []
    if kind in ("integer", "long") and not re.fullmatch(r"-?\d+", text):
        found.append(f"{path}: {text!r} is no whole number")
    elif kind in ("float", "double") and not re.fullmatch(r"-?\d+(\.\d+)?", text):
        found.append(f"{path}: {text!r} is no number")
    elif kind == "boolean" and text not in ("true", "false"):
        found.append(f"{path}: {text!r} is neither true nor false")
    elif kind == "timestamp" and not SECOND.fullmatch(text):
        found.append(f"{path}: {text!r} is no time")
    elif allowed and shape.name not in OPEN_ENUMERATIONS and text not in allowed and (shape.name, text) not in DOCUMENTED:
        found.append(f"{path}: {text!r} is none of {', '.join(allowed)}")


def watch(client, found):
    """Makes a client note the problems of every successful reply in the list `found`."""
    service = client.meta.service_model.service_name

    def check(operation_model, response_dict, **_):
        if response_dict["status_code"] < 300:
            found.extend(problems(service, operation_model.name, response_dict["body"]))

    client.meta.events.register("before-parse", check)


def kept_replies():
    """The replies that the dialect's own tests keep: path and operation of each."""
    folder = Path(__file__).parents[2] / "crates/ec2/tests/golden"
    return [(path, path.name.split(".")[0]) for path in sorted(folder.glob("*.xml"))]


def main():
    wrong = 0
    for path, operation in kept_replies():
        service = "sts" if operation == "GetCallerIdentity" else "ec2"
        for problem in problems(service, operation, path.read_bytes()):
            print(f"{path.name}: {problem}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
