"""A small Singer tap, as a person could write it in an afternoon: tap_risk.py <api> <account> <per page>"""
import json
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

api, account, per_page = sys.argv[1:]
SCHEMA = {
    "type": "object",
    "properties": {
        "user_id": {"type": "string", "format": "uuid"},
        "email": {"type": ["string", "null"]},
        "name": {"type": ["string", "null"]},
        "max_risk_level": {"type": "string"},
        "event_count": {"type": "integer"},
        "last_event": {"type": "string", "format": "date-time"},
    },
}


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")


def main():
    host = urlsplit(api)
    connection = HTTPConnection(host.hostname, host.port)
    say({"type": "SCHEMA", "stream": "users", "schema": SCHEMA, "key_properties": ["user_id"]})
    page, pages = 1, 1
    while page <= pages:
        connection.request("GET", f"/accounts/{account}/zt_risk_scoring/summary?page={page}&per_page={per_page}")
        body = json.load(connection.getresponse())
        pages = body["result_info"]["total_pages"]
        for user in body["result"]["users"]:
            say({"type": "RECORD", "stream": "users", "record": user})
        page += 1
    say({"type": "STATE", "value": {}})


main()
