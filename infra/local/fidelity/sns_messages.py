"""SNS: a message with MessageStructure `json` needs a `default`; MiniStack 1.5.33 publishes it without.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

import json

from ministack.services import sns

publish = sns._publish


def _publish(params):
    if sns._p(params, "MessageStructure") == "json" and not has_default(sns._p(params, "Message")):
        return sns._error("InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body", 400)
    return publish(params)


def has_default(message):
    try:
        parsed = json.loads(message) if isinstance(message, str) else message
    except ValueError:
        return False
    return isinstance(parsed, dict) and isinstance(parsed.get("default"), str)


sns._publish = _publish
