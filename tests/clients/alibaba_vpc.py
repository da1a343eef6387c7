"""Calls of Alibaba Cloud's VPC service by the request classes of its own SDK."""

import importlib
import json

from aliyunsdkcore.acs_exception.exceptions import ServerException

from test_ecs import Refused


def call(tenant, action, **parameters):
    """A call with the SDK's own class for it; the reply as a dictionary. A parameter that the class lacks fails here."""
    module = importlib.import_module(f"aliyunsdkvpc.request.v20160428.{action}Request")
    request = getattr(module, f"{action}Request")()
    request.set_endpoint(tenant.cloud.endpoint.removeprefix("http://"))
    request.set_protocol_type("http")
    for name, value in parameters.items():
        getattr(request, f"set_{name}")(value)
    try:
        return json.loads(tenant.old.do_action_with_exception(request))
    except ServerException as refused:
        raise Refused(refused.get_error_code(), refused.get_http_status(), refused.get_error_msg()) from refused
