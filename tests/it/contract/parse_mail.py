"""Reads mails back as Python's own e-mail package does: paths as arguments, a JSON list of what it found on standard output.

It knows nothing of how the product writes a mail, so that both cannot share a mistake.
"""

import email
import email.policy
import json
import sys


def read(path):
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    headers = {}
    for name, value in message.items():
        headers.setdefault(name.lower(), []).append(str(value))
    date = message["date"].datetime if message["date"] else None
    return {
        "headers": headers,
        "date": date.timestamp() if date else None,
        "content_type": message.get_content_type(),
        "parts": [
            {
                "content_type": part.get_content_type(),
                "charset": part.get_content_charset(),
                "text": part.get_content(),
            }
            for part in message.iter_parts()
        ],
        "defects": [repr(defect) for part in message.walk() for defect in defects(part)],
    }


def defects(part):
    """Those of the part and of each of its headers."""
    return [*part.defects, *(defect for value in part.values() for defect in value.defects)]


json.dump([read(path) for path in sys.argv[1:]], sys.stdout)
