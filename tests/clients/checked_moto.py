"""moto's server, which compares signatures of requests with a slash in their query too: moto 5.1 signs a decoded form of those, so that
boto3's own listing of a folder is refused. Run by moto's interpreter; arguments are moto_server's."""

import sys
import urllib.parse

import moto.iam.access_control
import moto.server

signed = moto.iam.access_control.IAMRequestBase._create_aws_request


def as_sent(self):
    request = signed(self)
    path, _, query = request.url.partition("?")
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    request.url = f"{path}?{urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote, safe='-_.~')}" if pairs else path
    return request


moto.iam.access_control.IAMRequestBase._create_aws_request = as_sent
moto.server.main(sys.argv[1:])
